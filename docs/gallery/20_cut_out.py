"""Cut out. A mask is a boolean array: its largest part stays, all else becomes white."""

import numpy as np
import skimage

import anymask
from anymask.masks.clean import keep_largest_component

image = skimage.data.astronaut()
predictor = anymask.SamPredictor(anymask.load())
predictor.set_image(image)
masks, _, _ = predictor.predict(box=[0, 0, 400, 511], multimask_output=False)
person = keep_largest_component(masks[0])
shown = np.where(person[..., None], image, np.uint8(255))
