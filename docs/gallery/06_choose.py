"""Choose by shape. Conditions on measurements keep the coins and drop patches of background."""

import skimage

import anymask
from anymask.masks.choose import keep

image = anymask.to_rgb(skimage.data.coins())
generator = anymask.SamAutomaticMaskGenerator(anymask.load())
masks = generator.generate_masks(image)
coins = keep(masks, "circularity > .85 and area > 500")
shown = anymask.overlay(image, coins)
