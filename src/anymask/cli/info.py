"""``anymask info``: show what a checkpoint file contains, without building the model.

If a model card (a Markdown file of the same name) lies beside the weights, the table between its
lines ``<!-- begin essentials`` and ``<!-- end essentials`` is printed too.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from anymask.checkpoints.registry import SHIPPED, SMALL_VERSION
from anymask.cli.console import errors_as_sentences, out
from anymask.cli.options import JsonOption
from anymask.model.config import SMALL_0_1

if TYPE_CHECKING:
    from anymask.checkpoints.info import CheckpointInfo

# Extra tensors to list by name.
_MOST_EXTRAS = 5

_ESSENTIALS = re.compile(r"<!-- begin essentials.*?-->(.*?)<!-- end essentials", re.DOTALL)
_ROW = re.compile(r"^\|\s*(?P<name>[^|\s-][^|]*?)\s*\|\s*(?P<value>[^|]+?)\s*\|$", re.MULTILINE)


@errors_as_sentences
def info(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A checkpoint file, a Hugging Face folder, the folder of an exported model, or "
            "the name of a shipped or cached model.",
            show_default=False,
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Show what a checkpoint contains: variant, size, layout, hash.

    No code in the file is run. For the shipped model, also shows a summary of its model card:
    training data, compute, figures, intended use and weaknesses.

    A downloaded file; the shipped model, as JSON:

    ```
    anymask info sam_vit_b_01ec64.pth
    anymask info small --json
    ```
    """
    from anymask.checkpoints.exported import exported_folder, read_facts

    folder = exported_folder(file)
    if folder is not None:
        _show_exported(folder, read_facts(folder), as_json)
        return
    from anymask.checkpoints.info import info as look_into

    found = look_into(file)
    if as_json:
        typer.echo(json.dumps(_as_dict(found), indent=2))
        return
    table = Table(show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in _as_lines(found).items():
        table.add_row(name, Text(value))
    out.print(table)


def _show_exported(folder: Path, facts: dict[str, Any], as_json: bool) -> None:
    """Print what is known of a model exported to ONNX."""
    if as_json:
        typer.echo(json.dumps({"path": str(folder), **facts}, indent=2))
        return
    config, parity = facts.get("config", {}), facts.get("parity_with_torch") or {}
    for_meta = facts.get("contract") == "meta"
    size = sum(path.stat().st_size for path in folder.glob("*.onnx*"))
    lines = {
        "Folder": f"{folder} ({size:,} bytes)",
        "Variant": f"{config.get('name')}, exported to ONNX"
        + (" with Meta's inputs and outputs" if for_meta else ""),
        "Input size": f"{config.get('image_size')} × {config.get('image_size')} pixels",
        "Weights": str(facts.get("weights")),
        "IoU with torch's masks": f"{parity.get('mask_iou')}, least {parity.get('least_mask_iou')}",
    }
    table = Table(show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in lines.items():
        table.add_row(name, value)
    out.print(table)


def essentials_of(weights: Path) -> dict[str, str]:
    """Read the summary table of the model card beside a weights file.

    Returns
    -------
    dict
        Heading to text, in the card's order; empty if there is no card or no such table.
    """
    try:
        text = weights.with_suffix(".md").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return {}
    found = _ESSENTIALS.search(text)
    rows = _ROW.finditer(found[1]) if found else ()
    return {row["name"]: row["value"] for row in rows}


def _as_dict(found: CheckpointInfo) -> dict[str, object]:
    return {
        "path": str(found.path),
        "bytes": found.size,
        "variant": found.variant,
        "known_as": found.known_as,
        "parameters": found.parameters,
        "image_size": found.image_size,
        "layout": found.layout,
        "container": found.container,
        "dtype": found.dtype,
        "sha256": found.sha256,
        "extras": list(found.extras),
        "metadata": found.metadata,
        "everything": asdict(found.config.everything),
        "card": essentials_of(found.path),
    }


def _as_lines(found: CheckpointInfo) -> dict[str, str]:
    known = f", the published {found.known_as}" if found.known_as else ""
    if found.known_as == SHIPPED:
        known = f", shipped with anymask, version {SMALL_VERSION}"
    elif found.variant == SMALL_0_1:
        known = ", the model that anymask 0.1 shipped, or fine-tuned from it"
    lines = {
        "File": f"{found.path} ({found.size:,} bytes)",
        "Variant": f"{found.variant}{known}",
        "Parameters": f"{found.parameters:,}",
        "Input size": f"{found.image_size} × {found.image_size} pixels",
        "Layout": f"{found.layout}, in {found.container}",
        "Dtype": found.dtype,
        "SHA-256": found.sha256 or "none: the weights are in several files",
    }
    if found.extras:
        shown = ", ".join(found.extras[:_MOST_EXTRAS])
        more = ", …" if len(found.extras) > _MOST_EXTRAS else ""
        lines["Ignored"] = f"{len(found.extras)} tensors that are not part of SAM: {shown}{more}"
    lines["Everything"] = ", ".join(
        f"{name} {value}" for name, value in found.config.everything.in_words().items()
    )
    card = essentials_of(found.path)
    # The raw notes repeat what a card says in words.
    notes = {} if card else {f"Note: {key}": value for key, value in found.metadata.items()}
    return {**lines, **card, **notes}
