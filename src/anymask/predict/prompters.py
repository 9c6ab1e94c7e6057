"""Detectors that turn words into boxes: an interface for other packages.

A prompter looks at an image and says where the things are that words name; any model of the family
then segments them (`predict_text.py`). anymask has none of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask import plugins
from anymask.errors import PromptError

GROUP = "anymask.prompters"
"""Entry points of packages with a `Prompter`."""


@dataclass(frozen=True)
class Detections:
    """Boxes that a prompter found in an image.

    Attributes
    ----------
    boxes : (N, 4) array_like
        XYXY in pixels of the image.
    class_names : sequence of N str
        The word that each box answers.
    scores : (N,) array_like
        From 0 to 1.
    """

    boxes: ArrayLike
    class_names: Sequence[str]
    scores: ArrayLike


@dataclass(frozen=True, kw_only=True)
class Prompter:
    """A detector that finds what words name.

    Attributes
    ----------
    name : str
        As in ``predict_text(..., prompter=name)``.
    title : str
        What it is, in a few words.
    find : callable
        ``find(image, words)`` gets an (H, W, 3) uint8 array and a list of words, and returns
        `Detections`. Packages that are slow to import are imported inside it.
    """

    name: str
    title: str
    find: Callable[[NDArray[np.uint8], list[str]], Detections]


@cache
def prompters() -> dict[str, Prompter]:
    """Return the prompters of all installed packages by name.

    One that cannot be used is left out with a `PluginWarning`.
    """
    found: dict[str, Prompter] = {}
    for entry, prompter in plugins.loaded(GROUP, Prompter, "prompter"):
        if prompter.name in found:
            reason = f"there is a prompter called {prompter.name} already"
            plugins.leave_out(entry, "prompter", reason)
        else:
            found[prompter.name] = prompter
    return found


def the_prompter(name: str | None = None) -> Prompter:
    """Return a prompter by name; None means the only one that is installed.

    Raises
    ------
    PromptError
        If there is none of that name, or none or several without a name.
    """
    known = prompters()
    if not known:
        raise PromptError(
            "No detector for words is installed; install a package with one (see 'Extending "
            "anymask' in the documentation), or give points or boxes."
        )
    if name is None and len(known) > 1:
        raise PromptError(f"Several detectors for words are installed; name one: {_listed(known)}.")
    if name is None:
        return next(iter(known.values()))
    if name not in known:
        raise PromptError(
            f"There is no detector for words called {name!r}; there is {_listed(known)}."
        )
    return known[name]


def _listed(known: dict[str, Prompter]) -> str:
    return ", ".join(f"{each.name} ({each.title})" for each in known.values())
