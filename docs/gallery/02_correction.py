"""A correction. Two clicks find her, with part of the helmet; a red one drops the helmet."""

import skimage

import anymask
from anymask.painting import draw_prompts

image = skimage.data.astronaut()
points, labels = [[220, 110], [200, 420], [420, 430]], [1, 1, 0]
predictor = anymask.SamPredictor(anymask.load())
predictor.set_image(image)
masks, _, _ = predictor.predict(points, labels, multimask_output=False)
shown = draw_prompts(anymask.overlay(image, masks), point_coords=points, point_labels=labels)
