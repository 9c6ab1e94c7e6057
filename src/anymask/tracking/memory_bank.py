"""What a tracker remembers of one object, on disk where there is much of it.

Of every frame a map and low-resolution logits are remembered, some hundred kilobytes, but only
those of prompted frames and of a few last ones are read for each new frame. The others go to a
temporary folder and come back when they are wanted again, for a correction or for frames before
them, so that memory does not grow with the length of a video.
"""

from __future__ import annotations

import itertools
import tempfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from anymask.model.sam2.following import Answer

# Frames in memory that were not prompted: more than are read for a new frame.
_IN_MEMORY = 16


@dataclass(frozen=True)
class Remembered:
    """One object in one frame.

    Attributes
    ----------
    key : int
        Number of its file.
    pointer : (1, C) tensor
    presence, iou : float
        As in `Answer`.
    """

    key: int
    pointer: Tensor
    presence: float
    iou: float


class Shelf:
    """Maps and logits by key, the last used in memory and the others on disk."""

    def __init__(self, in_memory: int = _IN_MEMORY) -> None:
        self._in_memory = in_memory
        self._recent: OrderedDict[int, tuple[Tensor, Tensor]] = OrderedDict()
        self._pinned: dict[int, tuple[Tensor, Tensor]] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._keys = itertools.count()

    def put(self, kept_map: Tensor, low_res: Tensor, pinned: bool) -> int:
        """Keep a map and logits; pinned ones stay in memory. Returns their key."""
        key = next(self._keys)
        if pinned:
            self._pinned[key] = kept_map, low_res
        else:
            self._recent[key] = kept_map, low_res
            self._shrink()
        return key

    def get(self, key: int) -> tuple[Tensor, Tensor]:
        """Return a map and logits."""
        if key in self._pinned:
            return self._pinned[key]
        if key not in self._recent:
            parts = load_file(self._path(key))
            self._recent[key] = parts["map"], parts["low_res"]
            self._shrink()
        self._recent.move_to_end(key)
        return self._recent[key]

    def drop(self, key: int) -> None:
        """Forget a map and logits."""
        self._pinned.pop(key, None)
        self._recent.pop(key, None)
        if self._folder is not None:
            self._path(key).unlink(missing_ok=True)

    def _shrink(self) -> None:
        while len(self._recent) > self._in_memory:
            key, (kept_map, low_res) = self._recent.popitem(last=False)
            path = self._path(key)
            if not path.exists():
                parts = {"map": kept_map.cpu(), "low_res": low_res.cpu()}
                save_file({name: t.contiguous() for name, t in parts.items()}, path)

    def _path(self, key: int) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="anymask-tracking-")
        return Path(self._folder.name, f"{key}.safetensors")


class MemoryBank:
    """What is remembered of one object, by frame.

    Attributes
    ----------
    prompted, followed : dict of int to Remembered
        Frames that were prompted, and others.
    """

    def __init__(self) -> None:
        self.shelf = Shelf()
        self.prompted: dict[int, Remembered] = {}
        self.followed: dict[int, Remembered] = {}

    def known(self, frame: int) -> Remembered | None:
        """Return what is remembered of a frame, prompted or not."""
        return self.prompted.get(frame) or self.followed.get(frame)

    def remember(self, answer: Answer, kept_map: Tensor) -> Remembered:
        """Put an answer on the shelf; which frame it is of is up to the caller."""
        key = self.shelf.put(kept_map, answer.low_res, pinned=answer.certain)
        return Remembered(key, answer.pointer, answer.presence, answer.iou)

    def follow(self, frame: int, remembered: Remembered) -> None:
        """Replace what is remembered of a frame that was not prompted."""
        before = self.followed.pop(frame, None)
        if before is not None:
            self.shelf.drop(before.key)
        self.followed[frame] = remembered

    def low_res(self, remembered: Remembered) -> Tensor:
        """Return the logits (1, 1, h, w)."""
        return self.shelf.get(remembered.key)[1]

    def maps(self, frame: int, count: int, step: int) -> list[tuple[int, Tensor]]:
        """Return the maps to read for a frame, and how many frames before it they are.

        Parameters
        ----------
        frame : int
        count : int
            Frames before it of which the maps are read, if they were not prompted.
        step : int
            1 forward in time, -1 backward.

        Returns
        -------
        list of (int, tensor)
            Those of prompted frames, wherever they are, have 0.
        """
        found = [(0, self.shelf.get(r.key)[0]) for r in self.prompted.values()]
        for offset in range(count, 0, -1):
            remembered = self.followed.get(frame - step * offset)
            if remembered is not None:
                found.append((offset, self.shelf.get(remembered.key)[0]))
        return found

    def pointers(self, frame: int, count: int, step: int) -> list[tuple[int, Tensor]]:
        """Return the object pointers to read for a frame; parameters are those of `maps`.

        Prompted frames count only if they are not after it.
        """
        found = [
            (step * (frame - at), r.pointer)
            for at, r in self.prompted.items()
            if step * (frame - at) >= 0
        ]
        for offset in range(1, count + 1):
            remembered = self.followed.get(frame - step * offset)
            if remembered is not None:
                found.append((offset, remembered.pointer))
        return found
