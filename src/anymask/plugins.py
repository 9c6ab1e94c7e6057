"""Entry points of other installed packages, by group, and the version of this one.

One broken package must not take the rest with it: what cannot be imported, or is not what its group
holds, is left out with a `PluginWarning`, which the command line prints as one sentence.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from typing import TypeVar

_T = TypeVar("_T")


class PluginWarning(UserWarning):
    """Something that another package adds cannot be used."""


def loaded(group: str, kind: type[_T], what: str) -> Iterator[tuple[EntryPoint, _T]]:
    """Yield the objects that installed packages add to a group, in the order of their names.

    Parameters
    ----------
    group : str
        Such as "anymask.readers".
    kind : type
        What each object must be an instance of.
    what : str
        What messages call such an object: "format".
    """
    for entry in _sorted(group):
        found = _load(entry, what)
        if isinstance(found, kind):
            yield entry, found
        elif found is not None:
            leave_out(entry, what, f"{entry.value} is not an entry of type {kind.__name__}")


def loaded_classes(group: str, base: type[_T], what: str) -> Iterator[tuple[EntryPoint, type[_T]]]:
    """As `loaded`, for groups that hold subclasses of `base`."""
    for entry in _sorted(group):
        found = _load(entry, what)
        if isinstance(found, type) and issubclass(found, base):
            yield entry, found
        elif found is not None:
            leave_out(entry, what, f"{entry.value} is not a subclass of {base.__name__}")


def leave_out(entry: EntryPoint, what: str, reason: str) -> None:
    """Warn that an entry is not used."""
    package = entry.dist.name if entry.dist is not None else entry.value
    warnings.warn(
        f"The {what} {entry.name} of the package {package} is left out: {reason}; update or "
        "uninstall the package.",
        PluginWarning,
        stacklevel=3,
    )


def _sorted(group: str) -> list[EntryPoint]:
    return sorted(entry_points(group=group), key=lambda entry: entry.name)


def _load(entry: EntryPoint, what: str) -> object | None:
    try:
        found: object = entry.load()
    except Exception as error:  # importing foreign code may raise anything
        reason = (str(error).splitlines() or [""])[0].rstrip(".") or type(error).__name__
        leave_out(entry, what, reason)
        return None
    if found is None:
        leave_out(entry, what, f"{entry.value} is None")
    return found


def own_version() -> str:
    """Return the version of anymask that is installed, by either of its distributions."""
    try:
        return version("anymask")
    except PackageNotFoundError:
        return version("anymask-onnx")
