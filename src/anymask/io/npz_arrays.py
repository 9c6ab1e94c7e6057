"""Arrays in NumPy's NPZ files, none of which is unpickled or believed about its size."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.files import whole_file


def header_of(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype that an array in NumPy's format promises."""
    old = np.lib.format.read_magic(file) == (1, 0)
    read = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def names_in(members: tuple[str, ...] | None) -> set[str]:
    """Names of the arrays, of the names of a zip file's members."""
    return {name.removesuffix(".npy") for name in members or () if name.endswith(".npy")}


def read_array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """Read one array.

    Raises
    ------
    ImageError
        If it holds objects, or less than its header promises.
    """
    member = archive.getinfo(f"{name}.npy")
    with archive.open(member) as file:
        shape, dtype = header_of(file)
    # NumPy allocates what the header promises before it looks at how much there is.
    if dtype.hasobject or math.prod(shape) * dtype.itemsize > member.file_size:
        raise ImageError(
            f"The array {name!r} is not what its header promises; the file is damaged."
        )
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def write_arrays(path: Path, arrays: dict[str, Any]) -> list[Path]:
    """Write a compressed NPZ, whole or not at all."""
    with whole_file(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)
    return [path]
