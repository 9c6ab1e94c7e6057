"""An index. Photochemical reflectance within the leaves; the mask is a condition on NDVI."""

import numpy as np

import anymask

cube = anymask.read(anymask.sample("leaf_cube"))
pri = anymask.band_math(cube, "pri")
plant = anymask.band_math(cube, "ndvi > 0.3").astype(bool)
shown = anymask.to_rgb(np.where(plant, pri, np.nan), low=-0.15, high=0.1)
