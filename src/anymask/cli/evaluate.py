"""``anymask evaluate``: measure a model on annotated images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import track
from rich.text import Text

from anymask import __version__
from anymask.cli.console import EXIT_SOME_FAILED, complain, err, errors_as_sentences, out
from anymask.cli.data_options import (
    ComponentsOption,
    DataOption,
    ImagesOption,
    LimitOption,
    MinAreaOption,
    open_data,
)
from anymask.cli.edge_table import evaluate_edges
from anymask.cli.options import DeviceOption, DtypeOption, JsonOption, ModelOption, load_model
from anymask.errors import AnymaskError

if TYPE_CHECKING:
    from anymask.datasets.dataset import Dataset
    from anymask.evaluation.everything import EverythingRecord
    from anymask.evaluation.records import ObjectRecord
    from anymask.model.sam import Sam
    from anymask.reports.evaluation_report import EvaluationReport

JSON_NAME, HTML_NAME = "evaluation.json", "evaluation.html"
_PROMPTS = ("point", "box", "clicks:N", "everything")
_ALL, _NONE = "all", "none"


@errors_as_sentences
def evaluate(
    data: DataOption,
    model: ModelOption = None,
    prompts: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="Comma-separated prompts to test: point (one click), clicks:N (up to N clicks, "
            "each at the largest error so far), box, everything (all masks of an image; slow).",
        ),
    ] = "point,box,clicks:5",
    limit: LimitOption = None,
    max_objects: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            help="Prompt at most N objects per image, largest first; 0 for all.",
        ),
    ] = 3,
    min_area: MinAreaOption = 25,
    components: ComponentsOption = False,
    images: ImagesOption = None,
    edges: Annotated[
        bool,
        typer.Option(
            "--edges",
            help="Compare edges with the boundaries of the masks instead, beside Canny and Sobel "
            "(BSDS protocol: ODS, OIS, AP). For images that are labelled throughout.",
        ),
    ] = False,
    baselines: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="Comma-separated classical methods to compare with: filled_box, ellipse, "
            "grabcut_box, grabcut_click, flood_fill, random_walker; or all, or none.",
        ),
    ] = _ALL,
    output: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            help=f"Output folder for {JSON_NAME} and {HTML_NAME}, a report with images.",
        ),
    ] = None,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
) -> None:
    """Measure how good a model is on annotated images.

    Clicks and boxes are simulated from the known masks as a careful user would place them: the
    first click at the centre of the object, each further one at the centre of the largest error.
    Classical methods without a network get the same prompts. Figures are means over the objects
    of a set, then over the sets. The same images and settings give the same figures.

    Images that cannot be read, or whose masks do not fit, are named and left out before the
    measurement; the exit code is then 1.

    The shipped model on a folder of sets; a checkpoint with all prompts and a report:

    ```
    anymask evaluate --data validation/ --limit 10
    anymask evaluate --model vit_b --data cells/ --prompts point,box,clicks:5,everything -o report/
    anymask evaluate --edges --data streets/
    ```
    """
    if edges:
        options = {"images": images, "components": components, "limit": limit}
        evaluate_edges(data, model, device, dtype, as_json, min_area=min_area, **options)
        return
    clicks, box, everything = parse_prompts(prompts)

    # Imported late, so that help and mistakes in the command are answered at once.
    from anymask.evaluation.model_facts import model_facts
    from anymask.files import check_writable
    from anymask.reports.evaluation_report import EvaluationReport

    if output is not None:
        check_writable(output)
    chosen = _baselines(baselines, interactive=clicks > 0 or box)
    dataset = open_data(
        data,
        images=images,
        components=components,
        limit=limit,
        min_area=min_area,
        max_bad=1,
        keep_empty=True,
    )
    unreadable = dataset.left_out.skipped
    sam = load_model(model, device, dtype)
    records = _ask(sam, dataset, clicks, box, max_objects or None, chosen)
    whole = _find_all(sam, dataset) if everything else []
    report = EvaluationReport(
        model={**model_facts(sam, model), "anymask": __version__},
        settings={
            "data": [str(place) for place in data],
            "prompts": prompts,
            "images": len(dataset) + len(unreadable),
            "limit": limit,
            "max_objects": max_objects or None,
            "min_area": min_area,
            "components": components,
            "baselines": chosen,
            "everything": asdict(sam.config.everything) if everything else None,
        },
        records=records,
        everything=whole,
        unreadable=unreadable,
        unused=dataset.left_out,
    )
    if not report.sections:
        raise AnymaskError(
            "No object is left to evaluate, because all of them vanish when the images are "
            "scaled down for the comparison; use images with larger objects."
        )
    if output is not None:
        _write(report, dataset, output)
    if as_json:
        typer.echo(report.to_json(), nl=False)
    else:
        _print(report, output)
    if unreadable:
        raise typer.Exit(EXIT_SOME_FAILED)


def parse_prompts(text: str) -> tuple[int, bool, bool]:
    """Parse a comma-separated list of prompts.

    Returns
    -------
    clicks : int
        Number of clicks; 0 for none.
    box, everything : bool

    Raises
    ------
    AnymaskError
        If a prompt is unknown, or the list is empty.

    Examples
    --------
    >>> parse_prompts("point,box,clicks:5"), parse_prompts("everything")
    ((5, True, False), (0, False, True))
    """
    clicks, box, everything = 0, False, False
    for part in filter(None, (p.strip() for p in text.split(","))):
        number = part.removeprefix("clicks:")
        if part == "point":
            clicks = max(clicks, 1)
        elif part == "box":
            box = True
        elif part == "everything":
            everything = True
        elif part != number and number.isdecimal() and 1 <= int(number) <= 100:
            clicks = max(clicks, int(number))
        else:
            raise AnymaskError(
                f"--prompts: {part!r} is not one of {', '.join(_PROMPTS)} (N from 1 to 100)."
            )
    if not (clicks or box or everything):
        raise AnymaskError(f"--prompts is empty; choose from {', '.join(_PROMPTS)}.")
    return clicks, box, everything


def _baselines(text: str, *, interactive: bool) -> list[str]:
    """Return the baselines to run; ``all`` skips those whose package is not installed."""
    from anymask.evaluation.baselines import BASELINES, available_baselines, check_baselines

    if text == _NONE or not interactive:
        return []
    if text == _ALL:
        names = available_baselines()
        missing = [name for name in BASELINES if name not in names]
        if missing:
            complain(
                f"Skipped {', '.join(missing)}, which need OpenCV: pip install 'anymask[train]'."
            )
        return names
    names = [name.strip() for name in text.split(",") if name.strip()]
    check_baselines(names)
    return names


def _ask(
    sam: Sam,
    dataset: Dataset,
    clicks: int,
    box: bool,
    max_objects: int | None,
    baselines: list[str],
) -> list[ObjectRecord]:
    from anymask.evaluation.baselines import evaluate_baselines
    from anymask.evaluation.protocols import evaluate_interactive
    from anymask.evaluation.records import merged
    from anymask.reports.page_images import PICTURED

    if not clicks and not box:
        return []
    records = evaluate_interactive(
        sam,
        _progress(dataset, "Clicks and boxes"),
        clicks=clicks,
        box=box,
        max_objects=max_objects,
        keep_masks=PICTURED,
    )
    if not baselines:
        return records
    others = evaluate_baselines(_progress(dataset, "Baselines"), baselines, max_objects=max_objects)
    return merged(records, others)


def _find_all(sam: Sam, dataset: Dataset) -> list[EverythingRecord]:
    from anymask.evaluation.everything import evaluate_everything
    from anymask.predict.everything.generator import SamAutomaticMaskGenerator
    from anymask.reports.pages import PICTURES

    generator = SamAutomaticMaskGenerator(sam)
    return evaluate_everything(
        generator.generate_masks, _progress(dataset, "Everything"), keep_masks=PICTURES
    )


def _progress(dataset: Dataset, what: str) -> Iterable[Any]:
    return track(dataset, what, console=err, transient=True)


def _write(report: EvaluationReport, dataset: Dataset, folder: Path) -> None:
    from anymask.files import write_together
    from anymask.reports.pages import evaluation_page

    page = evaluation_page(report, dataset.find)
    write_together(
        {folder / JSON_NAME: report.to_json().encode(), folder / HTML_NAME: page.encode()}
    )


def _print(report: EvaluationReport, output: Path | None) -> None:
    from anymask.reports.wording import printable

    out.print(Text(printable(report.heading[:1].upper() + report.heading[1:])), soft_wrap=True)
    for table in report.tables():
        out.print(table)
    if output is not None:
        written = f"Written: {output / JSON_NAME}, {output / HTML_NAME}"
        out.print(Text(printable(written)), soft_wrap=True)
