"""Sentences and lines that a report shares between terminal, page and notices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anymask.evaluation.data import Unused

# Digits of a hash that tell it from every other, and how many files are named in a sentence.
_DIGITS, _NAMED = 12, 3


def unused_sentences(unused: Unused) -> list[str]:
    """What is no example, in words: how many files, and the first of them.

    Examples
    --------
    >>> from pathlib import Path
    >>> unused_sentences(Unused(without_masks=(Path("a.png"), Path("b.png"))))
    ['2 images without masks are left out: a.png, b.png.']
    """
    kinds = {
        "without_masks": ("image without masks is", "images without masks are"),
        "without_image": ("file without its image is", "files without their images are"),
    }
    sentences = []
    for kind, (one, many) in kinds.items():
        paths = getattr(unused, kind)
        if paths:
            named = ", ".join(path.name for path in paths[:_NAMED])
            more = ", …" if len(paths) > _NAMED else "."
            sentences.append(
                f"{len(paths)} {one if len(paths) == 1 else many} left out: {named}{more}"
            )
    return sentences


def printable(text: str) -> str:
    """Text without what no terminal and no UTF-8 file can hold: bytes of odd names, escaped.

    Examples
    --------
    >>> print(printable("caf\\udce9.png"))
    caf\\udce9.png
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def model_facts_for_reading(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What a model is, with the first digits of its hash only; what is not known is left out."""
    digest = facts.get("weights_sha256")
    shown = {**facts, "weights_sha256": digest[:_DIGITS] if digest else None}
    if facts.get("known_as") == facts.get("model"):
        shown["known_as"] = None
    return {name: value for name, value in shown.items() if value is not None}
