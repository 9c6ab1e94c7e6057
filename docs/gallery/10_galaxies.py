"""Galaxies. Everything in Hubble's deep field; a condition on brightness drops empty sky."""

import skimage

import anymask
from anymask.masks.choose import keep

image = skimage.data.hubble_deep_field()[:400, :560]
generator = anymask.SamAutomaticMaskGenerator(anymask.load(), points_per_side=48)
masks = generator.generate_masks(image)
galaxies = keep(masks, "intensity_mean_0 > 50 and area < 5000", image=image)
shown = anymask.overlay(image, galaxies)
