"""A correction. A green point is on the object, a red one is not: the saucer goes."""

import skimage

import anymask
from anymask.painting import draw_prompts

image = skimage.data.coffee()
points, labels = [[285, 165], [320, 360]], [1, 0]
predictor = anymask.SamPredictor(anymask.load())
predictor.set_image(image)
masks, _, _ = predictor.predict(points, labels, multimask_output=False)
shown = draw_prompts(anymask.overlay(image, masks), point_coords=points, point_labels=labels)
