"""One module a family of files; each has ``read(path, …) -> Image`` and is imported when needed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """A family of files.

    Attributes
    ----------
    name
        What users call it.
    module
        The module of this package that reads it.
    suffixes
        Ends of file names, in lower case.
    options
        Which of the options of :func:`anymask.read` mean something for it.
    """

    name: str
    module: str
    suffixes: tuple[str, ...]
    options: frozenset[str] = frozenset()


PICTURES = Format(
    "PNG, JPEG, BMP and WebP",
    "photo",
    (".png", ".jpg", ".jpeg", ".bmp", ".webp"),
    frozenset({"page"}),
)
TIFF = Format(
    "TIFF",
    "tiff",
    (".tif", ".tiff", ".btf", ".tf8"),
    frozenset({"series", "page", "level", "axes"}),
)
NUMPY = Format("NumPy", "numpy_file", (".npy", ".npz"), frozenset({"dataset", "axes"}))
ENVI_HEADER = Format("ENVI", "envi", (".hdr",))
ENVI_DATA = Format(
    "ENVI",
    "envi",
    (".dat", ".raw", ".img", ".bil", ".bip", ".bsq"),
    frozenset({"header"}),
)
ZARR = Format(
    "OME-Zarr", "zarr_store", (".zarr",), frozenset({"series", "level", "dataset", "axes"})
)
HDF5 = Format("HDF5", "hdf5", (".h5", ".hdf5", ".he5"), frozenset({"dataset", "axes"}))
MATLAB = Format("MATLAB", "matlab", (".mat",), frozenset({"dataset", "axes"}))
DICOM = Format("DICOM", "dicom", (".dcm", ".dicom"))
CAMERA_RAW = Format(
    "camera RAW",
    "camera_raw",
    (
        ".arw",
        ".cr2",
        ".cr3",
        ".crw",
        ".dng",
        ".nef",
        ".nrw",
        ".orf",
        ".pef",
        ".raf",
        ".rw2",
        ".srw",
    ),
)

FORMATS = (
    PICTURES,
    TIFF,
    NUMPY,
    ENVI_HEADER,
    ENVI_DATA,
    ZARR,
    HDF5,
    MATLAB,
    DICOM,
    CAMERA_RAW,
)

SUFFIXES = tuple(suffix for format_ in FORMATS for suffix in format_.suffixes)
"""Ends of the file names that are read, in lower case."""
