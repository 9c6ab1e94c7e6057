"""DICOM files, read by pydicom: measured values, with their display window."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.images.image import Image
from anymask.images.memory import available_memory, check_fits
from anymask.images.nodata import joined
from anymask.io.arrays import name_of
from anymask.io.dicom_frames import apply_frame_scales, apply_table, lift_groups, step_of_frames
from anymask.io.dicom_series import is_index, read_series
from anymask.io.guards import needs
from anymask.io.registry import ImageFormat, image_format_by_suffix

# Only technical fields: patient, place and time stay in the file.
_KEPT = (
    "Modality",
    "BodyPartExamined",
    "PhotometricInterpretation",
    "BitsStored",
    "ImagerPixelSpacing",
    "SliceThickness",
    "RescaleType",
    "WindowCenterWidthExplanation",
)
_STEP = 1 << 20


def read(path: Path, *, series: int | None = None) -> Image:
    """Read an image, the frames of a file as a stack, or the slices in a folder as a volume.

    Slope and intercept, or a table of values, are applied; integers stay integers if both are
    whole. Palettes become RGB, and images whose lowest value is white are inverted within their bit
    range. The first window is ``metadata["window"]``, (level, width) in units of the returned
    values; padding is ``metadata["nodata"]``.

    Parameters
    ----------
    path
        A file, or a folder with the slices of a series.
    series
        Which series, if the folder has several.

    Raises
    ------
    ImageError
        If the file is damaged, has no pixels, or has an unsupported compression.
    """
    if path.is_dir():
        return read_series(path, _slices_in(path), read, series)
    if series is not None:
        raise ImageError(f"{path} is one file; series= is for a folder of DICOM files.")
    pydicom = needs("pydicom", "formats", f"Reading {path}")
    _check_inflated(path, pydicom)
    data = pydicom.dcmread(str(path), force=False)
    if not any(name in data for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise ImageError(f"{path} is a DICOM file without an image; choose one with pixel data.")
    samples, frames = int(data.get("SamplesPerPixel", 1)), int(data.get("NumberOfFrames") or 1)
    check_fits(
        (frames, int(data.Rows), int(data.Columns), samples),
        max(1, int(data.BitsAllocated) // 8),
        str(path),
        "save fewer frames per file",
    )
    array: NDArray[Any] = data.pixel_array
    lift_groups(data, frames)
    if samples == 1:
        array = apply_table(data, apply_frame_scales(data, array), pydicom)
    metadata = _metadata(data)
    photometric = str(data.get("PhotometricInterpretation", ""))
    if photometric == "PALETTE COLOR":
        array, axes = pydicom.pixels.apply_color_lut(array, data), "YXS"
    elif samples > 1:
        axes = "YXS"
    else:
        axes = "YX"
        slope, intercept = _rescale(data)
        low, high = _stored_range(data, array)
        padding = _rescaled(_padding(data, array), slope, intercept, (low, high))
        array = _rescaled(array, slope, intercept, (low, high))
        if photometric == "MONOCHROME1":
            total = (low + high) * slope + 2 * intercept
            array, padding = _inverted(array, total, metadata), _subtracted(total, padding)
        if padding.size:
            metadata["nodata"] = joined([_range_of(padding)])
    stacked = array.ndim > len(axes)
    size = _spacing(data)
    return Image(
        array,
        ("T" if data.get("FrameTime") else "Z") + axes if stacked else axes,
        pixel_size=size,
        z_step=_z_step(data, frames) if stacked else None,
        unit="mm" if size else None,
        path=path,
        name=name_of(path),
        metadata=metadata,
    )


def is_series(folder: Path) -> bool:
    """Whether a folder holds DICOM files and no other images."""
    known = {image_format_by_suffix(path) for path in _files_in(folder)}
    return known <= {None, FORMAT} and bool(_slices_in(folder))


def _slices_in(folder: Path) -> list[Path]:
    return [path for path in _files_in(folder) if is_dicom(path)]


def _files_in(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM, whatever its name."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM" and not is_index(path)


def _check_inflated(path: Path, pydicom: Any) -> None:
    """Refuse a deflated data set that does not fit into memory when inflated."""
    meta = pydicom.filereader.read_file_meta_info(str(path))
    if meta.get("TransferSyntaxUID") != pydicom.uid.DeflatedExplicitVRLittleEndian:
        return
    limit = available_memory() // 4
    # After the preamble and "DICM" come a 12-byte element with the length of the file meta
    # information, and that information; the rest is one deflated stream.
    begin = 132 + 12 + int(meta.FileMetaInformationGroupLength)
    with path.open("rb") as file:
        file.seek(begin)
        inflater, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while not inflater.eof and (chunk := file.read(_STEP)):
            while chunk and not inflater.eof and size <= limit:
                size += len(inflater.decompress(chunk, _STEP))
                chunk = inflater.unconsumed_tail
            if size > limit:
                raise ImageError(
                    f"{path} inflates to more than {limit / 2**30:,.1f} GB, which does not fit "
                    "into memory; save it without deflation."
                )


def _metadata(data: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"format": "DICOM"}
    for name in _KEPT:
        value = data.get(name)
        if value not in (None, ""):
            metadata[name] = _plain(value)
    slope, intercept = _rescale(data)
    metadata["rescale"] = (slope, intercept)
    centers, widths = (_numbers(data.get(n)) for n in ("WindowCenter", "WindowWidth"))
    windows = [(c, w) for c, w in zip(centers, widths, strict=False) if w > 0]
    if windows:
        metadata["window"] = windows[0]
        metadata["windows"] = windows
    return metadata


def _plain(value: Any) -> Any:
    """Convert pydicom's types to the Python types that they derive from."""
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind(value)
    return [_plain(item) for item in value]


