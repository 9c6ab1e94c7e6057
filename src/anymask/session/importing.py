"""Takes masks of files into the images of a session that they belong to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from anymask.errors import AnymaskError
from anymask.session.errors import EditedError, SessionError
from anymask.session.records import CancelToken, ImageRecord, LayerKey

if TYPE_CHECKING:
    from anymask.session.session import Session


@dataclass
class Imported:
    """What became of mask files.

    Attributes
    ----------
    done : list of (Path, LayerKey)
        Files, and the layers whose masks they are now.
    failed : list of (Path, str)
        Files that were not imported, each with a sentence.
    edited : list of LayerKey
        Layers that were left as they are, because they were edited by hand.
    """

    done: list[tuple[Path, LayerKey]] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)
    edited: list[LayerKey] = field(default_factory=list)


def import_files(
    session: Session,
    files: Iterable[Path],
    layer: LayerKey | None = None,
    *,
    replace: bool = False,
    progress: Callable[[int, int], None] | None = None,
    cancel: CancelToken | None = None,
) -> Imported:
    """Replace layers by the masks of files, in any format that `anymask.load_masks` reads. Slow.

    A file belongs to the image that it is named after, or that it names: ``cell7_cp_masks.png``
    and ``cell7.masks.json`` to ``cell7.tif``. In a session of one image, all files belong to it.
    Files that cannot be imported do not stop the others.

    Parameters
    ----------
    session : Session
    files : iterable of Path
    layer : LayerKey, optional
        The layer of a file that names no image of the session.
    replace : bool
        Whether layers that were edited by hand may be replaced.
    progress : callable, optional
        Called with the number of files done and their total.
    cancel : CancelToken, optional
    """
    result, paths = Imported(), list(files)
    for number, path in enumerate(paths):
        if cancel is not None and cancel.is_cancelled:
            break
        if progress is not None:
            progress(number, len(paths))
        try:
            _import(session, path, layer, replace, result)
        except EditedError as error:
            result.edited += [key for key in error.layers if isinstance(key, LayerKey)]
            result.failed.append((path, str(error)))
        except AnymaskError as error:
            result.failed.append((path, str(error)))
    return result


def _import(
    session: Session, path: Path, layer: LayerKey | None, replace: bool, result: Imported
) -> None:
    """Import one file.

    Raises
    ------
    AnymaskError
        If it cannot be read, or belongs to no image.
    """
    from anymask.io.read_masks import load_dataset

    records = list(session.images)
    own = image_named(records, path.name)
    key = layer
    if own is not None or (layer is None and len(records) == 1):
        key = _first(own or records[0])
    if key is not None:
        session.edits.import_masks(key, path, replace=replace)
        result.done.append((path, key))
        return
    found = False
    for name, masks in load_dataset(path):
        record = image_named(records, name)
        if record is not None:
            session.edits.import_masks(_first(record), masks, replace=replace)
            result.done.append((path, _first(record)))
            found = True
    if not found:
        raise SessionError(
            f"{path} is named after no image of this session, and names none; rename it like its "
            "image, or import it while that image is shown."
        )


def image_named(records: Iterable[ImageRecord], name: str) -> ImageRecord | None:
    """Return the image that a file is named after: the one with the longest fitting name.

    Parameters
    ----------
    records : iterable of ImageRecord
    name : str
        Name of a mask file, or of an image in such a file.
    """
    plain = re.split(r"[\\/]", name)[-1]
    best: tuple[int, ImageRecord] | None = None
    for record in records:
        stem = record.path.stem
        rest = plain.removeprefix(stem)
        fits = plain.startswith(stem) and (not rest or not rest[0].isalnum())
        if fits and (best is None or len(stem) > best[0]):
            best = len(stem), record
    return None if best is None else best[1]


def _first(record: ImageRecord) -> LayerKey:
    return LayerKey(record.id, record.recipes[0].name)
