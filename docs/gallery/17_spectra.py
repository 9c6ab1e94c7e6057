"""Spectra of objects. Mean and deviation of each leaf, as a table and as a plot."""

import skimage

import anymask

path = anymask.sample("leaf_cube")
cube = anymask.read(path)
labels = anymask.read(path.with_name("leaf_cube.labels.tif")).numpy()
spectra = anymask.object_spectra(cube, labels)
spectra.to_csv("leaves.csv")
spectra.plot("leaves.png")
shown = skimage.io.imread("leaves.png")[..., :3]
