"""Measuring how good a model is.

`protocols` simulates a user who clicks and draws boxes, `everything` scores the masks of whole
images and `class_maps` maps of classes. `baselines` answers the same prompts without a network,
`compare` computes intervals for the difference of two models, `tuning` finds thresholds, and
`metrics` defines the figures as functions of arrays. `anymask.reports` writes the results.
"""
