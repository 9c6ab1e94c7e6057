"""Measure. The wider a coin the brighter it is drawn; `table` goes to CSV as it is."""

import numpy as np
import skimage

import anymask
from anymask.masks.choose import keep

image = anymask.to_rgb(skimage.data.coins())
generator = anymask.SamAutomaticMaskGenerator(anymask.load())
masks = generator.generate_masks(image)
coins = keep(masks, "circularity > .85 and area > 500")
table = anymask.measure(coins, image, pixel_size=0.25, unit="mm")
widths = np.zeros(int(max(table["id"])) + 1)
widths[table["id"]] = table["feret_diameter_max"]
shown = anymask.to_rgb(widths[coins.to_labels()], low=0)
