"""A parsed expression, and the function that makes one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ExpressionError
from anymask.expressions.arithmetic import Operand, as_operand
from anymask.expressions.nodes import Call, Indexed, Name, Node, Number, Operation, Reference
from anymask.expressions.parser import Parser

MAX_LENGTH = 10_000
"""At most this many characters in an expression."""


@dataclass(frozen=True)
class Expression:
    """A parsed expression; made by :func:`parse`.

    Attributes
    ----------
    text : str
        The text as typed.
    nodes : tuple
        The tree in postfix order.
    """

    text: str
    nodes: tuple[Node, ...]

    def names(self) -> set[str]:
        """Return the plain names in the expression.

        Examples
        --------
        >>> sorted(parse("area > 200 and circularity > .8").names())
        ['area', 'circularity']
        """
        return {node.name for node in self.nodes if isinstance(node, Name)}

    def references(self) -> list[Reference]:
        """Return the names, indexed names and calls that need values, in order, with positions."""
        return [node for node in self.nodes if isinstance(node, (Name, Indexed, Call))]

    def error(self, position: int, problem: str) -> ExpressionError:
        """Return an error that points at a character (from 0) of this expression."""
        return ExpressionError(self.text, position, problem)

    def evaluate(
        self,
        lookup: Mapping[str, Any] | Callable[[str], Any],
        *,
        index: Callable[[Indexed], Any] | None = None,
        call: Callable[[Call], Any] | None = None,
    ) -> NDArray[Any]:
        """Compute the expression.

        Parameters
        ----------
        lookup
            Values of plain names: a mapping, or a function from name to value. Values are numbers
            or real arrays of shapes that broadcast.
        index
            Returns the value of ``name[…]``, given the node.
        call
            Returns the value of a call of a function named in ``parse(…, functions=…)``, given
            the node.

        Returns
        -------
        numpy.ndarray
            float32 if all inputs are float32 or at most 16-bit integers, otherwise float64; bool
            for comparisons and their combinations. Results that are not finite are NaN, and
            comparisons with NaN are false. 0-dimensional if all inputs are single numbers.

        Examples
        --------
        >>> x = np.array([0.0, 1.0, 2.0])
        >>> parse("1 / x").evaluate({"x": x})
        array([nan, 1. , 0.5])
        >>> parse("0.5 < x and not x == 2").evaluate({"x": x})
        array([False,  True, False])
        """
        find = lookup.__getitem__ if isinstance(lookup, Mapping) else lookup
        stack: list[Operand] = []
        with np.errstate(all="ignore"):
            for node in self.nodes:
                if isinstance(node, Operation):
                    operands = stack[-node.count :]
                    del stack[-node.count :]
                    stack.append(node.compute(*operands))
                elif isinstance(node, Number):
                    stack.append(node.value)
                elif isinstance(node, Name):
                    stack.append(as_operand(find(node.name)))
                elif isinstance(node, Indexed) and index is not None:
                    stack.append(as_operand(index(node)))
                elif isinstance(node, Call) and call is not None:
                    stack.append(as_operand(call(node)))
                else:
                    raise self.error(node.position, f"{node.name!r} has no values here")
        return np.asarray(stack.pop())


def parse(
    text: str,
    *,
    names: Collection[str] | None = None,
    functions: Collection[str] | None = None,
    indexed: Collection[str] | None = None,
) -> Expression:
    """Parse an expression.

    The grammar has numbers (``3``, ``.5``, ``1e-3``), ``+ - * / **``, parentheses, ``< <= > >= ==
    !=`` (which chain: ``0.2 < x < 0.4``), ``and or not``, plain names, names in quotes if they have
    spaces, ``name[12]``, ``name[10:20]``, and the functions ``min max mean abs log log10 sqrt exp
    where clip``. Operator precedence is as in Python. All functions work element by element;
    ``min``, ``max`` and ``mean`` take several values.

    Parameters
    ----------
    text
        The expression, at most ``MAX_LENGTH`` characters.
    names
        Known plain names; None for any. Case is ignored unless names differ only in case.
    functions
        Functions of the caller, in addition to the built-in ones. Their arguments are constants,
        or ranges of constants, as in ``nm(680)`` and ``nm(670:690)``.
    indexed
        Names that may be followed by ``[…]``; None for any.

    Raises
    ------
    ExpressionError
        If the text is not an expression, is too long or nested too deeply, has an unknown name, or
        a constant part that is not finite, such as ``1 / 0``.

    Examples
    --------
    >>> parse("2 ** -1 + max(x, 3)").evaluate({"x": np.array([1.0, 7.0])})
    array([3.5, 7.5])
    >>> parse("aera > 200", names={"area", "perimeter"})
    Traceback (most recent call last):
    anymask.errors.ExpressionError: In 'aera > 200', at character 1: there is no name 'aera' here;
    did you mean 'area'?
    """
    if not isinstance(text, str):
        raise ExpressionError(repr(text)[:80], 0, "an expression must be text, in quotes")
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            text, MAX_LENGTH, f"it has more than {MAX_LENGTH:,} characters; shorten it"
        )
    parser = Parser(text, names, functions or (), indexed)
    return Expression(text, parser.nodes_of_tree())
