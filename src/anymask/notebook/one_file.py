"""The page as one text, for a frame in a notebook, which has no server to ask for its modules.

Modules become data in an import map, under names that are the same from every module.
"""

from __future__ import annotations

import base64
import json
import posixpath
import re
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_ENTRY = "notebook/kernel.js"
_STYLES = ("web/page/style.css", "web/page/panels.css", "notebook/notebook.css")
_IMPORT = re.compile(r'(?<=from ")(\.{1,2}/[^"]+\.js)(?=";)')
_LINKS = re.compile(r'<link rel="(?:icon|stylesheet)"[^>]*>\n')
_SCRIPT = '<script type="module" src="page/served.js"></script>\n'


@cache
def page_as_one_file() -> str:
    """Return the HTML of the page with all that it needs."""
    html = (_ROOT / "web" / "page" / "index.html").read_text(encoding="utf-8")
    style = "\n".join((_ROOT / name).read_text(encoding="utf-8") for name in _STYLES)
    names = json.dumps({"imports": {name: _data(text) for name, text in modules().items()}})
    own = (
        f"<style>{style}</style>\n"
        f'<script type="importmap">{names}</script>\n'
        f'<script type="module">import "anymask/{_ENTRY}";</script>\n'
    )
    head, found, body = _LINKS.sub("", html).partition(_SCRIPT)
    if not found:
        raise AssertionError("index.html has no entry of the served page.")
    return head + own + body


def modules() -> dict[str, str]:
    """Return the modules that the page in a notebook needs, by their name in the import map."""
    found: dict[str, str] = {}
    waiting = [_ENTRY]
    while waiting:
        path = waiting.pop()
        if f"anymask/{path}" in found:
            continue
        here = posixpath.dirname(path)

        def absolute(match: re.Match[str], here: str = here) -> str:
            needed = posixpath.normpath(posixpath.join(here, match[1]))
            waiting.append(needed)
            return f"anymask/{needed}"

        text = (_ROOT / path).read_text(encoding="utf-8")
        found[f"anymask/{path}"] = _IMPORT.sub(absolute, text)
    return found


def _data(text: str) -> str:
    return f"data:text/javascript;base64,{base64.b64encode(text.encode()).decode()}"
