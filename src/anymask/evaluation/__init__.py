"""How good a model is, measured: examples, protocols, baselines and reports.

`data` reads images with the masks of their objects, `protocols` plays the user who clicks and
draws boxes, `everything` scores the masks of whole images, `baselines` answers the same prompts
without a network, `metrics` holds the figures as functions of arrays, `report` writes them down.
"""
