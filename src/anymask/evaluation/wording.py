"""Sentences and lines that a report shares between terminal, page and notices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Digits of a hash that are enough to tell it from every other.
_DIGITS = 12


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
