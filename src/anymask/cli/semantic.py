"""``anymask semantic``: one mask of a whole image, at any threshold."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from anymask.cli.console import EXIT_SOME_FAILED, complain, err, errors_as_sentences, out
from anymask.cli.options import (
    DeviceOption,
    DtypeOption,
    ModelOption,
    OutputOption,
    OverwriteOption,
    load_model,
)
from anymask.cli.prompts import parse_box, parse_point
from anymask.cli.view import with_view
from anymask.errors import AnymaskError, ImageError, OutputError
from anymask.io.view import View
from anymask.jobs.inputs import WorkItem, gather

if TYPE_CHECKING:
    from anymask.images.image import Image
    from anymask.predict.predictor import SamPredictor
    from anymask.predict.score_map import ScoreMap

MASK, SCORES = ".semantic.png", ".scores"
_MAPS = (".scores.npz", ".scores.tif")


@errors_as_sentences
@with_view
def semantic(
    pictures: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE|SCORES...",
            help="Image files, folders or patterns; or score maps of an earlier run, to apply "
            "another threshold without the model.",
            show_default=False,
        ),
    ],
    output: OutputOption,
    point: Annotated[
        list[str] | None,
        typer.Option(
            "--point",
            "-p",
            metavar="X,Y[,LABEL]",
            help="A point, in pixels from the left and top. Label 1 (the default) is on the "
            "wanted class, 0 is off it. May be repeated.",
        ),
    ] = None,
    box: Annotated[
        str | None,
        typer.Option(
            "--box", "-b", metavar="X0,Y0,X1,Y1", help="A box. [default: the whole image]"
        ),
    ] = None,
    threshold: Annotated[
        float,
        typer.Option(
            "--threshold",
            "-t",
            help="Pixels with a higher logit are in the mask. Raise it for a smaller mask, lower "
            "it for a larger one.",
        ),
    ] = 0.0,
    scores: Annotated[
        str,
        typer.Option(
            metavar="npz|tif|none",
            help="Format of the saved score maps: npz (exact, small), tif (for other programs) or "
            "none.",
        ),
    ] = "npz",
    overwrite: OverwriteOption = False,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    *,
    view: View,
) -> None:
    """Mark all pixels of a class, with one prompt for the whole image.

    For models trained to mark whole classes, such as leaf, tumour or water. Writes a mask
    (NAME.semantic.png, white on black) and its scores, so that you can change the threshold
    without running the model again.

    All images of a folder; larger masks from the same scores, in a second; a spectral cube:

    ```
    anymask semantic photos/ --model leaf.safetensors -o masks/
    anymask semantic masks/ --threshold -1.5 -o generous/
    anymask semantic cube.hdr --rgb ndvi --model leaf.safetensors -o masks/
    ```
    """
    # Report mistakes in the command before anything slow begins.
    points = [parse_point(text) for text in point or []]
    area = None if box is None else parse_box(box)
    if scores not in ("npz", "tif", "none"):
        raise OutputError(f"--scores is {scores!r}; choose npz, tif or none.")
    from anymask.files import check_writable

    check_writable(output)
    maps, given = _inputs(pictures, view)
    if view.header is not None and len(given) > 1:
        raise AnymaskError(
            f"--header belongs to one data file, but {len(given)} images are given; run them one "
            "by one."
        )
    found = [item for picture in given for item in picture.with_recipes(view.recipes)]
    failures = 0

    def attempt(
        item: WorkItem, score: Callable[[], tuple[ScoreMap, Image | None]], kept: Path | None
    ) -> None:
        nonlocal failures
        try:
            _write(score, output / item.name, kept, threshold, overwrite)
        except AnymaskError as error:
            if len(maps) + len(found) == 1:
                raise
            complain(item.about(str(error)))
            failures += 1

    for item in maps:
        attempt(item, partial(_load, item), None)
    if found:
        predictor = _predictor(model, device, dtype)
        for item in found:
            kept = _named(output / item.name, f"{SCORES}.{scores}") if scores != "none" else None
            attempt(item, partial(_predict, predictor, view, item, points, area), kept)
    if failures:
        complain(f"{failures} of {len(maps) + len(found)} inputs failed.")
        raise typer.Exit(EXIT_SOME_FAILED)


def _inputs(arguments: list[str], view: View) -> tuple[list[WorkItem], list[WorkItem]]:
    """Sort the arguments into score maps and images; a folder with score maps gives the maps."""
    maps: list[WorkItem] = []
    others: list[str] = []
    for argument in arguments:
        place = Path(argument)
        inside = sorted(p for p in place.rglob("*") if p.name.endswith(_MAPS))
        if place.is_file() and place.name.endswith(_MAPS):
            inside, place = [place], place.parent
        if inside:
            names = [path.relative_to(place) for path in inside]
            maps += [
                WorkItem(path, name.with_name(name.name.rpartition(SCORES)[0]))
                for path, name in zip(inside, names, strict=True)
            ]
        else:
            others.append(argument)
    if not others:
        return maps, []
    inputs = gather(others, view)
    if inputs.unusable:
        raise ImageError(" ".join(reason for _, reason in inputs.unusable))
    return maps, [p for p in inputs.items if not p.path.name.endswith(MASK)]


def _predictor(model: str | None, device: str, dtype: str) -> SamPredictor:
    sam = load_model(model, device, dtype)
    from anymask.predict.predictor import SamPredictor

    return SamPredictor(sam)


def _load(item: WorkItem) -> tuple[ScoreMap, Image | None]:
    from anymask.predict.score_map import ScoreMap

    return ScoreMap.load(item.path), None


def _predict(
    predictor: SamPredictor,
    view: View,
    item: WorkItem,
    points: list[tuple[float, float, int]],
    box: tuple[float, float, float, float] | None,
) -> tuple[ScoreMap, Image | None]:
    from anymask.predict.semantic import score_map

    with err.status(f"Segmenting {item.path.name}"):
        image = view.open(item.path)
        picture, notes = view.picture(image, item.recipe)
        for note in notes:
            err.print(Text(note, style="yellow"), soft_wrap=True)
        predictor.set_image(picture)
        scores = score_map(
            predictor,
            [(x, y) for x, y, _ in points] or None,
            [label for _, _, label in points] or None,
            box=box,
        )
    return scores, image


def _write(
    score: Callable[[], tuple[ScoreMap, Image | None]],
    stem: Path,
    kept: Path | None,
    threshold: float,
    overwrite: bool,
) -> None:
    """Write one mask, and its scores if wanted."""
    import numpy as np

    from anymask.files import check_free, whole_file
    from anymask.io.results import save_png

    target = _named(stem, MASK)
    for path in (target, kept):  # checked before the model runs, which is slow
        if path is not None:
            check_free(path, overwrite)
    scores, image = score()
    mask = scores.mask(threshold)
    if kept is not None:
        scores.save(kept, image=image)
    with whole_file(target) as part:
        save_png(part, mask.astype(np.uint8) * 255)
    out.print(Text(f"{target}  {mask.mean():.1%} of the image"), soft_wrap=True)


def _named(stem: Path, ending: str) -> Path:
    return stem.with_name(stem.name + ending)
