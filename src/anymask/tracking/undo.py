"""The objects of a tracker, and the steps that are undone.

Steps are what was known before, as data: records never change, so that putting them back is enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from anymask.tracking.memory_bank import MemoryBank, Remembered
from anymask.tracking.said import Said

_Record = TypeVar("_Record")


@dataclass
class FollowedObject:
    """One object: what was said about it by frame, and what is remembered of it."""

    prompts: dict[int, Said]
    bank: MemoryBank


Objects = dict[int, FollowedObject]


@dataclass(frozen=True, eq=False)
class Step:
    """What was known of an object in a frame before something was said about it there."""

    object: int
    frame: int
    said: Said | None
    prompted: Remembered | None
    followed: Remembered | None

    def taken_back(self, objects: Objects) -> Objects:
        """Put it back; an object about which nothing is said any more is removed."""
        each = objects[self.object]
        _set_or_drop(each.prompts, self.frame, self.said)
        _set_or_drop(each.bank.prompted, self.frame, self.prompted)
        _set_or_drop(each.bank.followed, self.frame, self.followed)
        if not each.prompts:
            del objects[self.object]
        return objects


@dataclass(frozen=True, eq=False)
class Removal:
    """The objects before one of them was removed."""

    objects: Objects

    def taken_back(self, _: Objects) -> Objects:
        """Return them."""
        return self.objects


def _set_or_drop(records: dict[int, _Record], frame: int, value: _Record | None) -> None:
    records.pop(frame, None)
    if value is not None:
        records[frame] = value
