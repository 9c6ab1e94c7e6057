"""Encoded images on disk, so that each image is encoded only once."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from anymask.errors import ImageError, OutputError

if TYPE_CHECKING:
    from anymask.predict.predictor import SamPredictor

_MOST_BYTES = 2**31
_SUFFIX = ".safetensors"


class EmbeddingFolder:
    """A folder of encoded images; when it is full, the least recently used are removed.

    Parameters
    ----------
    folder : Path
    most_bytes : int
    """

    def __init__(self, folder: Path, most_bytes: int = _MOST_BYTES) -> None:
        self.folder = folder
        self.most_bytes = most_bytes

    def load(self, predictor: SamPredictor, name: str) -> bool:
        """Set the predictor's image from a file; return False if there is no matching file."""
        path = self.folder / (name + _SUFFIX)
        if not path.is_file():
            return False
        try:
            predictor.load_embedding(path)
        except ImageError:
            return False
        with suppress(OSError):
            now = time.time()
            os.utime(path, (now, now))
        return True

    def save(self, predictor: SamPredictor, name: str) -> None:
        """Save the predictor's image; if the disk is full, it is encoded again next time."""
        with suppress(OutputError):
            predictor.save_embedding(self.folder / (name + _SUFFIX))
            self._make_room()

    def _make_room(self) -> None:
        with suppress(OSError):
            files = [
                (p.stat().st_mtime, p.stat().st_size, p) for p in self.folder.glob("*" + _SUFFIX)
            ]
            total = sum(size for _, size, _ in files)
            for _, size, path in sorted(files):
                if total <= self.most_bytes:
                    break
                path.unlink()
                total -= size
