"""Formulas that users type, such as ``(nm(860) - nm(680)) / (nm(860) + nm(680))``.

An expression is parsed to a tree, which is evaluated node by node. It is never executed as Python:
it can use only the names and functions it is given, and its length, nesting and numbers are
limited.
"""

from anymask.expressions.expression import Expression, parse
from anymask.expressions.nodes import Call, Indexed, Name, Number, Operation, Reference

__all__ = ["Call", "Expression", "Indexed", "Name", "Number", "Operation", "Reference", "parse"]
