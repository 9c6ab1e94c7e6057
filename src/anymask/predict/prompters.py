"""Detectors that turn words into boxes: those of published models, and those of other packages.

A prompter looks at an image and says where the things are that words name; any model of the family
then segments them (`predict_text.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from anymask import plugins
from anymask.errors import PromptError
from anymask.predict.words.detections import Detections, Find
from anymask.predict.words.known_detectors import DEFAULT, KNOWN_DETECTORS, open_detector

__all__ = ["GROUP", "Detections", "Prompter", "prompters", "the_prompter"]

GROUP = "anymask.prompters"
"""Entry points of packages with a `Prompter`."""


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
    min_score : float
        Boxes with a lower score are left out, unless another limit is asked for.
    """

    name: str
    title: str
    find: Find
    min_score: float = 0.3


@cache
def prompters() -> dict[str, Prompter]:
    """Return the prompters of all installed packages by name, without those of published models.

    One that cannot be used is left out with a `PluginWarning`.
    """
    found: dict[str, Prompter] = {}
    for entry, prompter in plugins.loaded(GROUP, Prompter, "prompter"):
        if prompter.name in found or prompter.name in KNOWN_DETECTORS:
            reason = f"there is a prompter called {prompter.name} already"
            plugins.leave_out(entry, "prompter", reason)
        else:
            found[prompter.name] = prompter
    return found


def the_prompter(name: str | None = None, device: str = "auto") -> Prompter:
    """Return a prompter.

    Parameters
    ----------
    name : str, optional
        A name of `prompters` or of `KNOWN_DETECTORS`, or a folder with a detector in Hugging Face's
        layout. By default the only one of an installed package, or else Grounding DINO.
    device : str
        Where a published model computes.

    Raises
    ------
    PromptError
        If there is none of that name, or several packages have one and none is named.
    """
    known = prompters()
    if name is None and len(known) > 1:
        raise PromptError(f"Several detectors for words are installed; name one: {_listed(known)}.")
    name = name or next(iter(known), DEFAULT)
    if name in known:
        return known[name]
    if name in KNOWN_DETECTORS or Path(name).is_dir():
        return _published(name, device)
    raise PromptError(
        f"There is no detector for words called {name!r}; there is "
        f"{_listed(known | {n: _published(n, device) for n in KNOWN_DETECTORS})}."
    )


@cache
def _published(name: str, device: str) -> Prompter:
    """A prompter of a published model, which is loaded when it is first asked."""
    about = KNOWN_DETECTORS.get(name)

    @cache
    def opened() -> Find:
        from anymask.checkpoints.devices import resolve_device

        return open_detector(name, str(resolve_device(device))).find

    return Prompter(
        name=name,
        title=about.title if about else "a folder",
        find=lambda image, words: opened()(image, words),
        min_score=about.min_score if about else Prompter.min_score,
    )


def _listed(known: dict[str, Prompter]) -> str:
    return ", ".join(f"{each.name} ({each.title})" for each in known.values())