def _numbers(value: Any) -> list[float]:
    if value is None or value == "":
        return []
    items = [value] if isinstance(value, (str, int, float)) else list(value)
    return [float(item) for item in items]


def _positive(value: Any) -> float | None:
    numbers = _numbers(value)
    return numbers[0] if len(numbers) == 1 and 0 < numbers[0] < float("inf") else None


def _z_step(data: Any, frames: int) -> float | None:
    return _positive(data.get("SpacingBetweenSlices")) or step_of_frames(data, frames)


def _rescale(data: Any) -> tuple[float, float]:
    slope, intercept = _numbers(data.get("RescaleSlope")), _numbers(data.get("RescaleIntercept"))
    return (slope[0] if slope else 1.0) or 1.0, intercept[0] if intercept else 0.0


def _stored_range(data: Any, array: NDArray[Any]) -> tuple[float, float]:
    """Lowest and highest value of the stored bits; for floats, those in the array."""
    lowest, highest = float(np.nanmin(array)), float(np.nanmax(array))
    if array.dtype.kind == "f":
        return lowest, highest
    bits = int(data.get("BitsStored") or data.BitsAllocated)
    low, high = 0.0, 2.0**bits - 1
    if int(data.get("PixelRepresentation", 0)):
        low, high = -(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1
    if low <= lowest and highest <= high:
        return low, high
    info = np.iinfo(array.dtype)  # values exceed the bits that the file states
    return float(info.min), float(info.max)


def _padding(data: Any, array: NDArray[Any]) -> NDArray[Any]:
    """The stored values that pad the image: none, one, or the two ends of a range."""
    names = ("PixelPaddingValue", "PixelPaddingRangeLimit")
    if array.dtype.kind == "f":
        names = ("FloatPixelPaddingValue", "FloatPixelPaddingRangeLimit")
        if "DoubleFloatPixelData" in data:
            names = ("DoubleFloatPixelPaddingValue", "DoubleFloatPixelPaddingRangeLimit")
    numbers = [number for name in names for number in _numbers(data.get(name))[:1]]
    if data.get(names[0]) in (None, ""):
        numbers = []
    if array.dtype.kind != "f":  # some programs write the value with the wrong sign
        info = np.iinfo(array.dtype)
        size = 1 << int(data.BitsAllocated)
        numbers = [n - size if n > info.max else n + size if n < info.min else n for n in numbers]
        numbers = [n for n in numbers if info.min <= n <= info.max]
    return np.array(sorted(numbers)).astype(array.dtype)


def _range_of(padding: NDArray[Any]) -> float | tuple[float, float]:
    low, high = padding.min().item(), padding.max().item()
    return low if low == high else (low, high)


def _rescaled(
    array: NDArray[Any], slope: float, intercept: float, stored: tuple[float, float]
) -> NDArray[Any]:
    """Convert stored to measured values, as integers if slope and intercept are whole."""
    if (slope, intercept) == (1.0, 0.0):
        return array
    if array.dtype.kind in "ui" and slope.is_integer() and intercept.is_integer():
        low, high = sorted(value * slope + intercept for value in stored)
        for whole in (np.int16, np.int32, np.int64):
            if np.iinfo(whole).min <= low and high <= np.iinfo(whole).max:
                return array.astype(whole) * int(slope) + int(intercept)
    wide = np.float32 if array.dtype.itemsize <= 2 else np.float64
    values: NDArray[np.floating] = array.astype(wide)
    return values * slope + intercept


def _inverted(array: NDArray[Any], total: float, metadata: dict[str, Any]) -> NDArray[Any]:
    """Invert brightness, and the windows in the metadata."""
    metadata["inverted"] = True
    if "windows" in metadata:
        metadata["windows"] = [(total - level, width) for level, width in metadata["windows"]]
        metadata["window"] = metadata["windows"][0]
    return _subtracted(total, array)


def _subtracted(total: float, array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind == "f":
        return total - array
    return (int(total) - array.astype(np.int64)).astype(array.dtype)


def _spacing(data: Any) -> tuple[float, float] | None:
    numbers = _numbers(data.get("PixelSpacing"))
    if len(numbers) != 2 or not all(0 < n < float("inf") for n in numbers):
        return None
    return numbers[0], numbers[1]


FORMAT = ImageFormat(
    name="DICOM",
    suffixes=(".dcm", ".dicom"),
    read=read,
    options=frozenset({"series"}),
    sniff=is_dicom,
    any_name=True,
    reads_folder=is_series,
)
