"""Checks a data set: counts what is in it, and reports what looks wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from anymask.datasets.dataset import Dataset
from anymask.datasets.scanning import Record
from anymask.datasets.similar import alike, same
from anymask.datasets.types import Skipped
from anymask.wording import counted

_MOST_NAMED = 5
# Warn if one class has more than this many times the objects of another.
_UNBALANCED = 20
# An object that fills more than this share of an image is probably the background.
_WHOLE = 0.95
# If the one object is in parts in more than this share of the images, the parts may be objects.
_TORN = 0.5
_FEW = 10
# This many numbered classes, each rarer than the previous one, are probably ids of objects.
_MANY_CLASSES = 5


@dataclass(frozen=True)
class ClassCount:
    """How often a class occurs.

    Attributes
    ----------
    objects, images : int
        Objects of the class, and images with at least one.
    share : float
        Share of the pixels of all objects.
    """

    objects: int
    images: int
    share: float


@dataclass(frozen=True)
class DatasetCheck:
    """What `check_dataset` found.

    Attributes
    ----------
    images, objects : int
    sets : dict
        Number of images of each set.
    objects_per_image, areas, sides : tuple of float
        Smallest, median and largest: number of objects in an image, area of an object in pixels,
        longest side of an image in pixels.
    sizes : int
        Number of different image sizes.
    small_objects : int
        Objects left out as too small.
    classes : dict
        How often each class occurs.
    unclassified : int
        Objects without a class, if others have one.
    skipped : tuple of Skipped
        Images that cannot be used.
    empty, without_masks, without_image : tuple of str
        Images without objects; images without masks; masks without an image.
    same : list of tuple of str
        Groups of images that are the same to the pixel.
    alike : list of (str, str)
        Pairs of images that are almost the same.
    across : list of (str, str)
        Pairs of the same or almost the same image, one in training and one held out.
    problems : list of str
        One sentence for each problem; empty if there is none.
    """

    images: int
    objects: int
    sets: dict[str, int]
    objects_per_image: tuple[float, float, float]
    areas: tuple[float, float, float]
    sides: tuple[float, float, float]
    sizes: int
    small_objects: int
    classes: dict[str, ClassCount]
    unclassified: int
    skipped: tuple[Skipped, ...]
    empty: tuple[str, ...]
    without_masks: tuple[str, ...]
    without_image: tuple[str, ...]
    same: list[tuple[str, ...]]
    alike: list[tuple[str, str]]
    across: list[tuple[str, str]]
    problems: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        plain = dict(vars(self))
        plain["classes"] = {name: vars(count) for name, count in self.classes.items()}
        plain["skipped"] = [
            {"image": str(bad.image), "name": bad.key, "reason": bad.reason} for bad in self.skipped
        ]
        return plain


def check_dataset(dataset: Dataset, halves: tuple[Dataset, Dataset] | None = None) -> DatasetCheck:
    """Look for problems that would spoil training or evaluation; the images are not read again.

    Parameters
    ----------
    dataset : Dataset
        From `open_dataset`, with its record of what was left out.
    halves : (Dataset, Dataset), optional
        The training part and the held-out part; images in both are reported.

    Returns
    -------
    DatasetCheck
    """
    records, keys, left_out = dataset.records, dataset.keys, dataset.left_out
    train, validation = (set(half.keys) for half in halves) if halves else (set(), set())
    groups, pairs = same(records), alike(records)
    linked = sorted({pair for group in groups for pair in combinations(group, 2)} | set(pairs))
    check = DatasetCheck(
        images=len(records),
        objects=sum(len(r.areas) for r in records),
        sets=dict(Counter(key.split("/", 1)[0] for key in keys)),
        objects_per_image=_range([len(r.areas) for r in records]),
        areas=_range([area for r in records for area in r.areas]),
        sides=_range([max(r.size) for r in records]),
        sizes=len({r.size for r in records}),
        small_objects=sum(r.left_out for r in records),
        classes=_classes(dataset.classes, records),
        unclassified=_unclassified(dataset.classes, records),
        skipped=left_out.skipped,
        empty=(
            *left_out.empty,
            *(key for key, r in zip(keys, records, strict=True) if not r.areas),
        ),
        without_masks=tuple(map(str, left_out.without_masks)),
        without_image=tuple(map(str, left_out.without_image)),
        same=[tuple(keys[i] for i in group) for group in groups],
        alike=[(keys[a], keys[b]) for a, b in pairs],
        across=[
            (one, other)
            for a, b in linked
            for one, other in ((keys[a], keys[b]), (keys[b], keys[a]))
            if one in train and other in validation
        ],
        problems=[],
    )
    check.problems.extend(_problems(check, dataset.min_area, records, keys))
    return check


def _range(values: Sequence[int]) -> tuple[float, float, float]:
    if not values:
        return (0.0, 0.0, 0.0)
    return float(min(values)), float(np.median(values)), float(max(values))


def _classes(classes: Sequence[str], records: Sequence[Record]) -> dict[str, ClassCount]:
    objects: Counter[str] = Counter()
    images: Counter[str] = Counter()
    pixels: Counter[str] = Counter()
    for record in records:
        objects.update(record.classes)
        images.update(set(record.classes))
        for name, area in zip(record.classes, record.areas, strict=False):
            pixels[name] += area
    whole = max(1, sum(pixels.values()))
    return {n: ClassCount(objects[n], images[n], round(pixels[n] / whole, 4)) for n in classes}


def _unclassified(classes: Sequence[str], records: Sequence[Record]) -> int:
    if not classes:
        return 0
    return sum(r.classes.count("") if r.classes else len(r.areas) for r in records)


def _problems(
    check: DatasetCheck, min_area: int, records: Sequence[Record], keys: Sequence[str]
) -> list[str]:
    """Return sentences about problems, the most serious first."""
    sentences = []
    if check.across:
        pairs = [f"{a} and {b}" for a, b in check.across]
        sentences.append(
            f"{_count(pairs, 'pair')} of the same or almost the same image, one in training and "
            f"one held out: {_some(pairs)}; figures on the held-out images will be too good."
        )
    if check.skipped:
        bad = [f"{each.key} ({each.reason.rstrip('.')})" for each in check.skipped]
        sentences.append(f"{_count(bad, 'image')} cannot be used: {_some(bad)}.")
    if check.empty:
        sentences.append(f"{_count(check.empty, 'image')} without an object: {_some(check.empty)}.")
    if check.without_masks:
        without = check.without_masks
        sentences.append(f"{_count(without, 'image')} without masks: {_some(without)}.")
    if check.without_image:
        without = check.without_image
        sentences.append(f"{_count(without, 'mask file')} without an image: {_some(without)}.")
    if check.same:
        groups = [" = ".join(group) for group in check.same]
        sentences.append(f"{_count(groups, 'image')} with exact copies: {_some(groups)}.")
    if check.alike and not check.across:
        pairs = [f"{a} and {b}" for a, b in check.alike]
        sentences.append(
            f"{_count(pairs, 'pair')} of almost the same image: {_some(pairs)}; keep them "
            "together with a group."
        )
    whole = [
        key
        for key, r in zip(keys, records, strict=True)
        if max(r.areas, default=0) > _WHOLE * r.size[0] * r.size[1]
    ]
    if whole:
        sentences.append(
            f"{_count(whole, 'image')} in which one object fills more than {_WHOLE:.0%}: "
            f"{_some(whole)}; the mask may be inverted."
        )
    torn = [key for key, r in zip(keys, records, strict=True) if r.parts > 1]
    if len(torn) > _TORN * len(records) and not check.classes:
        sentences.append(
            f"{_count(torn, 'image')} with one object in several parts: {_some(torn)}; if each "
            "part is an object, open them with objects='components' (--components)."
        )
    if check.small_objects:
        sentences.append(
            f"{check.small_objects} objects of fewer than {min_area} pixels are left out; lower "
            "the minimum area if they matter."
        )
    sentences += _class_problems(check)
    if check.images < _FEW:
        sentences.append(
            f"There {'are' if check.images > 1 else 'is'} only {_count(keys, 'image')}; {_FEW} "
            "are the minimum for meaningful held-out figures."
        )
    return sentences


def _class_problems(check: DatasetCheck) -> list[str]:
    sentences = []
    absent = [name for name, count in check.classes.items() if not count.objects]
    if absent:
        sentences.append(
            f"{_count(absent, 'declared class', 'es')} without an object: {_some(absent)}."
        )
    numbers = [name for name in check.classes if name.isdecimal()]
    images = [check.classes[name].images for name in numbers]
    if len(numbers) >= _MANY_CLASSES and images == sorted(images, reverse=True):
        sentences.append(
            f"The {len(numbers)} classes get rarer and rarer from {numbers[0]} to {numbers[-1]}: "
            "ids seem to number objects, not classes; if so, open them without objects='classes' "
            "(--semantic)."
        )
    counts = {name: c.objects for name, c in check.classes.items() if c.objects}
    if counts:
        most, least = max(counts, key=lambda n: counts[n]), min(counts, key=lambda n: counts[n])
        if counts[most] > _UNBALANCED * counts[least]:
            sentences.append(
                f"The class {most} has {counts[most]} objects and {least} has {counts[least]}; "
                "rare classes are learnt badly, so add images with them."
            )
    if check.unclassified:
        sentences.append(
            f"{counted(check.unclassified, 'object')} without a class, although others have one."
        )
    return sentences


def _count(things: Sequence[object], name: str, plural: str = "s") -> str:
    return f"{len(things)} {name}" + (plural if len(things) != 1 else "")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
