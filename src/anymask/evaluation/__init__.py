"""How good a model is, measured.

`protocols` plays the user who clicks and draws boxes, `everything` scores the masks of whole
images, `class_maps` maps of classes, `baselines` answers the same prompts without a network,
`compare` puts intervals on differences of two models, `tuning` finds thresholds, and `metrics`
holds the figures as functions of arrays. `anymask.reports` writes the results down.
"""
