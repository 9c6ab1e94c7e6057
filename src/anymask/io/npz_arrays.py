"""Read and write NumPy's NPZ files; nothing is unpickled, and sizes are checked."""

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
    """Shape and dtype in the header of an array in NumPy's format."""
    old = np.lib.format.read_magic(file) == (1, 0)
    read = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def names_in(members: tuple[str, ...] | None) -> set[str]:
    """Names of the arrays among the members of a zip file."""
    return {name.removesuffix(".npy") for name in members or () if name.endswith(".npy")}


def read_array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """Read one array.

    Raises
    ------
    ImageError
        If it holds Python objects, or less data than its header states.
    """
    member = archive.getinfo(f"{name}.npy")
    with archive.open(member) as file:
        shape, dtype = header_of(file)
    # NumPy allocates what the header states before it checks how much data there is.
    if dtype.hasobject or math.prod(shape) * dtype.itemsize > member.file_size:
        raise ImageError(f"The array {name!r} does not match its header; the file is damaged.")
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def write_arrays(path: Path, arrays: dict[str, Any]) -> list[Path]:
    """Write a compressed NPZ, whole or not at all."""
    with whole_file(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)
    return [path]
