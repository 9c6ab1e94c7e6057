"""NumPy's NPY (mapped into memory) and NPZ; nothing in them is unpickled."""

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
        What the array's axes are, where that cannot be told from its shape.

    Raises
    ------
    ImageError
        It is damaged, holds pickled objects, or several arrays and none was chosen.
    """
    metadata: dict[str, Any] = {"format": path.suffix[1:].upper()}
    if path.suffix.lower() == ".npz":
        name, array = _read_npz(path, dataset)
        metadata["dataset"] = name
    elif dataset is not None:
        raise ImageError(f"{path} holds one array, so dataset= means nothing for it; leave it out.")
    else:
        array = _map_npy(path)
    check_numbers(array.dtype, path)
    named = axes_for(array.shape, array.dtype, axes, path)
    return Image(array, named, path=path, name=name_of(path), metadata=metadata)


def _map_npy(path: Path) -> NDArray[Any]:
    try:
        # Mapped rather than read, so that a false shape in the header claims no memory.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise _not_npy(path) from error
    if not isinstance(array, np.ndarray):  # several arrays in a zip, whatever the suffix
        array.close()
        raise _not_npy(path)
    return array


def _not_npy(path: Path) -> ImageError:
    return ImageError(
        f"{path} is damaged or holds no array of numbers; write the picture again with numpy.save."
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
        pictures = [name for name in numeric if len(shapes[name]) >= 2]
        name = pick_dataset(path, shapes, dataset, pictures)
        shape, dtype = headers[name]
        check_numbers(dtype, path)
        # The promise in the header is checked before it is believed: a few kilobytes of zip can
        # unpack to as many gigabytes.
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
