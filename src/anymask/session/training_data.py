"""A session as a data set: its images with their masks."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from anymask.datasets.dataset import Dataset
from anymask.datasets.label_files import truth_of_set
from anymask.datasets.opening import dataset_of
from anymask.datasets.types import Found, Objects, Source, Truth
from anymask.errors import AnymaskError
from anymask.files import whole_file
from anymask.masks.mask_set import MaskSet
from anymask.session.errors import SessionError
from anymask.session.records import DEFAULT_RECIPE, LayerKey
from anymask.session.session import Session


def session_examples(folder: str | os.PathLike[str], *, edited_only: bool = False) -> list[Source]:
    """List the images of a session that have masks, for training or evaluation.

    Pseudo-RGBs and planes of stacks are written once as PNG to the session's folder ``pictures``.

    Parameters
    ----------
    folder : path-like
        The session; it may be open in a window.
    edited_only : bool
        Only images whose masks were edited or saved, because a model learns nothing from masks
        that it predicted itself.

    Returns
    -------
    list of Source
        One per image; for a stack, one per plane that has an object.

    Raises
    ------
    SessionError
        If the folder is not a session, or has no such images.
    """
    return _found(folder, edited_only=edited_only).sources


def session_dataset(
    folder: str | os.PathLike[str], *, min_area: int = 25, edited_only: bool = False
) -> Dataset:
    """Open a session as a data set, with classes in the order of the session.

    `anymask.open_dataset` also opens sessions, with all its options.

    Parameters
    ----------
    folder, edited_only
        See `session_examples`.
    min_area : int
        Smaller objects, in pixels, are left out, and images without a larger one too.

    Raises
    ------
    SessionError
        If the folder is not a session, or has no masks.
    ImageError
        If no image with an object of that size can be read.
    """
    found = _found(folder, edited_only=edited_only)
    return dataset_of(found.sources, [found], min_area=min_area)


def find_in_session(folder: Path, objects: Objects = "auto", *, edited_only: bool = False) -> Found:
    """Find the images with masks in a session, as `anymask.datasets.layouts` does in folders.

    Parameters
    ----------
    folder : Path
    objects : {"auto", "ids", "components", "classes"}
        "classes" joins all objects of a class into one.
    edited_only : bool
        See `session_examples`.
    """
    found = Found()
    with Session.open(folder, read_only=True) as session:
        found.classes += [c.name for c in session.layers.classes]
        with_masks = set()
        for key in session.layers.with_masks():
            with_masks.add(key.image)
            if edited_only and session.layers.state(key) == "segmented":
                continue
            record = session.images[key.image]
            for plane in range(record.planes):
                masks = session.layers.masks(key, plane)
                if len(masks):
                    name = session.layers.title(key) + (f".{plane}" if record.planes > 1 else "")
                    try:
                        image = _image_file(session, key, plane)
                    except AnymaskError:
                        image = record.path  # reported as unreadable when it is read
                    read = partial(_truth, masks, objects)
                    found.sources.append(Source(session.name, name, image, read))
            session.layers.release()
        found.without_masks += [r.path for r in session.images if r.id not in with_masks]
    return found


def _found(folder: str | os.PathLike[str], *, edited_only: bool) -> Found:
    found = find_in_session(Path(folder), edited_only=edited_only)
    if not found.sources:
        raise SessionError(
            f"{Path(folder).absolute()} has no masks to learn from; segment or draw some first."
        )
    return found


def _truth(masks: MaskSet, objects: Objects, size: tuple[int, int]) -> Truth:
    return truth_of_set(masks, objects)


def _image_file(session: Session, key: LayerKey, plane: int) -> Path:
    """Return a file that `read_rgb` reads as the annotated image."""
    from PIL import Image

    record = session.images[key.image]
    how = record.recipe(key.recipe)
    # If `read_rgb` shows the file as the session does, no copy is needed.
    by_path_alone = record.planes == 1 and record.header is None and not record.read_options
    if by_path_alone and how.source == DEFAULT_RECIPE.source and record.path.exists():
        return record.path
    path = session.folder / "pictures" / f"{session.images.rgb_hash(key)}-{plane}.png"
    if not path.is_file():
        with whole_file(path) as part:
            Image.fromarray(session.images.rgb(key, plane)).save(part)
    return path
