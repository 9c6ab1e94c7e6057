"""What MkDocs does besides reading pages: two pages are made from the code and the model card.

`reference/command_line.md` is what `anymask --help` and the help of every command say. In any page,
`<!-- card: NAME -->` becomes the part of the shipped model's card between `<!-- begin NAME -->` and
`<!-- end NAME -->`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
CARD = ROOT / "src" / "anymask" / "checkpoints" / "weights" / "small.md"
COMMANDS = "reference/command_line.md"


def on_files(files: Files, config: Any) -> Files:
    """Add the page of commands."""
    files.append(File.generated(config, COMMANDS, content=commands()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put parts of the model card where a page asks for them."""
    return with_card(markdown)


def with_card(markdown: str) -> str:
    """Return a page with its `<!-- card: NAME -->` replaced."""
    return re.sub(r"<!-- card: (\w+) -->", lambda found: part_of_card(found[1]), markdown)


def part_of_card(name: str) -> str:
    """Return a part of the model card."""
    card = CARD.read_text(encoding="utf-8")
    found = re.search(rf"<!-- begin {name}\b.*?-->\n(.*?)<!-- end {name} -->", card, re.S)
    if not found:
        raise ValueError(f"{CARD} has no part '{name}'.")
    return found[1].strip()


def commands() -> str:
    """Return the help of all commands as one page."""
    sys.path.insert(0, str(ROOT / "src"))
    import typer
    from typer.cli import get_docs_for_click

    from anymask.cli.app import app

    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="anymask")
    return text.replace("# `anymask`\n", "# Command line\n", 1)
