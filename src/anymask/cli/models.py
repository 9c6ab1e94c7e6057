"""``anymask models``: list the models known by name, and which are on this machine."""

from __future__ import annotations

import json

import typer
from rich.table import Table
from rich.text import Text

from anymask.cli.console import errors_as_sentences, out
from anymask.cli.options import JsonOption


@errors_as_sentences
def models(as_json: JsonOption = False) -> None:
    """List the models known by name, and which are on this machine.

    The others are downloaded on first use. ANYMASK_HOME sets the folder for downloads,
    ANYMASK_OFFLINE=1 forbids downloads, and ANYMASK_MIRROR is the URL of a mirror with the same
    files.

    List them, then use one:

    ```
    anymask models
    anymask everything photos/ -o masks/ --model vit_b
    ```
    """
    from anymask.checkpoints.download import cache_dir, cached_path
    from anymask.checkpoints.registry import CHECKPOINTS, SHIPPED

    where = {}
    for entry in CHECKPOINTS.values():
        path = None if entry.name == SHIPPED else cached_path(entry)
        state = "shipped" if entry.name == SHIPPED else "cached" if path else "to download"
        where[entry.name] = state, path
    if as_json:
        rows = [
            {
                "name": entry.name,
                "where": where[entry.name][0],
                "path": None if where[entry.name][1] is None else str(where[entry.name][1]),
                "bytes": entry.size,
                "licence": entry.licence,
                "url": entry.url,
                "sha256": entry.sha256,
                "citation": entry.citation,
            }
            for entry in CHECKPOINTS.values()
        ]
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table()
    for heading in ("Name", "Where", "Size", "Licence"):
        table.add_column(heading, justify="right" if heading == "Size" else "left")
    table.add_column("Cite", overflow="fold")
    for entry in CHECKPOINTS.values():
        size = "" if entry.size is None else f"{entry.size / 1e6:,.0f} MB"
        state, _ = where[entry.name]
        table.add_row(entry.name, state, size, entry.licence, Text(entry.citation))
    out.print(table)
    out.print(Text(f"Downloads are kept in {cache_dir()}"), soft_wrap=True)
