"""Messages in the words of the command line.

The layers below speak Python: "choose one with page=0". On the command line that is ``--page 0``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, get_type_hints

from typer.models import OptionInfo

# "replace it with --overwrite (overwrite=True in Python)" names both; here the first is enough.
_FOR_PYTHON = re.compile(
    r"\s*\((?:Python: )?[a-z_]+=(?:\w+|\[[^\]]*\])(?: in Python)?\)"
    r"|, or [a-z_]+=\w+ in Python(?=\))"
)
_VALUE = r"""\[[^\]]*\]|\([^)]*\)|'[^']*'|"[^"]*"|[^\s,;:.)]*(?:\.\w+)?"""


def options_of(command: Callable[..., Any] | None) -> dict[str, str]:
    """Return the options of a command, as typed, by the names of its parameters."""
    if command is None:
        return {}
    options = {}
    for name, hint in get_type_hints(command, include_extras=True).items():
        for info in getattr(hint, "__metadata__", ()):
            if isinstance(info, OptionInfo):
                typed = [text for text in info.param_decls or () if text.startswith("--")]
                options[name] = typed[0] if typed else f"--{name.replace('_', '-')}"
    return options


def named(message: str, options: dict[str, str]) -> str:
    """Replace ``name=value`` by the option of that name and its value.

    Examples
    --------
    >>> named("choose with channels=[12, 40].", {"channels": "--channels"})
    'choose with --channels 12,40.'
    >>> named("replace it with --overwrite (overwrite=True in Python).", {})
    'replace it with --overwrite.'
    >>> named("choose with --channels 2,1 (Python: channels=[2, 1]).", {"channels": "--channels"})
    'choose with --channels 2,1.'
    """
    message = _FOR_PYTHON.sub("", message)
    if not options:
        return message
    known = re.compile(rf"(?<![\w./\\'\"-])({'|'.join(map(re.escape, options))})=({_VALUE})")
    return known.sub(lambda match: _typed(options[match[1]], match[2]), message)


def _typed(option: str, value: str) -> str:
    if value in ("", "True"):
        return option
    if value[0] in "[(":
        value = ",".join(part.strip().strip("'\"") for part in value[1:-1].split(","))
    return f"{option} {value.strip(chr(39) + chr(34))}"
