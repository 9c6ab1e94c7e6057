"""``anymask segment``: the object that points, boxes or a mask show."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from anymask import __version__
from anymask.cli.console import ends_in_a_sentence, err, out
from anymask.cli.options import DeviceOption, DtypeOption, JsonOption, ModelOption, load_model
from anymask.cli.prompts import check_together, mask_logits, parse_box, parse_point, read_mask

if TYPE_CHECKING:
    from anymask.masks.mask_set import MaskSet
    from anymask.model.sam import Sam


@ends_in_a_sentence
def segment(
    image: Annotated[
        Path, typer.Argument(metavar="IMAGE", help="The picture.", show_default=False)
    ],
    point: Annotated[
        list[str] | None,
        typer.Option(
            "--point",
            "-p",
            metavar="X,Y[,LABEL]",
            help="A point in pixels from the left and the top; label 1 (the default) is on the "
            "object, 0 is off it. Several points show one object.",
        ),
    ] = None,
    box: Annotated[
        list[str] | None,
        typer.Option(
            "--box",
            "-b",
            metavar="X0,Y0,X1,Y1",
            help="A box around an object: left, top, right and bottom in pixels. Several boxes "
            "show several objects.",
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A rough mask of the object: a picture of the same size, the object bright and "
            "all else black.",
        ),
    ] = None,
    multimask: Annotated[
        bool,
        typer.Option(
            "--multimask",
            help="Three masks for each object (say: part, object, group) in place of one.",
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Folder for the results; made if missing. Without it only the scores are shown.",
        ),
    ] = None,
    as_json: JsonOption = False,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
) -> None:
    """Segment what points, boxes or a rough mask show.

    Points, one box and a mask given together describe one object. Several boxes are several
    objects. With -o the same four files are written as by 'anymask everything'.

    One click; on the cup but not on its saucer; two boxes; scores for a script:

    ```
    anymask segment coffee.png --point 250,187 -o masks/
    anymask segment coffee.png -p 250,187 -p 320,360,0 -o masks/
    anymask segment cats.png --box 15,60,180,330 --box 200,70,390,380 -o masks/
    anymask segment coffee.png -p 250,187 --multimask --json
    ```
    """
    # Mistakes in what was typed are told before anything slow begins.
    points = [parse_point(text) for text in point or []]
    boxes = [parse_box(text) for text in box or []]
    check_together(points, boxes, mask)

    from anymask.export.results import write_results
    from anymask.files import check_writable
    from anymask.images.read import read_rgb

    if output is not None:
        check_writable(output)
    picture = read_rgb(image)
    drawn = None if mask is None else read_mask(mask, (picture.shape[0], picture.shape[1]))
    sam = load_model(model, device, dtype)
    with err.status("Segmenting"):
        masks, objects = _segment(sam, picture, points, boxes, drawn, multimask)

    files: list[Path] = []
    if output is not None:
        info = {"description": f"anymask {__version__}", "model": model or "small"}
        stem = output / image.stem
        files = write_results(stem, picture, masks, image_name=image.name, info=info)
    if as_json:
        _print_json(image, masks, objects, files)
    else:
        _print_table(masks, objects, files)


def _segment(
    sam: Sam,
    picture: NDArray[np.uint8],
    points: list[tuple[float, float, int]],
    boxes: list[tuple[float, float, float, float]],
    mask: NDArray[np.bool_] | None,
    multimask: bool,
) -> tuple[MaskSet, list[int]]:
    """Predict the masks, and the object, from 1, that each is of."""
    from anymask.masks.mask_set import MaskSet
    from anymask.masks.rle import counts_of
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
    # One object at a time: the full-size logits of a hundred boxes would fill the memory.
    for number, box in enumerate(boxes or [None], start=1):
        logits, predicted_iou, _ = predictor.predict(
            **prompts, box=box, multimask_output=multimask, return_logits=True
        )
        for candidate, score in zip(logits, predicted_iou, strict=True):
            counts.append(counts_of(candidate > sam.mask_threshold))
            scores.append(score)
            stabilities.append(_stability(candidate - sam.mask_threshold, offset))
            objects.append(number)
    size = (picture.shape[0], picture.shape[1])
    masks = MaskSet.from_counts(size, counts, predicted_iou=scores, stability_score=stabilities)
    return masks, objects


def _stability(logits: NDArray[np.float32], offset: float) -> float:
    """IoU of the masks at thresholds that much higher and lower; NaN for an empty mask."""
    larger = np.count_nonzero(logits > -offset)
    return np.count_nonzero(logits > offset) / larger if larger else float("nan")


def _rows(masks: MaskSet, objects: list[int]) -> list[dict[str, Any]]:
    """Rows of the table with the object each mask answers, in the order of the objects."""
    object_of = {int(id_): number for id_, number in zip(masks.ids, objects, strict=True)}
    rows = [{"object": object_of[row["id"]], **row} for row in masks.to_table()]
    return sorted(rows, key=lambda row: (row["object"], -row["predicted_iou"]))


def _print_json(image: Path, masks: MaskSet, objects: list[int], files: list[Path]) -> None:
    height, width = masks.image_size
    answer = {
        "image": str(image),
        "height": height,
        "width": width,
        "masks": [
            {key: _json_ready(value) for key, value in row.items()} for row in _rows(masks, objects)
        ],
        "files": [str(path) for path in files],
    }
    typer.echo(json.dumps(answer, indent=2, allow_nan=False))


def _json_ready(value: Any) -> Any:
    """Replace NaN, which JSON lacks, by None: an empty mask has no centroid and no stability."""
    if isinstance(value, (list, tuple)):
        return [_json_ready(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _print_table(masks: MaskSet, objects: list[int], files: list[Path]) -> None:
    table = Table()
    for heading in ("Object", "Id", "Predicted IoU", "Stability", "Area", "Box (x, y, w, h)"):
        table.add_column(heading, justify="right")
    for row in _rows(masks, objects):
        table.add_row(
            str(row["object"]),
            str(row["id"]),
            f"{row['predicted_iou']:.2f}",
            f"{row['stability_score']:.2f}",
            str(row["area"]),
            ", ".join(map(str, row["bbox"])),
        )
    out.print(table)
    for path in files:
        out.print(Text(str(path)), soft_wrap=True)
