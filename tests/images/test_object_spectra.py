"""Spectra of objects, against NumPy on each object's pixels."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image as Picture

from anymask.errors import ImageError, OutputError
from anymask.images.object_spectra import object_spectra
from tests.images.cubes import HEIGHT, LAYOUTS, NM, WIDTH, cube, numbers


def labels() -> np.ndarray:
    """Ids that are far apart and not in the order of their places."""
    drawn = np.zeros((HEIGHT, WIDTH), np.int32)
    drawn[2:9, 3:11] = 70_000
    drawn[12:20, 1:9] = 3
    drawn[15:17, 4:6] = 41
    drawn[30, 20] = 9
    return drawn


@pytest.mark.parametrize("layout", LAYOUTS)
def test_figures_are_those_of_numpy(layout: str) -> None:
    found = object_spectra(cube(layout=layout), labels())
    assert found.ids.tolist() == [3, 9, 41, 70_000]
    assert found.bands.tolist() == list(range(61))
    for i, id_ in enumerate(found.ids):
        own = numbers()[labels() == id_].astype(np.float64)
        np.testing.assert_allclose(found.mean[i], own.mean(axis=0))
        np.testing.assert_allclose(found.std[i], own.std(axis=0), atol=1e-12)
        np.testing.assert_allclose(found.median[i], np.median(own, axis=0))
        assert set(found.pixels[i]) == {len(own)}


def test_masks_may_overlap() -> None:
    first, second = np.zeros((2, HEIGHT, WIDTH), bool)
    first[:10], second[5:15] = True, True
    found = object_spectra(cube(), iter([(8, second), (2, first)]))
    assert found.ids.tolist() == [2, 8]
    np.testing.assert_allclose(found.mean[0], numbers()[first].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.mean[1], numbers()[second].mean(axis=0), rtol=1e-5)


def test_bad_bands_and_unknown_values_do_not_count() -> None:
    values = numbers()
    values[2, 3, 5] = np.nan
    values[2:9, 3:11, 6] = np.inf
    bad = np.isin(np.arange(61), [0, 30])
    found = object_spectra(cube(values, bad_bands=bad), labels())
    assert found.bands.tolist() == [k for k in range(61) if k not in (0, 30)]
    np.testing.assert_array_equal(found.wavelengths, NM[~bad])
    row = found.ids.tolist().index(70_000)
    column = found.bands.tolist().index(5)
    assert found.pixels[row, column : column + 2].tolist() == [55, 0]
    assert np.isfinite(found.mean[row, column])
    assert np.isnan(found.mean[row, column + 1])


def test_the_table_has_a_row_for_each_object_and_band(tmp_path) -> None:
    values = numbers()
    values[30, 20, 1] = np.nan
    found = object_spectra(cube(values), labels())
    found.to_csv(tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * 61
    row = rows[2 * 61 + 7]
    own = values[labels() == 41][:, 7].astype(float)
    assert (row["object"], row["band"], row["pixels"]) == ("41", "7", "4")
    assert float(row["wavelength_nm"]) == NM[7]
    assert float(row["mean"]) == pytest.approx(own.mean(), rel=1e-6)
    assert float(row["std"]) == pytest.approx(own.std(), rel=1e-5)
    assert float(row["median"]) == pytest.approx(np.median(own), rel=1e-6)
    empty = rows[61 + 1]
    assert (empty["object"], empty["mean"], empty["pixels"]) == ("9", "", "0")


def test_the_plot_shows_each_object_in_the_colour_of_its_id(tmp_path) -> None:
    from anymask.palette import colours_of

    values = np.ones((HEIGHT, WIDTH, 61), np.float32)
    values[labels() == 3] = np.linspace(0, 1, 61)
    found = object_spectra(cube(values, bad_bands=np.arange(61) == 30), labels())
    found.plot(tmp_path / "plot.png", title="a title", unit="reflectance")
    shown = np.asarray(Picture.open(tmp_path / "plot.png").convert("RGB")).astype(int)
    for id_ in (3, 70_000):
        near = np.abs(shown - colours_of(np.array(id_)).astype(int)).max(axis=2) < 12
        assert near.sum() > 300


def test_only_the_largest_of_many_objects_are_drawn(tmp_path) -> None:
    many = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) // 7
    found = object_spectra(cube(), many)
    assert len(found.ids) == 121
    found.plot(tmp_path / "plot.svg")
    assert (tmp_path / "plot.svg").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("given", "part"),
    [
        (np.ones((5, 5), int), "5×5 pixels and cube is 23×37"),
        (np.full((HEIGHT, WIDTH), 0.5), "fractions"),
        (np.full((HEIGHT, WIDTH), -1), "the id -1"),
        (np.zeros((HEIGHT, WIDTH), int), "no object"),
    ],
)
def test_labels_of_another_image_are_refused(given: np.ndarray, part: str) -> None:
    with pytest.raises(ImageError, match=part):
        object_spectra(cube(), given)


def test_a_table_that_cannot_be_written_is_an_error(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    found = object_spectra(cube(), labels())
    with pytest.raises(OutputError, match="choose another folder"):
        found.to_csv(tmp_path / "file" / "table.csv")
    with pytest.raises(OutputError, match="choose another folder"):
        found.plot(tmp_path / "file" / "plot.png")
