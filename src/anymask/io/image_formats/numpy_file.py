"""NumPy's NPY (memory-mapped) and NPZ files; nothing in them is unpickled."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.images.image import Image
from anymask.images.memory import check_fits
from anymask.io.arrays import axes_for, check_numbers, name_of, pick_dataset
from anymask.io.npz_arrays import header_of
from anymask.io.registry import ImageFormat


def read(path: Path, *, dataset: str | None = None, axes: str | None = None) -> Image:
    """Read an array.

    Parameters
    ----------
    path
        The file.
    dataset
        Which of several arrays, for NPZ.
    axes
        The axes, if they cannot be guessed from the shape.

    Raises
    ------
    ImageError
        If the file is damaged, has pickled objects, or has several arrays and none was chosen.
    """
    metadata: dict[str, Any] = {"format": path.suffix[1:].upper()}
    if path.suffix.lower() == ".npz":
        name, array = _read_npz(path, dataset)
        metadata["dataset"] = name
    elif dataset is not None:
        raise ImageError(f"{path} has only one array, so dataset= does not apply; leave it out.")
    else:
        array = _map_npy(path)
    check_numbers(array.dtype, path)
    named = axes_for(array.shape, array.dtype, axes, path)
    return Image(array, named, path=path, name=name_of(path), metadata=metadata)


def _map_npy(path: Path) -> NDArray[Any]:
    try:
        # Mapped, not read, so that a wrong shape in the header allocates no memory.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise _not_npy(path) from error
    if not isinstance(array, np.ndarray):  # an NPZ file with the suffix .npy
        array.close()
        raise _not_npy(path)
    return array


def _not_npy(path: Path) -> ImageError:
    return ImageError(
        f"{path} is damaged or has no array of numbers; write the image again with numpy.save."
    )


def _read_npz(path: Path, dataset: str | None) -> tuple[str, NDArray[Any]]:
    with zipfile.ZipFile(path) as archive:
        headers = {}
        for member in archive.namelist():
            if member.endswith(".npy"):
                with archive.open(member) as file:
                    headers[member.removesuffix(".npy")] = header_of(file)
        shapes = {name: shape for name, (shape, _) in headers.items()}
        numeric = [name for name, (_, dtype) in headers.items() if dtype.kind in "buifc"]
        images = [name for name in numeric if len(shapes[name]) >= 2]
        name = pick_dataset(path, shapes, dataset, images)
        shape, dtype = headers[name]
        check_numbers(dtype, path)
        # Check the size in the header first: a zip of a few kilobytes can unpack to gigabytes.
        check_fits(shape, dtype.itemsize, f"{path} ({name})", "save it as NPY, which is mapped")
        with archive.open(f"{name}.npy") as file:
            return name, np.lib.format.read_array(file, allow_pickle=False)


FORMAT = ImageFormat(
    name="NumPy",
    suffixes=(".npy", ".npz"),
    read=read,
    options=frozenset({"dataset", "axes"}),
    rank=30,
)
