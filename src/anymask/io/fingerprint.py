"""Digits that change when the files of an image do."""

from __future__ import annotations

import hashlib
from pathlib import Path

from anymask.files import sha256
from anymask.io.registry import image_files


def fingerprint(path: Path, header: Path | None = None) -> str:
    """Return digits that change when an image's files do.

    Single files are read. Of cubes in two files, and of folders, the data count by their size
    and time of change, as they may be larger than one would want to read twice.

    Parameters
    ----------
    path : Path
    header : Path, optional
        The ENVI header of a data file that it does not lie beside.
    """
    digest = hashlib.sha256()
    if path.is_dir():
        parts = sorted(part for part in path.rglob("*") if part.is_file())
    else:
        files = image_files(path)
        heads = ([header] if header else []) + (files[:1] if len(files) > 1 else [])
        if not heads:
            return sha256(path)
        for head in heads:
            digest.update(head.read_bytes())
        parts = files[1:] or [path]
    for part in parts:
        status = part.stat()
        digest.update(f"{part.name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
