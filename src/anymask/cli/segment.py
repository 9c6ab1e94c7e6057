"""``anymask segment``: segment the objects that points, boxes, a mask or a file show."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from anymask.cli.console import errors_as_sentences
from anymask.cli.data_set import DataSet
from anymask.cli.options import (
    BoxesOption,
    DaskOption,
    DeviceOption,
    DtypeOption,
    JobsOption,
    JsonOption,
    ModelOption,
    OverwriteOption,
    SkipFailedOption,
    load_model,
)
from anymask.cli.prompts import (
    TypedObject,
    check_together,
    parse_box,
    parse_object,
    parse_point,
)
from anymask.cli.prompts_file import FromFile, segment_from_file
from anymask.cli.typed_objects import Typed, segment_typed
from anymask.cli.view import with_view
from anymask.errors import AnymaskError, PromptError
from anymask.io.view import View

_FROM_FILE = "Prompts from a file"


@errors_as_sentences
@with_view
def segment(
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGES",
            help="The image file; with --prompts also several, folders, or patterns in quotes.",
            show_default=False,
        ),
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
    box: BoxesOption = None,
    objects: Annotated[
        list[str] | None,
        typer.Option(
            "--object",
            metavar="[NAME:] X,Y[,LABEL]...",
            help="One of several objects: its points and at most one box, separated by spaces, and "
            "its class if it has one, such as --object cup: 300,60 320,360,0. May be repeated.",
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
    quality: Annotated[
        Literal["normal", "high"],
        typer.Option(
            help="high asks each mask again, in an enlarged part of the image too: better masks, "
            "in about twice the time."
        ),
    ] = "normal",
    class_name: Annotated[
        str | None,
        typer.Option(
            "--class-name",
            metavar="NAME",
            help="Class of everything found, in place of the classes in a file.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            help="Output folder; created if missing. Without it, only the scores are shown.",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="yolo|coco|labelme|voc",
            help="Make OUT a data set with its images in this format, ready for training; the "
            "usual four files of each image go to OUT/results.",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    prompts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|DIR",
            rich_help_panel=_FROM_FILE,
            help="Boxes and points of one or many images: COCO, YOLO, Pascal VOC, LabelMe, CSV, "
            "GeoJSON or ImageJ ROIs; or a folder with a file for each image.",
        ),
    ] = None,
    crs: Annotated[
        str | None,
        typer.Option(
            "--crs",
            metavar="EPSG:CODE|image|pixels",
            rich_help_panel=_FROM_FILE,
            help="Reference system of the coordinates in GeoJSON or CSV, if the file does not say "
            "it; 'image' is that of the image.",
        ),
    ] = None,
    skip_existing: Annotated[
        bool,
        typer.Option(
            "--skip-existing",
            rich_help_panel=_FROM_FILE,
            help="Skip images that already have complete results from the same file, prompts and "
            "model. Use it to resume a stopped run.",
        ),
    ] = False,
    tile_size: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            min=1,
            rich_help_panel=_FROM_FILE,
            help="In images larger than this, ask each prompt in a square tile with sides of this "
            "many pixels, so that small objects are seen at their full size.",
        ),
    ] = None,
    tile_overlap: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            min=1,
            rich_help_panel=_FROM_FILE,
            help="By how much neighbouring tiles overlap at least; give the size of the largest "
            "object. [default: an eighth of --tile-size]",
        ),
    ] = None,
    skip_failed: SkipFailedOption = False,
    jobs: JobsOption = None,
    dask: DaskOption = None,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    *,
    view: View,
) -> None:
    """Segment the objects that points, boxes, a rough mask or a file of prompts show.

    Points, a mask and one box given together describe one object; several boxes are several
    objects, and so is each --object with its points. With -o, writes the same four files as
    'anymask everything'; existing ones are replaced only if you agree, or with --overwrite. The
    overlay also shows the prompts, and with --multimask the three masks side by side, best first.
    With --rgb, each pseudo-RGB is segmented with the same prompts; results are named NAME.RGB.

    --prompts FILE takes thousands of boxes and points, of one image or of many, with their ids and
    classes. They may be in map coordinates. Images that have none are left out, and all that is
    left out is said. --to makes a data set of the masks.

    One click; the cup without its saucer; two boxes; two objects with their classes; scores as
    JSON; a leaf in a spectral cube; boxes of a detector into masks; trees on a map:

    ```
    anymask segment coffee.png --point 300,60 -o masks/
    anymask segment coffee.png -p 300,60 -p 320,360,0 -o masks/
    anymask segment cats.png --box 15,60,180,330 --box 200,70,390,380 -o masks/
    anymask segment coffee.png --object cup: 300,60 320,360,0 --object spoon: 365,285 -o masks/
    anymask segment coffee.png -p 300,60 --multimask --json
    anymask segment cube.hdr -p 62,62 -o masks/ --rgb "nm(860)" "nm(680)" "nm(550)"
    anymask segment photos/ --prompts boxes.json -o set/ --to yolo
    anymask segment scene.tif --prompts trees.geojson --class-name tree -o masks/
    ```
    """
    # Report mistakes in the command before anything slow begins.
    points = [parse_point(text) for text in point or []]
    boxes = [parse_box(text) for text in box or []]
    typed = [parse_object(text) for text in objects or []]
    data_set = None
    if to is not None:
        if output is None:
            raise AnymaskError("--to writes a data set; name its folder with -o.")
        data_set = DataSet.named(to, output, replace_existing=overwrite or skip_existing)
        output = data_set.results
    load = partial(load_model, model, device, dtype)
    sides = {"tile_size": tile_size, "tile_overlap": tile_overlap}
    tiles = {name: side for name, side in sides.items() if side is not None}
    if prompts is not None:
        typed_ones = points or boxes or typed or mask or multimask or quality != "normal"
        _check_only_file(given=bool(typed_ones), output=output)
        assert output is not None
        asked = FromFile(prompts, crs, class_name, keep_clicked, tiles)
        segment_from_file(
            images,
            asked,
            view,
            load,
            model=model or "small",
            device=device,
            dtype=dtype,
            output=output,
            data_set=data_set,
            skip_existing=skip_existing,
            skip_failed=skip_failed,
            jobs=jobs,
            dask=dask,
            overwrite=overwrite,
            as_json=as_json,
        )
        return
    check_together(points, boxes, mask, typed)
    if crs is not None or skip_existing or skip_failed or jobs or dask or tiles:
        raise PromptError(
            "--crs, --skip-existing, --skip-failed, --jobs, --dask and tiles go with --prompts "
            "FILE; leave them out."
        )
    if len(images) > 1:
        raise PromptError(
            f"{len(images)} images are given, but typed prompts are for one; give one image, or a "
            "file of prompts with --prompts FILE."
        )
    if not typed:
        typed = [TypedObject(points, each) for each in boxes] or [TypedObject(points)]
    if class_name is not None:
        typed = [replace(each, class_name=class_name) for each in typed]
    segment_typed(
        Path(images[0]),
        Typed(typed, mask, multimask, keep_clicked, quality),
        view,
        load,
        model=model or "small",
        output=output,
        data_set=data_set,
        overwrite=overwrite,
        as_json=as_json,
    )


def _check_only_file(*, given: bool, output: Path | None) -> None:
    """Refuse what does not go with ``--prompts``."""
    if given:
        raise PromptError(
            "--prompts FILE holds all prompts, so --point, --box, --object, --mask, --multimask "
            "and --quality do not go with it; leave them out."
        )
    if output is None:
        raise PromptError("--prompts FILE writes results; name a folder for them with -o.")
