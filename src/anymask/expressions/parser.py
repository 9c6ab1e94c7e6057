"""Parse tokens to the nodes of a tree, in postfix order.

An operator-precedence parser with its own stack, so that no input can exhaust Python's. Precedence
is as in Python, from weak to strong: ``or``, ``and``, ``not``, comparisons, ``+ -``, ``* /``,
signs, ``**``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from anymask.errors import ExpressionError
from anymask.expressions.arithmetic import FUNCTIONS, INFIX, PREFIX, Function, comparison
from anymask.expressions.nodes import Call, Indexed, Name, Node, Number, Operation
from anymask.expressions.tokens import Token, tokens

MAX_DEPTH = 100
"""Largest nesting depth of parentheses, calls, signs and powers."""

_OR, _AND, _NOT, _COMPARISON, _SUM, _PRODUCT, _SIGN, _POWER = range(1, 9)
_INFIX_BINDING = {
    "or": _OR,
    "and": _AND,
    "+": _SUM,
    "-": _SUM,
    "*": _PRODUCT,
    "/": _PRODUCT,
    "**": _POWER,
}
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_MAX_INDEX = 10**9


@dataclass
class _Pending:
    """An operator, or an open parenthesis (binding 0), whose right side is still to come."""

    token: Token
    binding: int
    count: int = 1  # its operands; for an open call, the arguments begun so far
    symbols: list[str] = field(default_factory=list)  # of a chain of comparisons
    function: Function | None = None  # built-in
    name: str = ""  # of a call
    ranges: set[int] = field(default_factory=set)  # arguments of a call that end a range


class Parser:
    """Parses one text: ``Parser(text, names, functions, indexed).nodes_of_tree()``."""

    def __init__(
        self,
        text: str,
        names: Collection[str] | None,
        functions: Collection[str],
        indexed: Collection[str] | None,
    ) -> None:
        self._text = text
        self._tokens = list(tokens(text))
        self._at = 0
        self._names, self._functions, self._indexed = names, functions, indexed
        self._nodes: list[Node] = []
        self._pending: list[_Pending] = []

    def nodes_of_tree(self) -> tuple[Node, ...]:
        """Parse the whole text."""
        while True:
            while not self._operand():
                pass
            while self._closes():
                pass
            if self._token.kind == "end":
                break
            self._operator()
        self._reduce(1)
        if self._pending:
            opened = self._pending[-1]
            which = f"the '(' after {opened.name!r}" if opened.name else "this '('"
            raise self._error(opened.token.position, f"{which} is never closed")
        return tuple(self._nodes)

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _error(self, position: int, problem: str) -> ExpressionError:
        return ExpressionError(self._text, position, problem)

    def _push(self, pending: _Pending) -> None:
        self._pending.append(pending)
        depth = sum(p.binding in (0, _SIGN, _NOT, _POWER) for p in self._pending)
        if depth > MAX_DEPTH:
            raise self._error(
                pending.token.position, f"this is nested more than {MAX_DEPTH} deep; simplify it"
            )

    def _operand(self) -> bool:
        """Read a token where a value is expected; False if one is still expected after it."""
        token = self._next()
        if token.is_symbol("+", "-"):
            self._push(_Pending(token, _SIGN))
            return False
        if token.is_symbol("not"):
            if self._pending and self._pending[-1].binding > _NOT:
                raise self._error(token.position, "'not …' needs parentheses here")
            self._push(_Pending(token, _NOT))
            return False
        if token.is_symbol("("):
            self._push(_Pending(token, 0))
            return False
        if token.kind == "number":
            self._number(token)
            return True
        if token.kind not in ("name", "quoted") or token.is_symbol("and", "or"):
            raise self._error(token.position, self._missing_value(token))
        if token.kind == "name" and self._token.is_symbol("("):
            self._open_call(token)
            return False
        if self._token.is_symbol("["):
            self._index(token)
        else:
            self._name(token)
        return True

    def _missing_value(self, token: Token) -> str:
        if token.kind != "end":
            return f"a value is missing before {token.text!r}"
        if not self._text.strip():
            return "the expression is empty; write one such as ch[0]"
        return "the expression ends where a value is expected"

    def _number(self, token: Token) -> None:
        value = float(token.text)
        if not np.isfinite(value):
            raise self._error(token.position, "this number is too large")
        self._nodes.append(Number(value, token.position))

    def _operator(self) -> None:
        """Read the token between two values."""
        token = self._next()
        if token.is_symbol(*_COMPARISONS):
            self._reduce(_COMPARISON + 1)
            if self._pending and self._pending[-1].symbols:
                self._pending[-1].symbols.append(token.text)
                self._pending[-1].count += 1
            else:
                self._push(_Pending(token, _COMPARISON, count=2, symbols=[token.text]))
        elif token.is_symbol(*_INFIX_BINDING):
            binding = _INFIX_BINDING[token.text]
            # a ** b ** c is a ** (b ** c); all others are left-associative.
            self._reduce(binding + 1 if binding == _POWER else binding)
            self._push(_Pending(token, binding, count=2))
        elif token.is_symbol(",", ":"):
            self._separate(token)
        elif token.is_symbol("]"):
            raise self._error(token.position, "this ']' has no matching '['")
        else:
            raise self._error(token.position, f"an operator is missing before {token.text!r}")

    def _separate(self, token: Token) -> None:
        self._reduce(1)
        opened = self._pending[-1] if self._pending else None
        if opened is None or not opened.name:
            raise self._error(token.position, f"{token.text!r} is outside a function's ( )")
        if token.text == ":":
            if opened.function is not None or opened.count - 1 in opened.ranges:
                raise self._error(token.position, "a range a:b is not allowed here")
            opened.ranges.add(opened.count)
        opened.count += 1

    def _closes(self) -> bool:
        """Read a closing parenthesis, if it is next, and close its group or call."""
        token = self._token
        if not token.is_symbol(")"):
            return False
        self._at += 1
        self._reduce(1)
        if not self._pending:
            raise self._error(token.position, "this ')' has no matching '('")
        opened = self._pending.pop()
        if opened.function is not None:
            self._check_count(opened)
            self._add(opened.function.compute, opened.count, opened.token)
        elif opened.name:
            self._own_call(opened)
        return True

    def _reduce(self, binding: int) -> None:
        """Apply the pending operators that bind at least this tightly."""
        while self._pending and self._pending[-1].binding >= binding:
            done = self._pending.pop()
            if done.symbols:
                compute = comparison(tuple(done.symbols))
            else:
                compute = (PREFIX if done.count == 1 else INFIX)[done.token.text]
            self._add(compute, done.count, done.token)

    def _add(self, compute: Callable[..., Any], count: int, token: Token) -> None:
        """Add an operation, or its result if all its operands are constant."""
        values = [node.value for node in self._nodes[-count:] if isinstance(node, Number)]
        if len(values) < count:
            self._nodes.append(Operation(compute, count, token.text, token.position))
            return
        with np.errstate(all="ignore"):
            result = compute(*values)
        if not np.isfinite(result):
            raise self._error(
                token.position, f"{token.text!r} does not give a finite number with these constants"
            )
        folded = bool(result) if isinstance(result, (bool, np.bool_)) else float(result)
        self._nodes[-count:] = [Number(folded, token.position)]

    def _name(self, token: Token) -> None:
        text = token.text[1:-1] if token.kind == "quoted" else token.text
        known = self._names
        if known is not None and _find(text, known) is None:
            if text in FUNCTIONS or text in self._functions:
                raise self._error(token.position, f"{text!r} is a function; write {text}(…)")
            if self._indexed and text in self._indexed:
                raise self._error(token.position, f"{text!r} needs a number; write {text}[0]")
        self._nodes.append(Name(self._resolve(token, text, known, "name"), token.position))

    def _index(self, token: Token) -> None:
        """Read ``[3]``, ``[3:7]``, ``[:7]`` or ``[3:]`` after a name."""
        text = token.text[1:-1] if token.kind == "quoted" else token.text
        if text in self._functions:
            raise self._error(token.position, f"{text!r} is a function; write {text}(…)")
        name = self._resolve(token, text, self._indexed, "name with [ ]")
        opening = self._next()
        start = self._whole_number()
        ranged = self._token.is_symbol(":")
        stop = None
        if ranged:
            self._at += 1
            stop = self._whole_number()
        elif start is None:
            raise self._error(self._token.position, "[ ] needs a whole number of at least 0")
        if not self._token.is_symbol("]"):
            raise self._error(
                self._token.position,
                "[ ] takes a whole number such as 12 or a range such as 10:20"
                if self._token.text
                else f"the '[' at character {opening.position + 1} is never closed",
            )
        self._at += 1
        first = start or 0
        if ranged and stop is not None and stop <= first:
            raise self._error(
                opening.position + 1, f"the range {first}:{stop} is empty; its end is not included"
            )
        end = stop if ranged else first + 1
        self._nodes.append(Indexed(name, first, end, ranged, token.position))

    def _whole_number(self) -> int | None:
        token = self._token
        if token.kind != "number":
            return None
        if not token.text.isdigit():
            raise self._error(token.position, f"{token.text} is not a whole number")
        # Count digits first: Python refuses to parse very long numbers.
        if len(token.text) > 10 or int(token.text) > _MAX_INDEX:
            raise self._error(token.position, "this number is too large")
        self._at += 1
        return int(token.text)

    def _open_call(self, token: Token) -> None:
        if self._indexed and token.text in self._indexed:
            raise self._error(token.position, f"{token.text!r} takes [ ]; write {token.text}[0]")
        known = {*FUNCTIONS, *self._functions}
        name = self._resolve(token, token.text, known, "function")
        self._at += 1
        if self._token.is_symbol(")"):
            raise self._error(self._token.position, f"{name}( ) needs a value")
        function = None if name in self._functions else FUNCTIONS[name]
        self._push(_Pending(token, 0, function=function, name=name))

    def _check_count(self, opened: _Pending) -> None:
        function = opened.function
        assert function is not None
        if opened.count < function.least or opened.count > (function.most or opened.count):
            least, most = function.least, function.most
            wanted = f"{least}" if least == most else f"at least {least}"
            plural = "value" if wanted == "1" else "values"
            raise self._error(
                opened.token.position,
                f"{opened.name}( ) takes {wanted} {plural}, and {opened.count} "
                f"{'is' if opened.count == 1 else 'are'} given",
            )

    def _own_call(self, opened: _Pending) -> None:
        nodes = self._nodes[-opened.count :]
        arguments: list[float | tuple[float, float]] = []
        for number, node in enumerate(nodes):
            if not isinstance(node, Number):
                raise self._error(node.position, f"{opened.name}( ) takes only constant numbers")
            value = float(node.value)
            if number in opened.ranges:
                begin = arguments.pop()
                assert isinstance(begin, float)
                arguments.append((begin, value))
            else:
                arguments.append(value)
        call = Call(opened.name, tuple(arguments), opened.token.position)
        self._nodes[-opened.count :] = [call]

    def _resolve(self, token: Token, text: str, known: Collection[str] | None, what: str) -> str:
        if known is None:
            return text
        name = _find(text, known)
        if name is None:
            close = difflib.get_close_matches(text[:80], list(known), n=1, cutoff=0.6)
            advice = f"; did you mean {close[0]!r}?" if close else _choices(known)
            raise self._error(token.position, f"there is no {what} {text[:80]!r} here{advice}")
        return name


def _find(text: str, known: Collection[str]) -> str | None:
    """Return the matching known name: the same, or the only one that differs just in case."""
    if text in known:
        return text
    alike = [name for name in known if name.casefold() == text.casefold()]
    return alike[0] if len(alike) == 1 else None


def _choices(known: Collection[str]) -> str:
    names = sorted(known)
    if not names:
        return ""
    return f"; choose from {', '.join(names[:12])}{', …' if len(names) > 12 else ''}"
