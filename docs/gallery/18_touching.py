"""Touching objects. `split_touching` cuts at necks and needs no model."""

import numpy as np
import skimage

import anymask
from anymask.masks.clean import clear_border, remove_small_objects
from anymask.masks.split import split_touching

blobs = skimage.data.binary_blobs(300, blob_size_fraction=0.1, volume_fraction=0.4, rng=3)
cells = clear_border(remove_small_objects(split_touching(blobs, min_distance=8), 60))
image = anymask.to_rgb(blobs.astype(np.uint8) * 90)
shown = anymask.overlay(image, cells)
