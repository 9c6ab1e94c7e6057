"""``anymask segment``: segment the object that points, boxes or a mask show."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from anymask import __version__
from anymask.cli.console import (
    EXIT_ERROR,
    EXIT_SOME_FAILED,
    complain,
    err,
    errors_as_sentences,
    out,
)
from anymask.cli.options import (
    DeviceOption,
    DtypeOption,
    JsonOption,
    ModelOption,
    OverwriteOption,
    load_model,
)
from anymask.cli.prompts import check_together, parse_box, parse_point, read_mask
from anymask.cli.replacing import check_replacing
from anymask.cli.view import with_view
from anymask.errors import AnymaskError
from anymask.io.view import View

if TYPE_CHECKING:
    from anymask.images.image import Image
    from anymask.images.recipes import Recipe
    from anymask.masks.mask_set import MaskSet
    from anymask.model.sam import Sam


@errors_as_sentences
@with_view
def segment(
    image: Annotated[
        Path, typer.Argument(metavar="IMAGE", help="The image file.", show_default=False)
    ],
    point: Annotated[
        list[str] | None,
        typer.Option(
            "--point",
            "-p",
            metavar="X,Y[,LABEL]",
            help="A point, in pixels from the left and top. Label 1 (the default) is on the "
            "object, 0 is off it. May be repeated; all points describe one object.",
        ),
    ] = None,
    box: Annotated[
        list[str] | None,
        typer.Option(
            "--box",
            "-b",
            metavar="X0,Y0,X1,Y1",
            help="A box around an object: left, top, right and bottom in pixels. May be repeated; "
            "each box is one object.",
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A rough mask of the object: an image of the same size, with the object bright "
            "and the rest black.",
        ),
    ] = None,
    multimask: Annotated[
        bool,
        typer.Option(
            "--multimask",
            help="Return three masks per object (for instance part, object, group) instead of one.",
        ),
    ] = False,
    keep_clicked: Annotated[
        bool,
        typer.Option(
            "--keep-clicked/--keep-all-regions",
            help="With points and no box: keep only the regions of a mask that contain a point on "
            "the object, or keep all regions.",
        ),
    ] = True,
    output: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            help="Output folder; created if missing. Without it, only the scores are shown.",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    *,
    view: View,
) -> None:
    """Segment the objects that points, boxes or a rough mask show.

    Points, a mask and one box given together describe one object; several boxes are several
    objects. With -o, writes the same four files as 'anymask everything'; existing ones are
    replaced only if you agree, or with --overwrite. The overlay also shows the prompts, and with
    --multimask the three masks side by side, best first. With --rgb, each pseudo-RGB is segmented
    with the same prompts; results are named NAME.RGB.

    One click; the cup without its saucer; two boxes; scores as JSON; a leaf in a spectral cube:

    ```
    anymask segment coffee.png --point 285,165 -o masks/
    anymask segment coffee.png -p 285,165 -p 320,360,0 -o masks/
    anymask segment cats.png --box 15,60,180,330 --box 200,70,390,380 -o masks/
    anymask segment coffee.png -p 285,165 --multimask --json
    anymask segment cube.hdr -p 62,62 -o masks/ --rgb "nm(860)" "nm(680)" "nm(550)"
    ```
    """
    # Report mistakes in the command before anything slow begins.
    points = [parse_point(text) for text in point or []]
    boxes = [parse_box(text) for text in box or []]
    check_together(points, boxes, mask)

    from anymask.files import check_writable

    if output is not None:
        check_writable(output)
    picture = view.open(image)
    drawn = None if mask is None else read_mask(mask, (picture.height, picture.width))
    # Report images that cannot be shown before the model is loaded.
    shown = _shown(view, picture)
    if output is not None:
        stems = [_stem(output, image, recipe) for recipe, _ in shown]
        check_replacing(stems, overwrite, otherwise="")
    sam = load_model(model, device, dtype)
    answers: list[_Answer] = []
    for recipe, seen in shown:
        with err.status("Segmenting"):
            masks, objects = _segment(sam, seen, points, boxes, drawn, multimask, keep_clicked)
        answer = _Answer("" if recipe is None else recipe.name, masks, objects)
        if output is not None:
            made_with: dict[str, Any] = {"model": model or "small"}
            if told := view.made_with(recipe):
                made_with["view"] = told
            stem = _stem(output, image, recipe)
            painted = _painted(seen, answer, points, boxes)
            answer.files = _write(stem, picture, seen, masks, made_with, painted)
        answers.append(answer)
    if as_json:
        _print_json(image, picture, answers)
    else:
        for answer in answers:
            _print_table(answer)
    if len(shown) < len(view.recipes):
        raise typer.Exit(EXIT_SOME_FAILED)


def _shown(view: View, picture: Image) -> list[tuple[Recipe | None, NDArray[np.uint8]]]:
    """Return what the model sees: the image, or its pseudo-RGBs without those that fail."""
    shown: list[tuple[Recipe | None, NDArray[np.uint8]]] = []
    for recipe in view.recipes or (None,):
        try:
            seen, notes = view.picture(picture, recipe)
        except AnymaskError as error:
            if len(view.recipes) <= 1:
                raise
            assert recipe is not None
            complain(f"{picture.path} ({recipe.name}): {error}")
            continue
        shown.append((recipe, seen))
        for note in notes:
            err.print(Text(note, style="yellow"), soft_wrap=True)
    if not shown:
        raise typer.Exit(EXIT_ERROR)
    return shown


def _stem(output: Path, image: Path, recipe: Recipe | None) -> Path:
    """Return folder and NAME of the results."""
    return output / (image.stem if recipe is None else f"{image.stem}.{recipe.name}")


@dataclass
class _Answer:
    """The result for one image or pseudo-RGB: masks, the object of each, files written."""

    rgb: str
    masks: MaskSet
    objects: list[int]
    files: list[Path] = field(default_factory=list)


def _write(
    stem: Path,
    picture: Image,
    seen: NDArray[np.uint8],
    masks: MaskSet,
    made_with: Mapping[str, Any],
    painted: NDArray[np.uint8],
) -> list[Path]:
    from anymask.io.results import write_results

    assert picture.path is not None  # it was read from there
    return write_results(
        stem,
        seen,
        masks,
        image_name=picture.path.name,
        info={"description": f"anymask {__version__}", **made_with},
        pixel_size=picture.pixel_size,
        unit=picture.unit,
        geo=picture.geo,
        painted=painted,
    )


def _painted(
    seen: NDArray[np.uint8],
    answer: _Answer,
    points: list[tuple[float, float, int]],
    boxes: list[tuple[float, float, float, float]],
) -> NDArray[np.uint8]:
    """Draw masks and prompts over the image; candidates for one object go side by side."""
    from anymask.painting import draw_prompts, overlay

    panels = [
        draw_prompts(
            overlay(seen, masks),
            point_coords=[(x, y) for x, y, _ in points],
            point_labels=[label for _, _, label in points],
            boxes=boxes,
        )
        for masks in _by_rank(answer)
    ]
    gap = np.full((seen.shape[0], max(4, seen.shape[1] // 60), 3), 255, np.uint8)
    return np.hstack([part for panel in panels for part in (gap, panel)][1:])


def _by_rank(answer: _Answer) -> list[MaskSet]:
    """Return the best mask of each object, then the second best of each, and so on."""
    masks = answer.masks.with_ids(answer.masks.ids)
    by_rank: dict[int, list[int]] = {}
    found: Counter[int] = Counter()
    for row in _rows(answer):  # best mask of each object first
        by_rank.setdefault(found[row["object"]], []).append(row["id"])
        found[row["object"]] += 1
    return [masks.select(np.flatnonzero(np.isin(masks.ids, ids))) for ids in by_rank.values()]


def _segment(
    sam: Sam,
    picture: NDArray[np.uint8],
    points: list[tuple[float, float, int]],
    boxes: list[tuple[float, float, float, float]],
    mask: NDArray[np.bool_] | None,
    multimask: bool,
    clicked_only: bool,
) -> tuple[MaskSet, list[int]]:
    """Predict masks; return them with the object number, from 1, of each."""
    from anymask.masks.clicked import keep_clicked
    from anymask.masks.mask_set import MaskSet
    from anymask.masks.rle import counts_of
    from anymask.predict.mask_prompts import mask_logits
    from anymask.predict.predictor import SamPredictor

    predictor = SamPredictor(sam)
    predictor.set_image(picture)
    prompts: dict[str, Any] = {
        "point_coords": [(x, y) for x, y, _ in points] or None,
        "point_labels": [label for _, _, label in points] or None,
        "mask_input": None if mask is None else mask_logits(mask, sam.config.low_res_size),
    }
    counts, scores, stabilities, objects = [], [], [], []
    offset = sam.config.everything.stability_score_offset
    on_object = np.array([(x, y) for x, y, label in points if label], np.float64)
    # One object at a time: the full-size logits of a hundred boxes would fill the memory.
    for number, box in enumerate(boxes or [None], start=1):
        logits, predicted_iou, _ = predictor.predict(
            **prompts, box=box, multimask_output=multimask, return_logits=True
        )
        for candidate, score in zip(logits, predicted_iou, strict=True):
            found = candidate > sam.mask_threshold
            if clicked_only and box is None:
                found = keep_clicked(found, on_object)
            counts.append(counts_of(found))
            scores.append(score)
            stabilities.append(_stability(candidate - sam.mask_threshold, offset))
            objects.append(number)
    size = (picture.shape[0], picture.shape[1])
    masks = MaskSet.from_counts(size, counts, predicted_iou=scores, stability_score=stabilities)
    return masks, objects


def _stability(logits: NDArray[np.float32], offset: float) -> float:
    """IoU of the masks at thresholds `offset` above and below; NaN for an empty mask."""
    larger = np.count_nonzero(logits > -offset)
    return np.count_nonzero(logits > offset) / larger if larger else float("nan")


def _rows(answer: _Answer) -> list[dict[str, Any]]:
    """Return the rows of the mask table with the object of each, ordered by object and score."""
    masks = answer.masks
    object_of = {int(id_): number for id_, number in zip(masks.ids, answer.objects, strict=True)}
    told = {"rgb": answer.rgb} if answer.rgb else {}
    rows = [{**told, "object": object_of[row["id"]], **row} for row in masks.to_table()]
    return sorted(rows, key=lambda row: (row["object"], -row["predicted_iou"]))


def _print_json(image: Path, picture: Image, answers: list[_Answer]) -> None:
    found = {
        "image": str(image),
        "height": picture.height,
        "width": picture.width,
        "masks": [
            {key: _json_ready(value) for key, value in row.items()}
            for answer in answers
            for row in _rows(answer)
        ],
        "files": [str(path) for answer in answers for path in answer.files],
    }
    typer.echo(json.dumps(found, indent=2, allow_nan=False))


def _json_ready(value: Any) -> Any:
    """Replace NaN, which JSON lacks, with None: an empty mask has no centroid or stability."""
    if isinstance(value, (list, tuple)):
        return [_json_ready(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _print_table(answer: _Answer) -> None:
    table = Table(title=answer.rgb or None)
    for heading in ("Object", "Id", "Predicted IoU", "Stability", "Area", "Box (x, y, w, h)"):
        table.add_column(heading, justify="right")
    for row in _rows(answer):
        table.add_row(
            str(row["object"]),
            str(row["id"]),
            f"{row['predicted_iou']:.2f}",
            f"{row['stability_score']:.2f}",
            str(row["area"]),
            ", ".join(map(str, row["bbox"])),
        )
    out.print(table)
    for path in answer.files:
        out.print(Text(str(path)), soft_wrap=True)
