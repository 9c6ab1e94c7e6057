"""Segments the objects of one image that are typed: points, boxes, a rough mask."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from anymask import __version__
from anymask.cli.console import EXIT_ERROR, EXIT_SOME_FAILED, complain, err, out
from anymask.cli.data_set import DataSet
from anymask.cli.prompts import TypedObject, read_mask
from anymask.cli.replacing import check_replacing
from anymask.errors import AnymaskError
from anymask.files import check_writable
from anymask.io.view import View
from anymask.jobs.inputs import WorkItem

if TYPE_CHECKING:
    from anymask.images.image import Image
    from anymask.masks.mask_set import MaskSet
    from anymask.model.sam import Sam
    from anymask.predict.predictor import Quality


@dataclass(frozen=True)
class Typed:
    """What is asked for on the command line.

    Attributes
    ----------
    objects : list of TypedObject
    mask : Path or None
        A drawn mask of the only object.
    multimask : bool
        Three masks an object instead of one.
    keep_clicked : bool
        With points and no box, only regions that contain a point.
    quality : {"normal", "high"}
        As in `SamPredictor.predict`.
    """

    objects: list[TypedObject]
    mask: Path | None
    multimask: bool
    keep_clicked: bool
    quality: Quality = "normal"


def segment_typed(
    image: Path,
    typed: Typed,
    view: View,
    load: Callable[[], Sam],
    *,
    model: str,
    output: Path | None,
    data_set: DataSet | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Segment typed objects, write the results if there is an output folder, and show the scores.

    Raises
    ------
    AnymaskError
        If the image or the mask cannot be read, or results may not be replaced.
    """
    if output is not None:
        check_writable(output)
    picture = view.open(image)
    size = (picture.height, picture.width)
    drawn = None if typed.mask is None else read_mask(typed.mask, size)
    items = WorkItem(image, Path(image.stem)).with_recipes(view.recipes)
    # Report images that cannot be shown before the model is loaded.
    shown = _shown(view, picture, items)
    if output is not None:
        check_replacing([output / item.name for item, _ in shown], overwrite, otherwise="")
    if data_set is not None:
        data_set.check_free([item for item, _ in shown])
    sam = load()
    answers: list[_Answer] = []
    for item, seen in shown:
        with err.status("Segmenting"):
            masks, objects = _segment(sam, seen, typed, drawn)
        answer = _Answer("" if item.recipe is None else item.recipe.name, masks, objects)
        if output is not None:
            made_with: dict[str, Any] = {"model": model}
            if told := view.made_with(item.recipe):
                made_with["view"] = told
            painted = _painted(seen, answer, typed.objects)
            answer.files = _write(output / item.name, picture, seen, masks, made_with, painted)
        answers.append(answer)
    if data_set is not None:
        data_set.write([item for item, _ in shown], view)
    if as_json:
        _print_json(image, picture, answers)
    else:
        for answer in answers:
            _print_table(answer)
    if len(shown) < len(view.recipes):
        raise typer.Exit(EXIT_SOME_FAILED)


def _shown(
    view: View, picture: Image, items: Sequence[WorkItem]
) -> list[tuple[WorkItem, NDArray[np.uint8]]]:
    """Return what the model sees: the image, or its pseudo-RGBs without those that fail."""
    shown: list[tuple[WorkItem, NDArray[np.uint8]]] = []
    for item in items:
        try:
            seen, notes = view.picture(picture, item.recipe)
        except AnymaskError as error:
            if len(items) <= 1:
                raise
            complain(item.about(str(error)))
            continue
        shown.append((item, seen))
        for note in notes:
            err.print(Text(note, style="yellow"), soft_wrap=True)
    if not shown:
        raise typer.Exit(EXIT_ERROR)
    return shown


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
    objects: Sequence[TypedObject],
) -> NDArray[np.uint8]:
    """Draw masks and prompts over the image; candidates for one object go side by side."""
    from anymask.painting import draw_prompts, overlay

    points = [point for each in objects for point in each.points]
    panels = [
        draw_prompts(
            overlay(seen, masks),
            point_coords=[(x, y) for x, y, _ in points],
            point_labels=[label for _, _, label in points],
            boxes=[each.box for each in objects if each.box is not None],
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
    sam: Sam, picture: NDArray[np.uint8], typed: Typed, mask: NDArray[np.bool_] | None
) -> tuple[MaskSet, list[int]]:
    """Predict masks; return them with the object number, from 1, of each."""
    from anymask.masks.clicked import keep_clicked
    from anymask.masks.mask_set import MaskSet
    from anymask.masks.rle import counts_of
    from anymask.predict.mask_prompts import mask_logits
    from anymask.predict.predictor import SamPredictor

    predictor = SamPredictor(sam)
    predictor.set_image(picture)
    side, stretches = sam.config.low_res_size, sam.config.stretches
    mask_input = None if mask is None else mask_logits(mask, side, stretches)
    counts, scores, stabilities, objects, names = [], [], [], [], []
    offset = sam.config.everything.stability_score_offset
    # One object at a time: the full-size logits of a hundred boxes would fill the memory.
    for number, each in enumerate(typed.objects, start=1):
        logits, predicted_iou, _ = predictor.predict(
            point_coords=[(x, y) for x, y, _ in each.points] or None,
            point_labels=[label for _, _, label in each.points] or None,
            box=each.box,
            mask_input=mask_input,
            multimask_output=typed.multimask,
            return_logits=True,
            quality=typed.quality,
        )
        on_object = np.array([(x, y) for x, y, label in each.points if label], np.float64)
        for candidate, score in zip(logits, predicted_iou, strict=True):
            found = candidate > sam.mask_threshold
            if typed.keep_clicked and each.box is None:
                found = keep_clicked(found, on_object)
            counts.append(counts_of(found))
            scores.append(score)
            stabilities.append(_stability(candidate - sam.mask_threshold, offset))
            objects.append(number)
            names.append(each.class_name)
    masks = MaskSet.from_counts(
        (picture.shape[0], picture.shape[1]),
        counts,
        predicted_iou=scores,
        stability_score=stabilities,
        class_names=names if any(names) else None,
    )
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
    named = answer.masks.class_names is not None
    for heading in ("Object", "Id", "Predicted IoU", "Stability", "Area", "Box (x, y, w, h)"):
        table.add_column(heading, justify="right")
    if named:
        table.add_column("Class")
    for row in _rows(answer):
        table.add_row(
            str(row["object"]),
            str(row["id"]),
            f"{row['predicted_iou']:.2f}",
            f"{row['stability_score']:.2f}",
            str(row["area"]),
            ", ".join(map(str, row["bbox"])),
            *([Text(row["class_name"])] if named else []),
        )
    out.print(table)
    for path in answer.files:
        out.print(Text(str(path)), soft_wrap=True)
