"""DICOM files written by pydicom: measured values, windows, colours, damage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from anymask.errors import ImageError
from anymask.io.image_formats import dicom
from anymask.io.listing import list_images
from anymask.io.read_images import read, read_rgb
from tests.io.dicom_files import write, write_series
from tests.io.refusals import sentence


def noise(shape: tuple[int, ...], high: int = 4096, dtype: Any = np.uint16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, high, shape).astype(dtype)


@pytest.mark.parametrize(
    "syntax",
    [
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_values_and_type_come_back_in_any_encoding(dtype: Any, syntax: Any, tmp_path: Path) -> None:
    array = noise((20, 30), 100, dtype)
    write(tmp_path / "a.dcm", array, syntax)
    image = read(tmp_path / "a.dcm")
    assert (image.axes, image.dtype) == ("YX", dtype)
    np.testing.assert_array_equal(image.array, array)


def test_slope_intercept_spacing_and_window_are_kept(tmp_path: Path) -> None:
    array = noise((20, 30))
    write(
        tmp_path / "a.dcm",
        array,
        BitsStored=12,
        RescaleSlope=1,
        RescaleIntercept=-1024,
        PixelSpacing=[0.5, 0.25],
        WindowCenter=[40, 300],
        WindowWidth=[400, 1500],
    )
    image = read(tmp_path / "a.dcm")
    assert image.dtype == np.int16
    np.testing.assert_array_equal(image.array, array.astype(int) - 1024)
    assert (image.pixel_size, image.unit) == ((0.5, 0.25), "mm")
    assert image.metadata["window"] == (40, 400)
    assert image.metadata["windows"] == [(40, 400), (300, 1500)]
    assert image.metadata["rescale"] == (1, -1024)
    assert image.metadata["Modality"] == "CT"


@pytest.mark.parametrize(("bits", "dtype"), [(12, np.int16), (16, np.int32)])
def test_whole_slopes_keep_whole_numbers(bits: int, dtype: Any, tmp_path: Path) -> None:
    for array in (np.zeros((4, 5), np.uint16), noise((4, 5), 2**bits)):
        write(tmp_path / "a.dcm", array, BitsStored=bits, RescaleSlope=2, RescaleIntercept=-1024)
        image = read(tmp_path / "a.dcm")
        assert image.dtype == dtype
        np.testing.assert_array_equal(image.array, array.astype(int) * 2 - 1024)


def test_a_fractional_slope_makes_floats(tmp_path: Path) -> None:
    array = noise((20, 30))
    write(tmp_path / "a.dcm", array, RescaleSlope=0.37, RescaleIntercept=-5.5)
    image = read(tmp_path / "a.dcm")
    assert image.dtype == np.float32
    np.testing.assert_allclose(image.array, array * 0.37 - 5.5, rtol=1e-6)


def test_an_image_whose_zero_is_white_is_inverted_with_its_window(tmp_path: Path) -> None:
    array = noise((20, 30))
    write(
        tmp_path / "a.dcm",
        array,
        BitsStored=12,
        PhotometricInterpretation="MONOCHROME1",
        WindowCenter=1000,
        WindowWidth=500,
    )
    image = read(tmp_path / "a.dcm")
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image.array, 4095 - array)
    assert image.metadata["window"] == (3095, 500)
    write(
        tmp_path / "b.dcm",
        array,
        BitsStored=12,
        PhotometricInterpretation="MONOCHROME1",
        RescaleSlope=2,
        RescaleIntercept=-100,
        WindowCenter=1900,
        WindowWidth=500,
    )
    image = read(tmp_path / "b.dcm")
    np.testing.assert_array_equal(image.array, 4095 * 2 - 200 - (array.astype(int) * 2 - 100))
    assert image.metadata["window"] == (4095 * 2 - 200 - 1900, 500)
    assert image.metadata["inverted"] is True


@pytest.mark.parametrize("planar", [0, 1])
def test_colours_are_read_in_either_order(planar: int, tmp_path: Path) -> None:
    picture = noise((20, 30, 3), 256, np.uint8)
    stored = np.moveaxis(picture, -1, 0) if planar else picture
    write(
        tmp_path / "a.dcm",
        picture[..., 0],
        stored=np.ascontiguousarray(stored),
        SamplesPerPixel=3,
        PhotometricInterpretation="RGB",
        PlanarConfiguration=planar,
    )
    image = read(tmp_path / "a.dcm")
    assert image.axes == "YXS"
    np.testing.assert_array_equal(image.array, picture)
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.dcm"), picture)


def test_brightness_and_colour_differences_become_rgb(tmp_path: Path) -> None:
    gray = np.stack([noise((20, 30), 256, np.uint8), *[np.full((20, 30), 128, np.uint8)] * 2], -1)
    write(
        tmp_path / "a.dcm",
        gray[..., 0],
        stored=gray,
        SamplesPerPixel=3,
        PhotometricInterpretation="YBR_FULL",
        PlanarConfiguration=0,
    )
    np.testing.assert_array_equal(read(tmp_path / "a.dcm").array, gray[..., [0, 0, 0]])


def test_a_palette_becomes_its_colours(tmp_path: Path) -> None:
    array = noise((20, 30), 256, np.uint8)
    tables = np.random.default_rng(1).integers(0, 65536, (3, 256)).astype(np.uint16)
    elements: dict[str, Any] = {}
    for name, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        elements[f"{name}PaletteColorLookupTableData"] = table.tobytes()
    write(tmp_path / "a.dcm", array, PhotometricInterpretation="PALETTE COLOR", **elements)
    image = read(tmp_path / "a.dcm")
    assert image.axes == "YXS"
    np.testing.assert_array_equal(image.array, np.moveaxis(tables[:, array], 0, -1))


@pytest.mark.parametrize(("element", "axis"), [({}, "Z"), ({"FrameTime": 33}, "T")])
def test_frames_are_a_stack(element: dict[str, Any], axis: str, tmp_path: Path) -> None:
    frames = noise((4, 20, 30))
    write(tmp_path / "a.dcm", frames, NumberOfFrames=4, SpacingBetweenSlices=2.5, **element)
    image = read(tmp_path / "a.dcm")
    assert image.axes == f"{axis}YX"
    assert image.z_step == 2.5
    np.testing.assert_array_equal(image.array, frames)


def test_the_patient_is_not_in_the_metadata(tmp_path: Path) -> None:
    write(tmp_path / "a.dcm", noise((20, 30)), InstitutionName="A hospital", StudyDate="20200102")
    kept = repr(read(tmp_path / "a.dcm").metadata)
    for secret in ("Secret", "12345", "hospital", "2020"):
        assert secret not in kept


@pytest.mark.parametrize("name", ["IM000017", "1.2.840.113619", "größe µ 田.DICOM"])
def test_files_are_recognised_by_content_not_by_name(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, noise((20, 30)))
    assert read(tmp_path / name).shape == (20, 30)


@pytest.mark.parametrize("kept", [10, 132, 200, 0.5, 0.99])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless])
def test_cut_off_files_are_refused_in_one_sentence(
    syntax: Any, kept: float, tmp_path: Path
) -> None:
    path = tmp_path / "a.dcm"
    write(path, noise((64, 64)), syntax)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept if kept > 1 else kept * len(content))])
    sentence(path)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless])
def test_files_with_bytes_changed_are_read_or_refused_in_one_sentence(
    syntax: Any, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    path = tmp_path / "a.dcm"
    write(path, noise((20, 20)), syntax, RescaleSlope=2, PixelSpacing=[1, 1])
    content = path.read_bytes()
    rng = np.random.default_rng(5)
    for _ in range(100):
        changed = bytearray(content)
        for place in rng.integers(0, 900, 3):
            changed[place] = rng.integers(256)
        path.write_bytes(changed)
        try:
            read(path)
        except ImageError as error:
            assert "\n" not in str(error)
            assert str(path) in str(error)
    assert not len(recwarn)


@pytest.mark.parametrize(
    ("elements", "part"),
    [
        ({"Rows": 60_000, "Columns": 60_000, "NumberOfFrames": 1000}, "1000×60000×60000×1 values"),
        ({"Rows": 21}, "cannot be read"),
        ({"Rows": 0}, "a.dcm"),
        ({"BitsAllocated": 13}, "cannot be read"),
    ],
)
def test_promises_that_the_pixels_do_not_keep_are_refused(
    elements: dict[str, Any], part: str, tmp_path: Path
) -> None:
    write(tmp_path / "a.dcm", noise((20, 30)), **elements)
    assert part in sentence(tmp_path / "a.dcm")


def test_a_file_that_inflates_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.dcm", np.zeros((3000, 3000), np.uint16), DeflatedExplicitVRLittleEndian)
    assert (tmp_path / "a.dcm").stat().st_size < 1e6
    assert read(tmp_path / "a.dcm").shape == (3000, 3000)
    monkeypatch.setattr(dicom, "available_memory", lambda: 16 << 20)
    assert "inflates to more than" in sentence(tmp_path / "a.dcm")


def test_dicom_without_an_image_is_refused(tmp_path: Path) -> None:
    data = write(tmp_path / "a.dcm", noise((20, 30)))
    del data.PixelData
    data.save_as(tmp_path / "a.dcm")
    assert "without an image" in sentence(tmp_path / "a.dcm")


@pytest.mark.parametrize("content", [b"text " * 100, bytes(200), bytes(128) + b"DICM"])
def test_anything_but_dicom_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(content)
    sentence(tmp_path / "a.dcm")


def group(**elements: Any) -> Dataset:
    """An item of a sequence."""
    item = Dataset()
    for name, value in elements.items():
        setattr(item, name, value)
    return item


def frame_groups(slope: float, intercept: float, position: float) -> Dataset:
    return group(
        PixelValueTransformationSequence=[group(RescaleSlope=slope, RescaleIntercept=intercept)],
        PlanePositionSequence=[group(ImagePositionPatient=[0, 0, position])],
        FrameVOILUTSequence=[group(WindowCenter=40 + position, WindowWidth=400)],
    )


SHARED = group(
    PixelMeasuresSequence=[group(PixelSpacing=[0.5, 0.25], SliceThickness=2)],
    PlaneOrientationSequence=[group(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
)


def test_what_frames_share_is_read_from_functional_groups(tmp_path: Path) -> None:
    frames = noise((3, 20, 30))
    shared = Dataset()
    shared.update(SHARED)
    shared.update(frame_groups(1, -1024, 0))
    write(tmp_path / "a.dcm", frames, NumberOfFrames=3, SharedFunctionalGroupsSequence=[shared])
    image = read(tmp_path / "a.dcm")
    np.testing.assert_array_equal(image.array, frames.astype(int) - 1024)
    assert (image.pixel_size, image.unit) == ((0.5, 0.25), "mm")
    assert image.metadata["window"] == (40, 400)
    assert image.metadata["rescale"] == (1, -1024)


def test_each_frame_has_its_own_slope_and_position(tmp_path: Path) -> None:
    frames = noise((3, 20, 30))
    frames[1, 0, 0] = 5000
    own = [frame_groups(slope, 10, 2.5 * i) for i, slope in enumerate((1.0, 0.5, 2.0))]
    groups = {"SharedFunctionalGroupsSequence": [SHARED], "PerFrameFunctionalGroupsSequence": own}
    write(tmp_path / "a.dcm", frames, NumberOfFrames=3, PixelPaddingValue=5000, **groups)
    image = read(tmp_path / "a.dcm")
    expected = frames * np.array([1, 0.5, 2])[:, None, None] + 10
    expected[1, 0, 0] = np.nan
    np.testing.assert_array_equal(image.array, expected)
    assert image.z_step == 2.5


def test_stored_values_are_looked_up_in_the_table_of_the_file(tmp_path: Path) -> None:
    table = np.arange(4096, dtype=np.uint16)[::-1] * 16
    lookup = group(LUTDescriptor=[4096, 0, 16], ModalityLUTType="US")
    lookup.add_new("LUTData", "OW", table.tobytes())
    array = noise((20, 30))
    write(tmp_path / "a.dcm", array, BitsStored=12, ModalityLUTSequence=[lookup])
    np.testing.assert_array_equal(read(tmp_path / "a.dcm").array, table[array])


@pytest.fixture
def series(tmp_path: Path) -> Path:
    return write_series(tmp_path / "ct")


def test_a_folder_of_slices_is_a_volume_in_the_order_of_their_positions(series: Path) -> None:
    image = read(series)
    assert (image.axes, image.shape, image.z_step) == ("ZYX", (3, 4, 5), 2.5)
    assert image.array[:, 0, 0].tolist() == [0, 5, 10]
    assert (image.pixel_size, image.unit, image.name) == ((0.7, 0.7), "mm", "ct")
    assert [path.name for path in list_images(series)] == ["IM0", "IM1", "IM2"]


def test_a_missing_slice_is_noticed(series: Path) -> None:
    write(
        series / "IM9", noise((4, 5)), SeriesInstanceUID="1.2.3",
        ImagePositionPatient=[0, 0, 10.0], ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
    )  # fmt: skip
    with pytest.warns(UserWarning, match="2.5 to 5 mm apart, so one may be missing"):
        image = read(series)
    assert (image.shape, image.z_step) == ((4, 4, 5), None)


def test_a_folder_with_two_series_or_two_slices_at_one_place_asks_which(series: Path) -> None:
    write(series / "other", noise((4, 5)), SeriesInstanceUID="1.2.4")
    assert "series=1: 1 images from other" in sentence(series)
    with pytest.warns(UserWarning, match="no positions"):
        assert read(series, series=1).shape == (1, 4, 5)
    (series / "other").write_bytes((series / "IM0").read_bytes())
    assert "several slices at the position 5 mm" in sentence(series)
