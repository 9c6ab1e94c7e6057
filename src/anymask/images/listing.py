"""From files, folders and patterns that a user names to the pictures that they mean."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from anymask.errors import ImageError
from anymask.images.formats import ENVI_DATA, ENVI_HEADER, SUFFIXES, ZARR
from anymask.images.formats.common import reading


def list_images(
    inputs: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
) -> list[Path]:
    """Expand files, folders and patterns to the picture files that they mean.

    A folder ``….zarr`` is one picture, and so are the header and the data file of an ENVI pair:
    in folders the header stands for both, and data without a header are left out.

    Parameters
    ----------
    inputs
        One or several of: a picture file; a folder, which stands for the pictures directly in
        it; a pattern with ``*``, ``?``, ``[…]`` or ``**``.

    Returns
    -------
    list of Path
        In the order of ``inputs``, those of one folder or pattern sorted by name, each picture
        once. Hidden files in folders are left out, and links that lead round in circles are not
        followed.

    Raises
    ------
    ImageError
        An input does not exist, has a suffix that is not read, or holds no picture.

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
    found: dict[Path, Path] = {}
    for given in inputs:
        with reading(Path(given)):
            for path in _expand(given):
                found.setdefault(_key(path), path)
    return list(found.values())


def is_image_folder(path: Path) -> bool:
    """Whether a folder is one picture."""
    return path.suffix.lower() in ZARR.suffixes and path.is_dir()


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
        candidates = _matches(path)
        what = f"what {path} matches"
    else:
        raise ImageError(f"There is no file or folder {path}; check the name.")
    pictures = sorted({p for p in candidates if _is_picture(p)})
    if not pictures:
        raise ImageError(f"There is no picture in {what}; those read are {', '.join(SUFFIXES)}.")
    # Sorted by name, data files come before their headers, which shall stand for both.
    headers = {_key(p) for p in pictures if _is_header(p)}
    return [p for p in pictures if _is_header(p) or _key(p) not in headers]


def _is_header(path: Path) -> bool:
    return path.suffix.lower() in ENVI_HEADER.suffixes


def _is_known(path: Path) -> bool:
    """Whether a name given by itself is worth reading; the suffix tells, or the content."""
    if path.suffix.lower() in SUFFIXES:
        return path.suffix.lower() not in ZARR.suffixes or path.is_dir()
    from anymask.images.formats import dicom, envi

    return path.is_file() and (envi.is_data_file(path) or dicom.is_dicom(path))


def _is_picture(path: Path) -> bool:
    """Whether something met in a folder is a picture."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        return False
    if suffix in ZARR.suffixes:
        return path.is_dir()
    if not path.is_file():
        return False
    if suffix not in ENVI_DATA.suffixes and not _is_header(path):
        return True
    from anymask.images.formats import envi, envi_header

    if _is_header(path):  # other programs have headers of that suffix too
        return envi_header.is_envi_header(path) and bool(envi.data_of(path))
    return envi.is_data_file(path)


def _key(path: Path) -> Path:
    """What stands for a picture, whichever of its files is named."""
    suffix = path.suffix.lower()
    if (suffix in SUFFIXES and suffix not in ENVI_DATA.suffixes) or not path.is_file():
        return path
    from anymask.images.formats import envi

    header = envi.header_of(path)
    return path if header is None else header


def _matches(pattern: Path) -> Iterator[Path]:
    """What a pattern matches, as `glob` does it, but never in circles of links."""
    parts = pattern.parts
    fixed = 0
    while fixed < len(parts) and not glob.has_magic(parts[fixed]):
        fixed += 1
    start = Path(*parts[:fixed])
    return _walk(start, parts[fixed:], frozenset({os.path.realpath(start)}))


def _walk(folder: Path, parts: Sequence[str], above: frozenset[str]) -> Iterator[Path]:
    """Paths below a folder that fit the parts of a pattern; ``above`` are the folders entered."""
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
    except OSError:  # no folder, or none that may be looked into
        return []


def unknown_suffix(path: Path) -> ImageError:
    """What to say of a file of a kind that is not read."""
    kind = f"the suffix {path.suffix}" if path.suffix else "no suffix"
    return ImageError(f"{path} has {kind}; pictures are read from {', '.join(SUFFIXES)}.")
