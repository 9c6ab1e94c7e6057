"""Refuses files that name other files: what a browser sends must not open what is on the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anymask.errors import AnymaskError
from anymask.io.image_formats.gdal_raster import FORMAT as VRT

_HDF5 = b"\x89HDF\r\n\x1a\n"
# HDF5 begins there or, in MATLAB's files, behind a header of this size.
_STARTS = (0, 512)
_MOST_NODES = 100_000


def check_self_contained(path: Path) -> None:
    """Refuse a virtual raster, HDF5 with links or data elsewhere, and TIFF in several files.

    Raises
    ------
    AnymaskError
        If the file names others, or so much that this cannot be told.
    """
    if path.suffix.lower() in VRT.suffixes or _is_hdf5_elsewhere(path) or _is_split_tiff(path):
        raise AnymaskError(
            f"{path.name} names other files, which is not allowed for files that are sent; put it "
            "into the served folder, or send an image that is one file."
        )


def _is_hdf5_elsewhere(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_STARTS[-1] + len(_HDF5))
    if not any(head[start:].startswith(_HDF5) for start in _STARTS):
        return False
    try:
        import h5py
    except ImportError:
        return False  # then it cannot be read either
    try:
        with h5py.File(path, "r") as file:
            return _leads_elsewhere(h5py, file)
    except OSError as error:
        raise AnymaskError(f"{path.name} is damaged; copy or save it again.") from error


def _leads_elsewhere(h5py: Any, file: Any) -> bool:
    waiting, seen = [file], 0
    while waiting:
        group = waiting.pop()
        for name in group:
            seen += 1
            if seen > _MOST_NODES:
                return True
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                return True
            if not isinstance(link, h5py.HardLink):
                continue
            node = group[name]
            if isinstance(node, h5py.Group):
                waiting.append(node)
            elif isinstance(node, h5py.Dataset) and (node.external or _is_virtual(node)):
                return True
    return False


def _is_virtual(node: Any) -> bool:
    return node.is_virtual and any(source.file_name != "." for source in node.virtual_sources())


def _is_split_tiff(path: Path) -> bool:
    from tifffile import TiffFile, TiffFileError

    try:
        with TiffFile(path) as tiff:
            # A series can also be wholly in another file.
            return any(
                each.is_multifile or each.keyframe.parent is not tiff for each in tiff.series
            )
    except (TiffFileError, OSError, ValueError):
        return False  # reading it says what is wrong
