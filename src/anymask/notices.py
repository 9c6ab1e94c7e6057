"""Sentences about files that are read: what was left out, and what was assumed."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class ReadingNotice(UserWarning):
    """Something about a file that its reader should know, in one sentence."""


# Not recorded by `warnings`, whose filters all threads share.
_collected: ContextVar[list[str] | None] = ContextVar("collected", default=None)


@contextmanager
def noticing() -> Iterator[list[str]]:
    """Collect the notices of this thread instead of showing them; other warnings are silenced.

    Yields
    ------
    list of str
        Filled while the block runs; each sentence once.

    Examples
    --------
    >>> with noticing() as notices:
    ...     tell("cube.hdr does not say the byte order.")
    >>> notices
    ['cube.hdr does not say the byte order.']
    """
    notices: list[str] = []
    before = _collected.set(notices)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield notices
    finally:
        _collected.reset(before)


def merged(notices: Iterable[str]) -> list[str]:
    """Keep the first of the sentences that differ only in numbers, and count the others.

    Examples
    --------
    >>> merged(["Shape 1 is a point.", "Shape 7 is a point.", "The unit is missing."])
    ['Shape 1 is a point (and 1 more like it).', 'The unit is missing.']
    """
    alike: dict[str, list[str]] = {}
    for notice in notices:
        alike.setdefault(kind_of(notice), []).append(notice)
    return [
        f"{first.rstrip('.')} (and {len(others)} more like it)." if others else first
        for first, *others in alike.values()
    ]


def kind_of(sentence: str) -> str:
    """Return what is the same in sentences that differ only in paths and numbers."""
    return re.sub(r"\S*[/\\]\S*|\d+", "", sentence)


def tell(sentence: str, stacklevel: int = 2) -> None:
    """Say something about a file that is read: a `ReadingNotice`, or collected by `noticing`."""
    collected = _collected.get()
    if collected is None:
        warnings.warn(sentence, ReadingNotice, stacklevel=stacklevel)
    elif sentence not in collected:
        collected.append(sentence)
