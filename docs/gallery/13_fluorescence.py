"""Fluorescence. Two channels of 16 bits become one image; each keeps its own contrast."""

import numpy as np
import skimage

import anymask

blobs = [skimage.data.binary_blobs(300, blob_size_fraction=0.12, rng=seed) for seed in (1, 5)]
noise = np.random.default_rng(0).poisson(40, (2, 300, 300))
smooth = [skimage.filters.gaussian(blob.astype(float), 2) for blob in blobs]
cells = anymask.Image((np.array(smooth) * 900 + noise).astype("uint16"), "CYX")
shown = anymask.to_rgb(cells, colors=["blue", "#33ff00"])
