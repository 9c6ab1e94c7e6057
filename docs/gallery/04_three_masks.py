"""Three answers. A click can mean a part, a thing or a group: `multimask_output` gives all."""

import numpy as np
import skimage

import anymask

image = skimage.data.astronaut()
predictor = anymask.SamPredictor(anymask.load())
predictor.set_image(image)
masks, predicted_iou, _ = predictor.predict([[220, 110]], [1], multimask_output=True)
shown = np.hstack([anymask.overlay(image, mask) for mask in masks])
