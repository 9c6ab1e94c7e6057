"""MATLAB's MAT files: up to version 7 read by SciPy, 7.3 (which is HDF5) by h5py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.images.image import Image
from anymask.images.memory import check_fits
from anymask.images.units import wavelengths_in_nm
from anymask.io.arrays import axes_for, check_numbers, name_of, pick_dataset
from anymask.io.image_formats import hdf5
from anymask.io.registry import ImageFormat

_BYTES = {
    "double": 16,  # if complex
    "single": 8,
    "int64": 16,
    "uint64": 16,
    "int32": 8,
    "uint32": 8,
    "int16": 4,
    "uint16": 4,
    "int8": 2,
    "uint8": 2,
    "logical": 1,
}


def read(path: Path, *, dataset: str | None = None, axes: str | None = None) -> Image:
    """Read a numeric variable with rows and columns.

    A vector named ``wavelength``, ``wavelengths``, ``lambda`` or ``wl`` provides the wavelengths if
    it is as long as an axis. Variables inside structures and cells are ignored.

    Parameters
    ----------
    path
        The file.
    dataset
        Which of several variables.
    axes
        The axes, if they cannot be guessed from the shape.

    Raises
    ------
    ImageError
        If the file is damaged, has no such variable, or has several and none was chosen.
    """
    if hdf5.is_hdf5(path):
        return hdf5.read_file(path, dataset, axes, matlab=True)
    import scipy.io

    variables = {name: (shape, kind) for name, shape, kind in scipy.io.whosmat(str(path))}
    shapes = {name: tuple(map(int, shape)) for name, (shape, _) in variables.items()}
    numeric = [name for name, (_, kind) in variables.items() if kind in _BYTES]
    images = [name for name in numeric if np.sum(np.array(shapes[name]) > 1) >= 2]
    name = pick_dataset(path, shapes, dataset, images)
    shape, kind = shapes[name], variables[name][1]
    if kind not in _BYTES:
        raise ImageError(f"{path}: the variable {name} is of the class {kind}, not numbers.")
    check_fits(shape, _BYTES[kind], f"{path} ({name})", "save it with -v7.3, read in parts")
    lists = [n for n in numeric if n.lower() in hdf5.WAVELENGTHS]
    loaded = scipy.io.loadmat(str(path), variable_names=[name, *lists])
    array: NDArray[Any] = loaded[name]
    if kind == "logical":
        array = array.astype(bool)
    check_numbers(array.dtype, path)
    wavelengths = None
    for vector in (loaded[n] for n in lists if n != name):
        if vector.size in array.shape and array.ndim == 3:
            wavelengths = wavelengths_in_nm(vector, None)
    named = axes_for(
        array.shape, array.dtype, axes, path, None if wavelengths is None else len(wavelengths)
    )
    image = Image(
        array,
        named,
        path=path,
        name=name_of(path),
        metadata={"format": "MATLAB", "dataset": name},
    )
    return hdf5.with_wavelengths(image, wavelengths)


FORMAT = ImageFormat(
    name="MATLAB",
    suffixes=(".mat",),
    read=read,
    options=frozenset({"dataset", "axes"}),
)
