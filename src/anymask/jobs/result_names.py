"""Name the results of each image so that no two images share a name.

``sub/a.png`` found in a given folder becomes ``OUT/sub/a.*``. Images that would share a name
(``a.png`` and ``a.jpg``) keep their suffix, ``a.png.*`` and ``a.jpg.*``. If they still share one
(``x/a.png`` and ``y/a.png`` given one by one), their folder is put in front, ``x/a.png.*``. Any
remaining ones are numbered. Case is ignored, as on many file systems.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path


def output_names(images: Sequence[tuple[Path, Path]]) -> list[Path]:
    """Give every image a unique name below the output folder.

    Parameters
    ----------
    images : sequence of (path, relative)
        Each image's path, and its path relative to the given folder (or its file name, if the image
        itself was given). No path may occur twice.

    Returns
    -------
    list of Path
        Relative names without the endings of the results, in the same order.

    Examples
    --------
    >>> pairs = [(Path("/x/a.png"), Path("a.png")), (Path("/x/b.png"), Path("b.png"))]
    >>> [name.as_posix() for name in output_names(pairs)]
    ['a', 'b']
    >>> pairs.append((Path("/x/a.jpg"), Path("a.jpg")))
    >>> [name.as_posix() for name in output_names(pairs)]
    ['a.png', 'b', 'a.jpg']
    """
    choices = [_choices(path, relative) for path, relative in images]
    level = [0] * len(choices)
    while shared := _sharing([choices[i][level[i]] for i in range(len(choices))]):
        raised = False
        for i in shared:
            if level[i] + 1 < len(choices[i]):
                level[i] += 1
                raised = True
        if not raised:
            break
    return _numbered([choices[i][level[i]] for i in range(len(choices))])


def _choices(path: Path, relative: Path) -> list[Path]:
    """Possible names for an image's results, from the shortest to the most specific."""
    absolute = path.absolute()
    parts = absolute.relative_to(absolute.anchor).parts[-len(relative.parts) - 1 :]
    return [relative.with_suffix(""), relative, Path(*parts)]


def _key(name: Path) -> str:
    return name.as_posix().casefold()


def _sharing(names: list[Path]) -> list[int]:
    """Indices of names that occur more than once."""
    groups: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(names):
        groups[_key(name)].append(index)
    return [index for group in groups.values() if len(group) > 1 for index in group]


def _numbered(names: list[Path]) -> list[Path]:
    used: set[str] = set()
    unique = []
    for name in names:
        candidate, number = name, 1
        while _key(candidate) in used:
            number += 1
            candidate = name.with_name(f"{name.name}-{number}")
        used.add(_key(candidate))
        unique.append(candidate)
    return unique
