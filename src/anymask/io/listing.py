"""Expand files, folders and patterns to lists of images."""

from __future__ import annotations

import fnmatch
import glob
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from anymask.errors import ImageError
from anymask.io.guards import reading
from anymask.io.read_images import unknown_suffix
from anymask.io.registry import (
    image_files,
    image_format_by_content,
    image_format_by_suffix,
    image_formats,
    image_suffixes,
)


def list_images(
    inputs: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
) -> list[Path]:
    """Expand files, folders and patterns to image files.

    A folder ``….zarr`` is one image, and so are the header and data file of an ENVI pair. In a
    folder, the header stands for the pair, and data files without a header are left out.

    Parameters
    ----------
    inputs
        One or several of: an image file; a folder, which means the images directly in it; a pattern
        with ``*``, ``?``, ``[…]`` or ``**``. DICOM files are found whatever their names.

    Returns
    -------
    list of Path
        In the order of ``inputs``, each image once; those of a folder or pattern are sorted by
        name. Hidden files in folders are left out, and circular links are not followed.

    Raises
    ------
    ImageError
        If an input does not exist, has an unknown suffix, or contains no image.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("b.png", "a.jpg", "notes.txt"):
    ...         Path(folder, name).touch()
    ...     [path.name for path in list_images(folder)]
    ['a.jpg', 'b.png']
    """
    if isinstance(inputs, (str, os.PathLike)):
        inputs = [inputs]
    image_formats()  # load plugins here, outside `reading`, which would silence their warnings
    found: dict[Path, Path] = {}
    for given in inputs:
        with reading(Path(given)):
            for path in _expand(given):
                found.setdefault(_key(path), path)
    return list(found.values())


def is_image_folder(path: Path) -> bool:
    """Whether a folder is one image."""
    form = image_format_by_suffix(path)
    return form is not None and form.is_folder and path.is_dir()


def _expand(given: str | os.PathLike[str]) -> list[Path]:
    path = Path(given)
    if path.is_dir() and not is_image_folder(path):
        candidates: Iterable[Path] = [p for p in path.iterdir() if not p.name.startswith(".")]
        what = f"the folder {path}"
    elif path.exists():  # also where its name looks like a pattern
        if not _is_known(path):
            raise unknown_suffix(path)
        return [path]
    elif glob.has_magic(str(path)):
        candidates = matches(path)
        what = f"what {path} matches"
    else:
        raise ImageError(f"There is no file or folder {path}; check the name.")
    images = {p for p in candidates if _is_image(p)}
    if not images:
        raise ImageError(
            f"There is no image in {what}; anymask reads {', '.join(image_suffixes())}."
        )
    # Of an image in several files, list only its main file if that was found too.
    return sorted(p for p in images if _key(p) == p or _key(p) not in images)


def _is_known(path: Path) -> bool:
    """Whether a single path is an image, judging by its suffix or else its content."""
    form = image_format_by_suffix(path)
    if form is not None:
        return not form.is_folder or path.is_dir()
    return path.is_file() and image_format_by_content(path) is not None


def _is_image(path: Path) -> bool:
    """Whether an entry of a folder is an image."""
    form = image_format_by_suffix(path)
    if form is None and path.is_file():
        named_freely = (other for other in image_formats() if other.any_name)
        form = next((other for other in named_freely if other.accepts(path)), None)
    if form is None or (not path.is_dir() if form.is_folder else not path.is_file()):
        return False
    return not form.ambiguous or form.accepts(path)


def _key(path: Path) -> Path:
    """The main file of an image, whichever of its files is given."""
    return image_files(path)[0]


def fixed_part(pattern: Path) -> Path:
    """Return the folder below which a pattern searches.

    >>> fixed_part(Path("scans/day 1/**/*.tif")).as_posix()
    'scans/day 1'
    """
    return Path(*itertools.takewhile(lambda part: not glob.has_magic(part), pattern.parts))


def matches(pattern: Path) -> Iterator[Path]:
    """Paths that match a pattern, as in `glob`, but without following circular links."""
    start = fixed_part(pattern)
    rest = pattern.parts[len(start.parts) :]
    return _walk(start, rest, frozenset({os.path.realpath(start)}))


def _walk(folder: Path, parts: Sequence[str], above: frozenset[str]) -> Iterator[Path]:
    """Paths below a folder that match the parts of a pattern; ``above`` are its parent folders."""
    if not parts:
        yield folder
        return
    part, rest = parts[0], parts[1:]
    if part == "**" and rest:
        yield from _walk(folder, rest, above)
    elif not glob.has_magic(part):
        if (folder / part).exists():
            yield from _walk(folder / part, rest, above)
        return
    for child in _children(folder):
        if child.name.startswith(".") and not part.startswith("."):
            continue
        deeper = part == "**"
        if not deeper and not fnmatch.fnmatch(child.name, part):
            continue
        if not rest:
            yield child
        if (rest or deeper) and child.is_dir() and not is_image_folder(child):
            real = os.path.realpath(child)
            if real not in above:
                yield from _walk(child, parts if deeper else rest, above | {real})


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:  # not a folder, or no permission to list it
        return []
