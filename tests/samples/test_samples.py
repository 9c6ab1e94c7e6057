"""The samples: that they are made once, whole, and are what they say."""

from __future__ import annotations

import csv
import hashlib
import shutil

import numpy as np
import pytest
import tifffile

from anymask.errors import AnymaskError, OutputError
from anymask.images.band_math import band_math
from anymask.images.object_spectra import object_spectra
from anymask.images.spectral import reflectance
from anymask.io.read_images import read
from anymask.samples import list_samples, sample
from anymask.samples.leaf_cube import PANEL
from anymask.samples.reflectances import Leaf, soil_reflectance


def test_the_cube_is_a_proper_envi_pair(leaf_cube) -> None:
    image = read(leaf_cube)
    assert (image.axes, image.shape, image.dtype) == ("YXC", (200, 280, 181), np.uint16)
    np.testing.assert_array_equal(image.wavelengths, np.arange(400, 1301, 5))
    assert np.flatnonzero(image.bad_bands).tolist() == [0, 1, 120]
    assert image.metadata["fields"]["reflectance scale factor"] == "10000"


def test_the_truth_lies_beside_it(leaf_cube) -> None:
    labels = tifffile.imread(leaf_cube.with_name("leaf_cube.labels.tif"))
    assert labels.shape == (200, 280)
    assert np.unique(labels).tolist() == list(range(8))
    with leaf_cube.with_name("leaf_cube.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["pixels"]) for row in rows] == np.bincount(labels.ravel())[1:].tolist()
    assert [row["kind"] for row in rows].count("healthy") == 3


def test_plants_are_told_from_soil_and_from_the_panel(leaf_cube) -> None:
    image = read(leaf_cube)
    labels = tifffile.imread(leaf_cube.with_name("leaf_cube.labels.tif"))
    ndvi = band_math(image, "ndvi")
    assert np.median(ndvi[np.isin(labels, [1, 2, 6])]) > 0.75
    assert np.abs(np.median(ndvi[labels == 7])) < 0.02
    assert np.median(ndvi[labels == 0]) < 0.3
    water = band_math(image, "ndwi")
    assert np.median(water[labels == 1]) > np.median(water[labels == 4]) + 0.03
    red = band_math(image, "ari")
    assert np.median(red[labels == 5]) > np.median(red[labels == 1]) + 3


def test_leaves_have_the_features_that_textbooks_describe(leaf_cube) -> None:
    spectra = object_spectra(
        reflectance(read(leaf_cube)),
        tifffile.imread(leaf_cube.with_name("leaf_cube.labels.tif")),
    )
    nm, leaf = spectra.wavelengths, spectra.median[0]
    assert nm is not None

    def at(low: float, high: float) -> np.ndarray:
        return leaf[(nm >= low) & (nm <= high)]

    green = nm[(nm >= 500) & (nm <= 620)][at(500, 620).argmax()]
    assert 540 <= green <= 560
    assert at(430, 450).max() < 0.08
    assert at(660, 680).max() < 0.08
    edge = nm[:-1][(nm[:-1] >= 660) & (nm[:-1] <= 780)][np.diff(at(660, 785)).argmax()]
    assert 700 <= edge <= 750
    assert at(780, 900).min() > 0.4
    assert at(960, 980).mean() < at(900, 920).mean() - 0.01
    assert at(1190, 1205).mean() < at(1100, 1110).mean() - 0.05


def test_the_panel_brings_the_scale_of_reflectance(leaf_cube) -> None:
    image = read(leaf_cube)
    top, left, height, width = PANEL
    found = reflectance(image, panel=(top + 2, left + 2, height - 4, width - 4)).numpy()
    panel = found[top : top + height, left : left + width]
    assert np.nanmean(panel) == pytest.approx(1, abs=0.01)


def test_it_is_made_once_in_the_cache(leaf_cube, monkeypatch) -> None:
    files = sorted(leaf_cube.parent.iterdir())
    made = [path.stat().st_mtime_ns for path in files]
    assert [path.name for path in files] == [
        "leaf_cube.csv",
        "leaf_cube.hdr",
        "leaf_cube.labels.tif",
        "leaf_cube.raw",
    ]
    monkeypatch.setenv("ANYMASK_HOME", str(leaf_cube.parents[1]))
    assert sample("leaf_cube") == leaf_cube
    assert [path.stat().st_mtime_ns for path in files] == made


def test_it_is_made_again_in_any_folder_if_a_part_is_missing_and_is_the_same(
    leaf_cube, tmp_path
) -> None:
    folder = tmp_path / "with spaces é"
    shutil.copytree(leaf_cube.parent, folder)
    (folder / "leaf_cube.raw").unlink()
    again = sample("leaf_cube", folder)
    assert again.parent == folder
    for suffix in (".raw", ".hdr", ".csv"):
        one, two = (path.with_suffix(suffix).read_bytes() for path in (leaf_cube, again))
        assert hashlib.sha256(one).digest() == hashlib.sha256(two).digest()


def test_samples_are_listed_and_misspelt_ones_corrected() -> None:
    assert "white panel" in list_samples()["leaf_cube"]
    with pytest.raises(AnymaskError, match="did you mean 'leaf_cube'"):
        sample("leafcube")


def test_a_folder_that_cannot_be_written_is_told(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another folder"):
        sample("leaf_cube", tmp_path / "file" / "below")


def test_curves_rise_and_fall_where_they_should() -> None:
    nm = np.arange(400.0, 2501, 5)
    leaf, soil = Leaf().reflectance(nm), soil_reflectance(nm)
    assert ((leaf > 0) & (leaf < 0.6)).all()
    assert ((soil > 0) & (soil < 0.5)).all()
    for well in (1450, 1940):
        near = (nm >= well - 100) & (nm <= well + 100)
        assert abs(nm[near][leaf[near].argmin()] - well) <= 15
