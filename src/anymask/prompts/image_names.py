"""Which image a name in a file means."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from anymask.errors import PromptError

_OF_DATA_SETS = frozenset({"images", "labels", "annotations", "jpegimages"})
_Key = tuple[str, str]
_Rank = tuple[int, int]  # names before stems, then the folders in common


def images_of_names(names: Iterable[str], paths: Sequence[Path]) -> dict[str, Path]:
    """Find the images that names in a file mean.

    A name may have folders, which need not be those on this machine, backslashes, or the escapes of
    a URL; it may lack the suffix, or be the number in the image's name. Case is ignored.

    Parameters
    ----------
    names : iterable of str
        Names of images in a file of prompts.
    paths : sequence of Path
        The images.

    Returns
    -------
    dict of str to Path
        Names that mean none of the images are left out, and so are those that mean an image of
        the same name in another folder.

    Raises
    ------
    PromptError
        If a name fits two images, or two names fit one image, equally well.

    Examples
    --------
    >>> images = [Path("x/a.jpg"), Path("000042.png")]
    >>> found = images_of_names(["train\\\\a.jpg", "b", "42"], images)
    >>> {name: path.as_posix() for name, path in found.items()}
    {'train\\\\a.jpg': 'x/a.jpg', '42': '000042.png'}
    """
    by_key: dict[_Key, list[Path]] = defaultdict(list)
    for path in dict.fromkeys(paths):
        for key in {("name", path.name.casefold()), *_keys_of_stem(path.stem)}:
            by_key[key].append(path)
    found: dict[str, tuple[_Rank, Path]] = {}
    for name in dict.fromkeys(names):
        if (hit := _best(name, by_key)) is not None:
            found[name] = hit
    best: dict[Path, str] = {}
    for name, (rank, path) in found.items():
        other = best.setdefault(path, name)
        if other == name:
            continue
        if found[other][0] == rank:
            raise PromptError(
                f"Both {other} and {name} in the file fit the image {path}; put the images "
                "into folders named as in the file."
            )
        best[path] = max(name, other, key=lambda each: found[each][0])
    return {name: path for path, name in best.items()}


def _keys_of_stem(stem: str) -> list[_Key]:
    """What a name without suffix is found by: itself and, if it is one, its number."""
    number = [("number", stem.lstrip("0") or "0")] if stem.isdecimal() else []
    return [("stem", stem.casefold()), *number]


def _best(name: str, by_key: Mapping[_Key, Sequence[Path]]) -> tuple[_Rank, Path] | None:
    """The image that a name fits best, and how well."""
    slashes = name.replace("\\", "/")
    for written in dict.fromkeys((slashes, unquote(slashes))):
        last = PurePosixPath(written).name
        stem = PurePosixPath(last).stem
        # "a.b" may be a whole name, a name that lacks its suffix, or one with another suffix.
        keys = [("name", last.casefold()), *_keys_of_stem(last), ("stem", stem.casefold())]
        for place, key in enumerate(keys):
            if not (hits := by_key.get(key)):
                continue
            ranked = sorted(hits, key=lambda path: _agreeing(written, path), reverse=True)
            rank = (-place, _agreeing(written, ranked[0]))
            if len(ranked) > 1 and _agreeing(written, ranked[1]) == rank[1]:
                raise PromptError(
                    f"{name} fits two images, {ranked[0]} and {ranked[1]}; write their folders in "
                    "the file too, or give one of them."
                )
            return rank, ranked[0]
    return None


def _agreeing(name: str, path: Path) -> int:
    """How many folders, from the last one, a name and a path have in common.

    Data sets keep labels and images of one part in folders beside each other, which differ.
    """
    stated, actual = (
        [part for part in map(str.casefold, parts[:-1]) if part not in _OF_DATA_SETS]
        for parts in (PurePosixPath(name).parts, path.parts)
    )
    count = 0
    for mine, theirs in zip(reversed(stated), reversed(actual), strict=False):
        if mine != theirs:
            break
        count += 1
    return count
