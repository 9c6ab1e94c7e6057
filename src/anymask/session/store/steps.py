"""Steps of a layer as lines of the journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anymask.journal import Journal
from anymask.session.records import ObjectInfo
from anymask.session.store.deltas import Delta
from anymask.session.store.history import Ref
from anymask.session.store.layer import Step
from anymask.session.store.pixels import fetch_pixels, keep_pixels


def facts_of(folder: Path, step: Step) -> dict[str, Any]:
    """Return what the journal notes about a step; large pixels go to a file in the folder."""
    facts: dict[str, Any] = {"kind": step.kind, "args": step.args}
    if step.delta is not None:
        where, content = step.delta.packed()
        facts["pixels"] = where | keep_pixels(folder, content)
    if step.objects:
        facts["objects"] = {
            label: [None if o is None else o.to_json() for o in pair]
            for label, pair in step.objects.items()
        }
    if step.meta is not None:
        facts["meta"] = step.meta
    return facts


def read_step(folder: Path, journal: Journal, ref: Ref) -> Step:
    """Read a step again.

    Raises
    ------
    SessionError
        If it is damaged.
    """
    data = journal.read(ref.offset, ref.length)
    pixels = data.get("pixels")
    delta = None
    if pixels is not None:
        delta = Delta.unpacked(pixels, fetch_pixels(folder, pixels))
    objects = {
        int(label): (
            None if before is None else ObjectInfo.from_json(before),
            None if after is None else ObjectInfo.from_json(after),
        )
        for label, (before, after) in data.get("objects", {}).items()
    }
    meta = data.get("meta")
    return Step(
        str(data["kind"]), data.get("args", {}), delta, objects,
        None if meta is None else (meta[0], meta[1]),
    )  # fmt: skip
