"""Choose by shape. Conditions on measurements keep the large round coins."""

import skimage

import anymask
from anymask.masks.choose import keep

image = anymask.to_rgb(skimage.data.coins())
generator = anymask.SamAutomaticMaskGenerator(anymask.load())
masks = generator.generate_masks(image)
coins = keep(masks, "circularity > .85 and area > 1800")
shown = anymask.overlay(image, coins)
