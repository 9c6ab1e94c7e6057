"""Fingerprints of image files, to notice when they change."""

from __future__ import annotations

import hashlib
from pathlib import Path

from anymask.files import sha256
from anymask.io.registry import image_files


def fingerprint(path: Path, header: Path | None = None) -> str:
    """Return hex digits that change when the files of an image change.

    A single file is hashed whole. For header-and-data pairs and folders, the data are only
    represented by size and modification time, because they may be too large to read twice.

    Parameters
    ----------
    path : Path
    header : Path, optional
        The ENVI header, if it is not beside the data file.
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
