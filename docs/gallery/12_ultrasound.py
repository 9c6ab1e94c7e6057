"""A lesion in ultrasound. The image is drawn, so its true outline is known: the second half."""

import numpy as np

import anymask
from anymask.masks.boxes import boxes_of_masks
from anymask.samples.ultrasound import draw_ultrasound

image, truth = draw_ultrasound(1)
image = anymask.to_rgb(image)
predictor = anymask.SamPredictor(anymask.load())
predictor.set_image(image)
masks, _, _ = predictor.predict(box=boxes_of_masks(np.array(truth))[0], multimask_output=False)
shown = np.hstack([anymask.overlay(image, masks), anymask.overlay(image, np.array(truth))])
