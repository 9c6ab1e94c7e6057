"""Everything. No prompt: the model finds all objects. Coins are what the model is good at."""

import skimage

import anymask

image = anymask.to_rgb(skimage.data.coins())
generator = anymask.SamAutomaticMaskGenerator(anymask.load())
masks = generator.generate_masks(image)
shown = anymask.overlay(image, masks)
