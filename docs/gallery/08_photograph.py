"""A photograph. Here the shipped model is at its limit; `anymask.load("vit_b")` finds more."""

import skimage

import anymask

image = skimage.data.coffee()
generator = anymask.SamAutomaticMaskGenerator(anymask.load(), crop_n_layers=1)
masks = generator.generate_masks(image)
shown = anymask.overlay(image, masks)
