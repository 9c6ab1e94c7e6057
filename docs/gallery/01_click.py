"""One click. A point on the rim of a cup; the answer is a mask and its predicted IoU."""

import skimage

import anymask
from anymask.painting import draw_prompts

image = skimage.data.coffee()
predictor = anymask.SamPredictor(anymask.load())
predictor.set_image(image)
masks, predicted_iou, _ = predictor.predict([[300, 60]], [1], multimask_output=False)
shown = draw_prompts(anymask.overlay(image, masks), point_coords=[[300, 60]])
