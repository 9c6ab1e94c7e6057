"""Rewrite the list of public names in docs/api_policy.md: `python tools/public_names.py`.

The list follows `anymask.__all__`; a test fails if the page differs.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import anymask

PAGE = Path(__file__).resolve().parents[1] / "docs" / "api_policy.md"
_LIST = re.compile(r"(?<=<!-- public names -->\n).*?(?=<!-- end -->)", re.S)


def kind_of(value: object) -> str:
    if inspect.isclass(value):
        return "class"
    if inspect.ismodule(value):
        return "module"
    return "function" if callable(value) else "value"


def public_names() -> str:
    """The list as Markdown: one line per kind of name, in alphabetical order."""
    kinds: dict[str, list[str]] = {"class": [], "function": [], "module": [], "value": []}
    for name in sorted(anymask.__all__, key=str.lower):
        kinds[kind_of(getattr(anymask, name))].append(name)
    headings = {"class": "Classes", "function": "Functions", "module": "Modules", "value": "Values"}
    lines = [
        f"- {headings[kind]}: {', '.join(f'`{name}`' for name in names)}"
        for kind, names in kinds.items()
        if names
    ]
    return "\n" + "\n".join(lines) + "\n\n"


def with_names(text: str) -> str:
    """The page's text with the current list."""
    return _LIST.sub(lambda _: public_names(), text)


if __name__ == "__main__":
    PAGE.write_text(with_names(PAGE.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
