"""Read any image file as an `Image`, or directly as ``uint8`` RGB."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.images.image import Image
from anymask.images.normalize import to_rgb
from anymask.io.guards import reading
from anymask.io.image_formats.photo import MAX_PIXELS
from anymask.io.mask_beside import with_mask_beside
from anymask.io.registry import (
    ImageFormat,
    image_format_by_content,
    image_format_by_suffix,
    image_format_of_folder,
    image_formats,
    image_suffixes,
)
from anymask.io.world_files import with_world_file


def read(
    path: str | os.PathLike[str],
    *,
    header: str | os.PathLike[str] | None = None,
    series: int | None = None,
    page: int | None = None,
    level: int | None = None,
    dataset: str | None = None,
    axes: str | None = None,
) -> Image:
    """Read an image of any format, with its metadata.

    Formats: PNG, JPEG, BMP, WebP, JPEG 2000, TIFF (with OME, ImageJ and GeoTIFF metadata), NPY and
    NPZ, ENVI, OME-Zarr, HDF5, MATLAB, DICOM, camera RAW, GDAL's VRT, and those that installed
    packages add. Values keep their dtype. Large files are memory-mapped or read piece by piece,
    when values are needed. A world file beside an image gives its place on a map.

    Parameters
    ----------
    path
        A file, the folder of an OME-Zarr, or a folder with the slices of a DICOM series.
    header
        ENVI: the header, if it is not beside the data file ``path``.
    series
        TIFF, OME-Zarr: which of several images. A folder of DICOM files: which series.
    page
        TIFF, animations: a single page or frame.
    level
        TIFF, OME-Zarr: which level of a pyramid; 0, the default, is the full size.
    dataset
        HDF5, MATLAB, NPZ, Zarr: the name of one array among several.
    axes
        For files with missing or wrong axis names: one letter per axis, from T (time), Z (depth),
        C (channel), Y (row), X (column), S (colour sample).

    Returns
    -------
    Image
        The array with named axes, and the metadata.

    Raises
    ------
    ImageError
        If the file is missing, of an unknown format or damaged, or has several images and none
        was chosen.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/cube.npy", np.zeros((20, 30, 5), np.uint16))
    ...     read(f"{folder}/cube.npy")
    <Image cube: YXC 20×30×5 uint16>
    """
    path = Path(path)
    formats = image_formats()
    with reading(path):
        form = _format_of(path)
    options = {
        "header": None if header is None else Path(header),
        "series": series,
        "page": page,
        "level": level,
        "dataset": dataset,
        "axes": axes,
    }
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in form.options:
            takers = ", ".join(other.name for other in formats if name in other.options)
            raise ImageError(f"{name}= does not apply to {path}; it is for {takers}.")
    with reading(path):
        image = with_mask_beside(form.read(path, **given), path)
        return with_world_file(image, path)


def read_rgb(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read an image file as ``uint8`` RGB, upright.

    The file may be anything that `read` reads, if it has a single plane. The EXIF orientation of a
    camera is applied, palettes and CMYK become RGB, and alpha is dropped. 8-bit photographs keep
    their values; others are stretched as `anymask.to_rgb` does by default.

    Parameters
    ----------
    path
        A file of any format that `read` reads.

    Returns
    -------
    numpy.ndarray
        ``uint8`` array H×W×3.

    Raises
    ------
    ImageError
        If the file is missing, of an unknown format or damaged, or has several images or more than
        ``MAX_PIXELS`` pixels.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/ramp.npy", np.array([[0.0, 0.5, 1.0]]))
    ...     read_rgb(f"{folder}/ramp.npy")[..., 0]
    array([[  0, 128, 255]], dtype=uint8)
    """
    image = read(path)
    planes = [n for axis, n in zip(image.axes, image.shape, strict=True) if axis in "TZ"]
    if np.prod(planes) > 1:
        raise ImageError(
            f"{path} has {int(np.prod(planes))} images (axes {image.axes}, shape "
            f"{image.shape}); choose one with anymask.read(path).plane(t=…, z=…) and pass it to "
            "anymask.to_rgb."
        )
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(
            f"{path} is {image.width}×{image.height} pixels, more than the {MAX_PIXELS:,} pixels "
            "that can be shown at once; choose a part with "
            "anymask.read(path).region(top, left, height, width) and pass it to anymask.to_rgb."
        )
    try:
        return np.array(to_rgb(image, t=0, z=0))
    except ImageError as error:
        if str(path) in str(error):
            raise
        raise ImageError(f"{path}: {error}") from error


def unknown_suffix(path: Path) -> ImageError:
    """The error for a file of an unknown format."""
    kind = f"the suffix {path.suffix}" if path.suffix else "no suffix"
    return ImageError(f"{path} has {kind}; anymask reads {', '.join(image_suffixes())}.")


def _format_of(path: Path) -> ImageFormat:
    """The format of a path, from its suffix, or from its content if the suffix is unknown.

    Raises
    ------
    ImageError
        If there is no such file, or its format is unknown.
    """
    form = image_format_by_suffix(path)
    if path.is_dir() and not (form and form.is_folder):
        whole = image_format_of_folder(path)
        if whole is not None:
            return whole
        raise ImageError(f"{path} is a folder, not an image; name the images in it one by one.")
    if not path.exists():
        raise ImageError(f"There is no file {path}; check the name and the folder.")
    if not (path.is_file() or path.is_dir()):
        raise ImageError(f"{path} is a device or a pipe, not a file or folder; copy it to a file.")
    form = form or image_format_by_content(path)
    if form is None:
        raise unknown_suffix(path)
    if form.is_folder and not path.is_dir():
        raise ImageError(f"{path} is a file, but {form.name} is a folder; copy the whole folder.")
    if path.is_file() and path.stat().st_size == 0:
        raise ImageError(f"{path} is empty (0 bytes); copy or download it again.")
    return form
