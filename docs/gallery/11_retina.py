"""The optic disc. One box in a photograph of the retina."""

import skimage

import anymask
from anymask.painting import draw_prompts

image = skimage.transform.rescale(skimage.data.retina(), 0.5, channel_axis=2, anti_aliasing=True)
image = anymask.to_rgb((image * 255).astype("uint8"))
box = [68, 278, 150, 376]
predictor = anymask.SamPredictor(anymask.load())
predictor.set_image(image)
masks, _, _ = predictor.predict(box=box, multimask_output=False)
shown = draw_prompts(anymask.overlay(image, masks), boxes=box)
