"""Cut out. A mask is a boolean array: its largest part stays, all else becomes white."""

import numpy as np
import skimage

import anymask
from anymask.masks.clean import keep_largest_component

image = skimage.data.astronaut()
predictor = anymask.SamPredictor(anymask.load())
predictor.set_image(image)
points, labels = [[220, 110], [200, 420], [420, 430]], [1, 1, 0]
masks, _, _ = predictor.predict(points, labels, multimask_output=False)
person = keep_largest_component(masks[0])
shown = np.where(person[..., None], image, np.uint8(255))
