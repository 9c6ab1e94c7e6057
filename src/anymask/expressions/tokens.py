"""Split the text of an expression into numbers, names and symbols."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from anymask.errors import ExpressionError

# [0-9] instead of \d, which also matches digits of other scripts.
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      | (?P<name>[^\W\d]\w*)
      | (?P<quoted>"[^"]*"|'[^']*'|`[^`]*`)
      | (?P<symbol>\*\*|<=|>=|==|!=|[-+*/()<>,:\[\]])""",
    re.VERBOSE,
)
_HINTS = {
    "^": "is not an operator here; a power is written **",
    "%": "is not an operator here; a percentage is a plain number such as 0.05",
    "&": "is not an operator here; write 'and'",
    "|": "is not an operator here; write 'or'",
    "!": "is not an operator here; write 'not', or != for two values that differ",
    "=": "is not an operator here; values are compared with ==",
    ".": "stands alone; a decimal number is written 0.5",
}


@dataclass(frozen=True)
class Token:
    """A piece of the text: kind (number, name, quoted, symbol, end), text and position."""

    kind: str
    text: str
    position: int

    def is_symbol(self, *symbols: str) -> bool:
        """Whether it is one of these operators, including ``and``, ``or`` and ``not``."""
        return self.kind in ("symbol", "name") and self.text in symbols


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of a text, and finally one of kind ``end``.

    Examples
    --------
    >>> [token.text for token in tokens("ch[12]*1e-3")]
    ['ch', '[', '12', ']', '*', '1e-3', '']
    """
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ExpressionError(text, position, _unreadable(text[position]))
        if match.lastgroup != "space":
            yield Token(str(match.lastgroup), match.group(), position)
        position = match.end()
    yield Token("end", "", len(text))


def _unreadable(character: str) -> str:
    if character.isnumeric():
        return f"{character!r} is not one of the digits 0 to 9"
    if character in "\"'`":
        return "a quotation mark is never closed"
    return f"{character!r} {_HINTS.get(character, 'means nothing in an expression')}"
