"""A photograph. Here the shipped model is at its limit; `anymask.load("vit_b")` finds more."""

import skimage

import anymask

image = skimage.data.coffee()
generator = anymask.SamAutomaticMaskGenerator(anymask.load())
masks = generator.generate_masks(image)
shown = anymask.overlay(image, masks)
