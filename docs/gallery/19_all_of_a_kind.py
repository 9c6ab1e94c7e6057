"""All pixels of a kind. A point on the soil scores every pixel; what is no soil is a leaf."""

import numpy as np

import anymask
from anymask.predict.semantic import score_map

cube = anymask.read(anymask.sample("leaf_cube"))
image = anymask.pseudo_rgb(cube, "ndvi", low=-0.2, high=1).rgb
predictor = anymask.SamPredictor(anymask.load())
predictor.set_image(image)
scores = score_map(predictor, [[10, 10]], [1])
shown = np.hstack([image, anymask.overlay(image, ~scores.mask(0.0))])
