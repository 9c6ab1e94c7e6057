"""Words for messages."""

from __future__ import annotations


def counted(number: int, what: str, plural: str | None = None) -> str:
    """Return a number of things.

    Examples
    --------
    >>> counted(1, "image"), counted(3, "image"), counted(2, "class", "classes")
    ('1 image', '3 images', '2 classes')
    """
    return f"{number:,} {what if number == 1 else plural or what + 's'}"
