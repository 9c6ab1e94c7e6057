"""TIFF: what ImageJ, OME and plain tags say of sizes, units, channels and samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from anymask.errors import ImageError
from anymask.io.image_formats.tiff import series
from anymask.io.read_images import read, read_rgb


def noise(shape: tuple[int, ...], dtype: Any = np.uint16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, shape).astype(dtype)


def test_imagej_metadata_is_kept(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif",
        noise((2, 5, 3, 20, 30)),
        imagej=True,
        resolution=(1 / 0.25, 1 / 0.5),
        metadata={
            "axes": "TZCYX",
            "unit": "um",
            "spacing": 2.5,
            "finterval": 3.0,
            "Labels": ["DAPI", "GFP", "RFP"] * 10,
        },
    )
    image = read(tmp_path / "a.tif")
    assert image.axes == "TZCYX"
    assert image.pixel_size is not None
    np.testing.assert_allclose(image.pixel_size, (0.5, 0.25))
    assert (image.unit, image.z_step) == ("µm", 2.5)
    assert image.channel_names == ("DAPI", "GFP", "RFP")
    assert image.metadata["imagej"]["finterval"] == 3.0


@pytest.mark.parametrize("unit", ["micron", "\\u00B5m", "um"])
def test_micrometres_are_called_by_one_name(unit: str, tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif",
        noise((20, 30)),
        imagej=True,
        resolution=(2.0, 2.0),
        metadata={"unit": unit},
    )
    image = read(tmp_path / "a.tif")
    assert (image.unit, image.pixel_size) == ("µm", (0.5, 0.5))


def test_imagej_files_without_a_unit_have_no_pixel_size(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise((20, 30)), imagej=True, resolution=(2.0, 2.0))
    image = read(tmp_path / "a.tif")
    assert (image.unit, image.pixel_size) == (None, None)


def test_labels_of_slices_are_not_channel_names(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif",
        noise((4, 2, 20, 30)),
        imagej=True,
        metadata={"axes": "ZCYX", "Labels": [f"slice {i}" for i in range(8)]},
    )
    assert read(tmp_path / "a.tif").channel_names is None


def test_colours_of_an_imagej_lookup_table_do_not_replace_the_values(tmp_path: Path) -> None:
    values = noise((20, 30), np.uint8)
    table = np.zeros((3, 256), np.uint8)
    table[1] = np.arange(256)
    tifffile.imwrite(tmp_path / "a.tif", values, imagej=True, metadata={"LUTs": [table]})
    np.testing.assert_array_equal(read(tmp_path / "a.tif").array, values)


def test_ome_metadata_is_kept(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        noise((4, 2, 20, 30)),
        metadata={
            "axes": "ZCYX",
            "PhysicalSizeX": 250.0,
            "PhysicalSizeXUnit": "nm",
            "PhysicalSizeY": 500.0,
            "PhysicalSizeYUnit": "nm",
            "PhysicalSizeZ": 1000.0,
            "PhysicalSizeZUnit": "nm",
            "Channel": {"Name": ["DAPI", "GFP"], "EmissionWavelength": [461, 509]},
        },
    )
    image = read(tmp_path / "a.ome.tif")
    assert image.axes == "ZCYX"
    assert (image.pixel_size, image.z_step, image.unit) == ((500.0, 250.0), 1000.0, "nm")
    assert image.channel_names == ("DAPI", "GFP")
    np.testing.assert_array_equal(image.wavelengths, [461, 509])
    assert "<OME" in image.metadata["ome"]


def test_images_of_one_ome_file_have_their_own_metadata(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as writer:
        for size, name in ((0.5, "left"), (2.0, "right")):
            metadata = {
                "axes": "CYX",
                "PhysicalSizeX": size,
                "PhysicalSizeY": size,
                "Channel": {"Name": [name, "b"]},
            }
            writer.write(noise((2, 20, 30)), photometric="minisblack", metadata=metadata)
    image = read(tmp_path / "a.ome.tif", series=1)
    assert image.pixel_size == (2.0, 2.0)
    assert image.channel_names == ("right", "b")


def test_a_broken_ome_description_does_not_hide_the_image(tmp_path: Path) -> None:
    array = noise((20, 30))
    tifffile.imwrite(tmp_path / "a.tif", array, description='<?xml version="1.0"?><OME><Image')
    np.testing.assert_array_equal(read(tmp_path / "a.tif").array, array)


def test_a_missing_file_of_a_multi_file_ome_is_named_or_blank_never_a_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series, "EAGER_BYTES", 0)
    uid = "urn:uuid:00000000-0000-0000-0000-00000000000"
    names = ["a.ome.tif", "b.ome.tif"]
    planes = "".join(
        f'<TiffData FirstZ="{i}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{name}">{uid}{i}</UUID></TiffData>'
        for i, name in enumerate(names)
    )
    for i, name in enumerate(names):
        xml = (
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="{uid}{i}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
            'Type="uint16" SizeX="30" SizeY="20" SizeZ="2" SizeC="1" SizeT="1">'
            f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{planes}</Pixels></Image></OME>'
        )
        tifffile.imwrite(
            tmp_path / name, np.full((20, 30), i + 1, np.uint16), description=xml, metadata=None
        )
    image = read(tmp_path / names[0])
    np.testing.assert_array_equal(image.numpy()[:, 0, 0], [1, 2])
    (tmp_path / names[1]).unlink()
    with pytest.raises(ImageError, match="missing"):
        read(tmp_path / names[0]).numpy()


@pytest.mark.parametrize(
    ("resolution", "unit", "size"),
    [
        ((40_000, 20_000), "CENTIMETER", (0.5, 0.25)),
        ((28.35, 28.35), "CENTIMETER", None),
        ((600, 600), "INCH", None),
        ((40_000, 20_000), "NONE", None),
    ],
)
def test_resolution_tags_are_believed_where_they_can_be_meant(
    resolution: tuple[float, float], unit: str, size: tuple[float, float] | None, tmp_path: Path
) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", noise((20, 30)), resolution=resolution, resolutionunit=unit
    )
    image = read(tmp_path / "a.tif")
    assert image.pixel_size == size
    assert image.unit == (None if size is None else "µm")
    assert image.metadata.get("dpi") == ((600, 600) if unit == "INCH" else None)


def test_pixel_height_and_width_are_swapped_for_an_image_on_its_side(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif",
        noise((20, 30)),
        resolution=(40_000, 20_000),
        resolutionunit="CENTIMETER",
        extratags=[(274, "H", 1, 6, True)],
    )
    assert read(tmp_path / "a.tif").pixel_size == (0.25, 0.5)


def test_a_fourth_sample_that_is_not_alpha_is_a_band(tmp_path: Path) -> None:
    bands = noise((20, 30, 4), np.uint8)
    options: dict[str, Any] = {"photometric": "rgb", "planarconfig": "contig"}
    tifffile.imwrite(tmp_path / "nir.tif", bands, extrasamples=[0], **options)
    image = read(tmp_path / "nir.tif")
    assert image.axes == "YXC"
    assert image.channel_names == ("red", "green", "blue", "band 4")
    np.testing.assert_array_equal(image.array, bands)
    np.testing.assert_array_equal(read_rgb(tmp_path / "nir.tif"), bands[..., :3])
    tifffile.imwrite(tmp_path / "alpha.tif", bands, extrasamples=[2], **options)
    assert read(tmp_path / "alpha.tif").axes == "YXS"


def test_gray_with_alpha_is_rgba(tmp_path: Path) -> None:
    pair = noise((20, 30, 2))
    tifffile.imwrite(
        tmp_path / "a.tif", pair, photometric="minisblack", planarconfig="contig", extrasamples=[2]
    )
    image = read(tmp_path / "a.tif")
    assert image.axes == "YXS"
    np.testing.assert_array_equal(image.array, pair[..., [0, 0, 0, 1]])
