"""The errors that anymask raises on purpose.

Each message is one sentence: what is wrong, where, and what to do. The command line prints it and
exits with status 2.
"""

from __future__ import annotations


class AnymaskError(Exception):
    """Base class of all errors that a user of anymask can cause and fix."""


class CheckpointError(AnymaskError):
    """A model file is missing, unsafe, damaged, or not the requested one."""


class ImageError(AnymaskError):
    """An image has a shape, dtype or content that cannot be processed."""


class PromptError(AnymaskError):
    """A point, box or mask prompt is malformed or lies outside the valid range."""


class OutputError(AnymaskError):
    """A result could not be written."""


class ExpressionError(AnymaskError):
    """An expression that a user typed cannot be understood or does not apply here.

    Attributes
    ----------
    expression : str
        The whole text.
    position : int
        Index of the faulty character, from 0. The message counts from 1.

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
    """Return the text, or the part around `position` if the text is long."""
    if len(text) <= length:
        return text
    start = max(0, min(position - length // 2, len(text) - length))
    end = start + length
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")
