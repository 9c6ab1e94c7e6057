"""Cut out. A mask is a boolean array: what lies outside becomes white."""

import numpy as np
import skimage

import anymask

image = skimage.data.astronaut()
predictor = anymask.SamPredictor(anymask.load())
predictor.set_image(image)
masks, _, _ = predictor.predict(box=[0, 0, 400, 511], multimask_output=False)
shown = np.where(masks[0][..., None], image, np.uint8(255))
