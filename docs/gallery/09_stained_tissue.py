"""Stained tissue. Everything in an immunohistochemistry section."""

import skimage

import anymask

image = skimage.data.immunohistochemistry()
generator = anymask.SamAutomaticMaskGenerator(anymask.load())
masks = generator.generate_masks(image)
shown = anymask.overlay(image, masks)
