"""A box. The surest prompt for a whole thing: here a cat."""

import skimage

import anymask
from anymask.painting import draw_prompts

image = skimage.data.chelsea()
box = [60, 10, 400, 299]
predictor = anymask.SamPredictor(anymask.load())
predictor.set_image(image)
masks, _, _ = predictor.predict(box=box, multimask_output=False)
shown = draw_prompts(anymask.overlay(image, masks), boxes=box)
