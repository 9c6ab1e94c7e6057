"""Figures of edges, for ``anymask evaluate --edges``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import typer
from rich.progress import track
from rich.table import Table

from anymask.cli.console import EXIT_SOME_FAILED, err, out
from anymask.cli.data_options import open_data
from anymask.cli.options import load_model


def evaluate_edges(
    data: Sequence[Any],
    model: str | None,
    device: str,
    dtype: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Print how well the edges of a model, of Canny and of Sobel agree with the true boundaries.

    Parameters are those of the command; `options` open the data.
    """
    from anymask.evaluation.edge_figures import EDGE_BASELINES, edge_figures
    from anymask.predict.edges import edge_map
    from anymask.predict.predictor import SamPredictor

    dataset = open_data(data, max_bad=1, keep_empty=False, **options)
    predictor = SamPredictor(load_model(model, device, dtype))
    ways = {"model": lambda image: edge_map(image, predictor), **EDGE_BASELINES}
    found = {
        name: edge_figures(track(dataset, name, console=err, transient=True), edges)
        for name, edges in ways.items()
    }
    if as_json:
        typer.echo(json.dumps({name: asdict(figures) for name, figures in found.items()}, indent=1))
    else:
        table = Table(title=f"Edges of {len(dataset)} images", title_justify="left")
        for heading in ("edges of", "ODS", "OIS", "AP"):
            table.add_column(heading, justify="left" if heading == "edges of" else "right")
        for name, figures in found.items():
            shown = (f"{value:.3f}" for value in (figures.ods, figures.ois, figures.ap))
            table.add_row(name, *shown)
        out.print(table)
    if dataset.left_out.skipped:
        raise typer.Exit(EXIT_SOME_FAILED)
