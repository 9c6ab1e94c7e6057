"""Label images: what other programs find in them, their sizes and their places on the map."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image as Pillow

from anymask.errors import AnymaskError, OutputError
from anymask.images.image import Image
from anymask.io import load_masks, save_masks
from anymask.io.image_formats import zarr_store
from anymask.io.image_formats.tiff.geotiff import pixel_size_of
from anymask.io.read_images import read
from anymask.io.read_masks import scale_of
from anymask.masks.mask_set import MaskSet


@pytest.mark.parametrize(("largest", "dtype"), [(9, "u1"), (300, "u2"), (70_000, "u4")])
def test_label_tiffs_have_the_smallest_dtype_and_imagej_reads_their_pixel_size(
    tmp_path, masks, calibrated, largest, dtype
):
    masks = masks.with_ids([1, largest, 5])
    save_masks(masks, tmp_path / "a.tif", image=calibrated)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.is_imagej
        assert tiff.imagej_metadata["unit"] == "micron"
        page = tiff.pages[0]
        assert page.dtype == dtype
        np.testing.assert_array_equal(page.asarray(), masks.to_labels())
        x, y = (page.tags[name].value for name in ("XResolution", "YResolution"))
        assert (x[0] / x[1], y[0] / y[1]) == (4, 2)
    image = read(tmp_path / "a.tif")
    assert image.pixel_size == (0.5, 0.25)
    assert image.unit == "µm"


def test_16_bit_pngs_hold_the_ids_for_any_reader(tmp_path, masks):
    save_masks(masks, tmp_path / "a.png")
    with Pillow.open(tmp_path / "a.png") as image:
        assert image.mode == "I;16"
        np.testing.assert_array_equal(np.asarray(image), masks.to_labels())


@pytest.mark.parametrize("form", ["png", "voc"])
def test_ids_that_16_bits_cannot_hold_are_refused_and_never_squeezed(tmp_path, masks, form):
    with pytest.raises(OutputError, match=r"65,535.*70,000"):
        save_masks(masks.with_ids([1, 70_000, 3]), tmp_path / "a", form)
    assert list(tmp_path.iterdir()) == []


def test_ome_zarr_labels_are_listed_in_their_image_at_every_level(tmp_path, stack, calibrated):
    picture = zarr.create_group(str(tmp_path / "p.zarr"), zarr_format=2)
    picture.attrs["multiscales"] = [{"version": "0.4", "datasets": [{"path": "0"}]}]
    large = np.zeros((700, 500), np.uint32)
    large[100:300, 50:400], large[301:303, 51:53] = 70_000, 5
    masks = MaskSet.from_labels(large).with_class_names(["cell", "leaf"])
    large_picture = calibrated.with_array(np.zeros((700, 500, 2), np.uint16))
    save_masks(masks, tmp_path / "p.zarr" / "labels" / "cells", image=large_picture)
    save_masks(masks, tmp_path / "p.zarr" / "labels" / "more")
    group = zarr.open(str(tmp_path / "p.zarr"), mode="r")
    assert group["labels"].attrs["labels"] == ["cells", "more"]
    cells = group["labels/cells"]
    scales = cells.attrs["multiscales"][0]
    assert [axis["unit"] for axis in scales["axes"]] == ["micrometer"] * 2
    for number, level in enumerate(scales["datasets"]):
        step = 2**number
        np.testing.assert_array_equal(cells[level["path"]][:], large[::step, ::step])
        assert level["coordinateTransformations"][0]["scale"] == [0.5 * step, 0.25 * step]
    assert len(scales["datasets"]) == 3
    image = zarr_store.read(tmp_path / "p.zarr" / "labels" / "cells")
    assert (image.pixel_size, image.unit) == ((0.5, 0.25), "µm")
    again = load_masks(tmp_path / "p.zarr" / "labels" / "cells")
    assert again.class_names == ("cell", "leaf")
    np.testing.assert_array_equal(again.to_labels(), large)
    with pytest.raises(AnymaskError, match="2 label images, cells, more"):
        load_masks(tmp_path / "p.zarr")


@pytest.mark.parametrize("dtype", [np.float32, np.float64, bool])
def test_ids_saved_as_other_numbers_are_read(tmp_path, dtype):
    labels = np.array([[0, 1, 1], [0, 0, 1]]).astype(dtype)
    np.save(tmp_path / "a.npy", labels)
    tifffile.imwrite(tmp_path / "a.tif", labels)
    for name in ("a.npy", "a.tif"):
        np.testing.assert_array_equal(load_masks(tmp_path / name).to_labels(), labels)


@pytest.mark.parametrize("name", ["a.tif", "a.zarr"])
def test_files_tell_their_pixel_size_again(tmp_path, calibrated, name):
    masks = MaskSet.from_labels(np.ones((40, 50), np.uint8))
    save_masks(masks, tmp_path / name, image=calibrated)
    assert scale_of(tmp_path / name) == {"pixel_size": (0.5, 0.25), "unit": "µm"}
    save_masks(masks, tmp_path / f"bare-{name}")
    assert scale_of(tmp_path / f"bare-{name}") == {}


@pytest.mark.parametrize(
    ("transform", "crs", "unit"),
    [
        ((500_000.0, 0.5, 0.0, 5_600_000.0, 0.0, -0.25), "EPSG:32632", "m"),
        ((8.5, 1e-4, 0.0, 47.25, 0.0, -1e-4), "EPSG:4326", "degree"),
        ((10.0, 0.5, 0.25, 20.0, 0.25, -0.5), None, "m"),
    ],
)
def test_a_label_image_lies_on_the_map_where_its_image_does(tmp_path, transform, crs, unit):
    labels = np.zeros((30, 20), np.uint8)
    labels[5:9, 3:8] = 200
    geo = {"transform": transform} | ({"crs": crs} if crs else {})
    size = pixel_size_of(transform)
    picture = Image(np.zeros((30, 20), np.uint8), "YX", geo=geo, pixel_size=size, unit=unit)
    save_masks(labels, tmp_path / "a.tif", image=picture)
    again = read(tmp_path / "a.tif")
    np.testing.assert_allclose(again.geo["transform"], transform, rtol=1e-12)
    assert again.geo.get("crs") == crs
    assert again.unit == unit
    np.testing.assert_allclose(again.pixel_size, size)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.is_imagej
        assert tiff.pages.first.is_geotiff
    np.testing.assert_array_equal(load_masks(tmp_path / "a.tif").to_labels(), labels)
