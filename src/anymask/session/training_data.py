"""A session as training data: its images with their masks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from anymask.files import whole_file
from anymask.masks.mask_set import MaskSet
from anymask.session.errors import SessionError
from anymask.session.records import DEFAULT_RECIPE, LayerKey
from anymask.session.session import Session

if TYPE_CHECKING:
    from anymask.evaluation.data import Source, Truth
    from anymask.training.datasets.dataset import Dataset


def session_examples(folder: str | os.PathLike[str], *, edited_only: bool = False) -> list[Source]:
    """The pictures of a session that have masks, as examples to train with or to be judged by.

    Pseudo-RGBs and planes of stacks are written to the session's folder ``pictures`` as PNG, once.

    Parameters
    ----------
    folder : path-like
        The session; it may be open in a window.
    edited_only : bool
        Only pictures whose masks somebody has edited or saved: what a model found by itself
        teaches it nothing.

    Returns
    -------
    list of Source
        A picture each; of stacks, each plane that has an object.

    Raises
    ------
    SessionError
        If the folder is no session, or has no such pictures.
    """
    from anymask.evaluation.data import Source

    with Session.open(folder, read_only=True) as session:
        found = []
        for key in session.layers.with_masks():
            if edited_only and session.layers.state(key) == "segmented":
                continue
            record = session.images[key.image]
            for plane in range(record.planes):
                masks = session.layers.masks(key, plane)
                if len(masks):
                    name = session.layers.title(key) + (f".{plane}" if record.planes > 1 else "")
                    picture = _picture(session, key, plane)
                    found.append(Source(session.name, name, picture, _Truth(masks)))
            session.layers.release()
        if not found:
            raise SessionError(f"{session.folder} has no masks to learn from.")
        return found


def session_dataset(
    folder: str | os.PathLike[str], *, min_area: int = 25, edited_only: bool = False
) -> Dataset:
    """A session as a data set to fine-tune a model with; classes in the session's own order.

    Parameters
    ----------
    folder, edited_only
        As for `session_examples`.
    min_area : int
        Objects of fewer pixels are left out, and pictures without a larger one.

    Raises
    ------
    SessionError
        If nothing is left to learn from.
    """
    from anymask.training.datasets.dataset import Dataset
    from anymask.training.datasets.scanning import Record, scan

    sources = session_examples(folder, edited_only=edited_only)
    with Session.open(folder, read_only=True) as session:
        declared = [c.name for c in session.layers.classes]
    looks = zip(sources, scan(sources, min_area), strict=True)
    kept = [(s, look) for s, look in looks if isinstance(look, Record) and look.areas]
    if not kept:
        raise SessionError(
            f"{folder} has no object of {min_area} pixels or more to learn from, or none of its "
            "images can be read."
        )
    used = {name for _, record in kept for name in record.classes if name}
    classes = [n for n in declared if n in used] + sorted(used - set(declared))
    return Dataset([s for s, _ in kept], [r for _, r in kept], min_area, classes)


class _Truth:
    """The masks of one picture, unpacked when they are asked for."""

    def __init__(self, masks: MaskSet) -> None:
        self._masks = masks

    def __call__(self, size: tuple[int, int]) -> Truth:
        from anymask.evaluation.data import Truth
        from anymask.evaluation.packed_masks import PackedMasks

        return Truth(PackedMasks.of(self._masks), self._masks.class_names or ())


def _picture(session: Session, key: LayerKey, plane: int) -> Path:
    """A file that `read_rgb` reads as the picture that was annotated."""
    from PIL import Image

    record = session.images[key.image]
    how = record.recipe(key.recipe)
    # What `read_rgb` shows as the session does needs no copy.
    by_path_alone = record.planes == 1 and record.header is None and not record.read_options
    if by_path_alone and how.source == DEFAULT_RECIPE.source and record.path.exists():
        return record.path
    path = session.folder / "pictures" / f"{session.images.rgb_hash(key)}-{plane}.png"
    if not path.is_file():
        with whole_file(path) as part:
            Image.fromarray(session.images.rgb(key, plane)).save(part)
    return path
