"""Every error anymask raises on purpose.

Each carries one sentence: what is wrong, where, and what to do about it. The command line
prints that sentence and exits with status 2.
"""

from __future__ import annotations


class AnymaskError(Exception):
    """Base of all errors a user of anymask can cause and mend."""


class CheckpointError(AnymaskError):
    """A model file is missing, unsafe, damaged, or not what was asked for."""


class ImageError(AnymaskError):
    """An image has a shape, dtype or content that cannot be segmented as it is."""


class PromptError(AnymaskError):
    """A point, box or mask prompt is malformed or lies where it cannot mean anything."""


class OutputError(AnymaskError):
    """A result could not be written."""


class ExpressionError(AnymaskError):
    """An expression that a user typed cannot be understood or means nothing here.

    Attributes
    ----------
    expression : str
        The whole text.
    position : int
        Index of the character at fault, from 0; the message counts from 1, as people do.

    Examples
    --------
    >>> print(ExpressionError("2 ** * 3", 5, "a value is missing before '*'"))
    In '2 ** * 3', at character 6: a value is missing before '*'.
    """

    def __init__(self, expression: str, position: int, problem: str) -> None:
        self.expression = expression
        self.position = position
        self.problem = problem
        end = "" if problem.endswith("?") else "."
        super().__init__(
            f"In {_excerpt(expression, position)!r}, at character {position + 1}: {problem}{end}"
        )

    def __reduce__(self) -> tuple[type[ExpressionError], tuple[str, int, str]]:
        return type(self), (self.expression, self.position, self.problem)


def _excerpt(text: str, position: int, length: int = 60) -> str:
    """Return the text, or of a long one the part around `position`."""
    if len(text) <= length:
        return text
    start = max(0, min(position - length // 2, len(text) - length))
    end = start + length
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")
