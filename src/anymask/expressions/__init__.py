"""Arithmetic on named things, as users type it: ``(nm(860) - nm(680)) / (nm(860) + nm(680))``.

An expression is parsed to a tree and computed by walking along its nodes. It is never given to
Python: it can reach the names and functions it is offered and nothing else, and its length, its
depth and the size of its numbers are bounded.
"""

from anymask.expressions.expression import Expression, parse
from anymask.expressions.nodes import Call, Indexed, Name, Number, Operation, Reference

__all__ = ["Call", "Expression", "Indexed", "Name", "Number", "Operation", "Reference", "parse"]
