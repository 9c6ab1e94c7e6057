"""Three answers. A click may mean her head, her, or her with the helmet: all three are given."""

import numpy as np
import skimage

import anymask

image = skimage.data.astronaut()
predictor = anymask.SamPredictor(anymask.load())
predictor.set_image(image)
masks, predicted_iou, _ = predictor.predict([[220, 110]], [1], multimask_output=True)
shown = np.hstack([anymask.overlay(image, mask) for mask in masks])
