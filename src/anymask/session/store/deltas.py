"""Changes of a label array: the pixels of a box, before and after an edit."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.masks.labels import label_dtype
from anymask.session.errors import SessionError

Window = tuple[slice, ...]

# If fewer than one in this many pixels of the box change, their indices are stored, not the box.
_SPARSE = 8
_MOST_PIXELS = 2**34


@dataclass(frozen=True, eq=False)
class Delta:
    """A change of pixels.

    Attributes
    ----------
    start : tuple of int
        First index of the box along each axis.
    before, after : arrays of one shape and dtype
        Labels of the changed pixels; 0 in both for unchanged pixels, so that changes of a few
        distant objects compress well.

    Examples
    --------
    >>> old = np.zeros((4, 5), np.uint16)
    >>> new = old.copy()
    >>> new[1:3, 2] = 7
    >>> delta = Delta.between(old, new)
    >>> delta.start, delta.after.tolist()
    ((1, 2), [[7], [7]])
    """

    start: tuple[int, ...]
    before: NDArray[Any]
    after: NDArray[Any]

    @classmethod
    def between(
        cls, old: NDArray[Any], new: NDArray[Any], window: Window | None = None
    ) -> Delta | None:
        """Compare two arrays of one shape, within a window; None if nothing differs.

        `new` may also be the window alone.
        """
        window = window or tuple(slice(0, n) for n in old.shape)
        offset = [part.indices(n)[0] for part, n in zip(window, old.shape, strict=True)]
        was = old[window]
        becomes = new[window] if new.shape == old.shape else new
        differs = was != becomes
        box = []
        for axis in range(differs.ndim):
            others = tuple(a for a in range(differs.ndim) if a != axis)
            found = np.flatnonzero(differs.any(axis=others))
            if not len(found):
                return None
            box.append(slice(int(found[0]), int(found[-1]) + 1))
        pixels = [labels[tuple(box)] for labels in (was, becomes)]
        # Quicker than np.nonzero, as few of many pixels changed.
        changed = np.unravel_index(np.flatnonzero(differs[tuple(box)]), pixels[0].shape)
        dtype = label_dtype(max(int(labels.max()) for labels in pixels))
        before, after = np.zeros((2, *pixels[0].shape), dtype)
        before[changed], after[changed] = (labels[changed] for labels in pixels)
        start = tuple(o + part.start for o, part in zip(offset, box, strict=True))
        return cls(start, before, after)

    def in_plane(self, plane: int) -> Delta:
        """Return a change of one plane as a change of its stack."""
        return Delta((plane, *self.start), self.before[None], self.after[None])

    @property
    def window(self) -> Window:
        """The box as slices of the array."""
        shape = self.after.shape
        return tuple(slice(s, s + n) for s, n in zip(self.start, shape, strict=True))

    @cached_property
    def changed(self) -> NDArray[np.bool_]:
        """Which pixels of the box differ."""
        differs: NDArray[np.bool_] = self.before != self.after
        return differs

    def apply(self, labels: NDArray[Any]) -> None:
        """Apply the change to labels whose dtype has room for the ids."""
        changed = self.changed
        labels[self.window][changed] = self.after[changed]

    def reversed(self) -> Delta:
        """Return the change that undoes this one."""
        return Delta(self.start, self.after, self.before)

    def packed(self) -> tuple[dict[str, Any], bytes]:
        """Return place, shape and dtype as JSON data, and the compressed pixels."""
        facts: dict[str, Any] = {
            "at": list(self.start),
            "shape": list(self.after.shape),
            "dtype": self.after.dtype.name,
        }
        order = self.after.dtype.newbyteorder("<")
        places = np.flatnonzero(self.changed)
        if len(places) * _SPARSE < self.after.size < 2**32:
            facts["pixels"] = len(places)
            values = [a.ravel()[places].astype(order) for a in (self.before, self.after)]
            parts = [np.diff(places, prepend=0).astype("<u4"), *values]
        else:
            parts = [np.ascontiguousarray(a, order) for a in (self.before, self.after)]
        return facts, zlib.compress(b"".join(part.tobytes() for part in parts), 1)

    @classmethod
    def unpacked(cls, facts: Mapping[str, Any], content: bytes) -> Delta:
        """Read what `packed` returned.

        Raises
        ------
        SessionError
            If it is damaged.
        """
        try:
            shape = tuple(int(n) for n in facts["shape"])
            start = tuple(int(n) for n in facts["at"])
            dtype = np.dtype(str(facts["dtype"])).newbyteorder("<")
            if math.prod(shape) > _MOST_PIXELS:
                raise ValueError
            both = np.zeros((2, math.prod(shape)), dtype.newbyteorder("="))
            count = int(facts.get("pixels", both.shape[1]))
            sparse = "pixels" in facts
            expected = count * (2 * dtype.itemsize + 4 * sparse)
            raw = zlib.decompressobj().decompress(content, expected)
            values = np.frombuffer(raw, dtype, 2 * count, 4 * count * sparse).reshape(2, count)
            if sparse:
                both[:, np.cumsum(np.frombuffer(raw, "<u4", count), dtype=np.int64)] = values
            else:
                both[:] = values
            return cls(start, *both.reshape(2, *shape))
        except (KeyError, IndexError, TypeError, ValueError, zlib.error) as error:
            raise SessionError("The pixels of an edit are damaged, so it is lost.") from error
