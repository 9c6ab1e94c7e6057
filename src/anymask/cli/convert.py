"""``anymask convert``: write results in another format, with the same ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from anymask.cli.console import EXIT_SOME_FAILED, complain, err, errors_as_sentences, out
from anymask.cli.data_set import print_losses
from anymask.cli.images_of_results import pictures_in
from anymask.cli.options import OverwriteOption
from anymask.errors import AnymaskError

if TYPE_CHECKING:
    from anymask.images.image import Image
    from anymask.io.gathering import Result
    from anymask.io.registry import MaskFormat
    from anymask.io.view import View
    from anymask.masks.mask_set import MaskSet

# Longer lists are cut off and counted.
_MOST_LINES = 10


@errors_as_sentences
def convert(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULT...",
            help="Mask files in any of the formats, or folders of them. If a folder has several "
            "files for one image, the most complete one is used.",
            show_default=False,
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="Format to write: FORMATS.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            help="Output file or folder. Several results need a folder, except for COCO, which "
            "also takes one file.",
            show_default=False,
        ),
    ],
    images: Annotated[
        Path | None,
        typer.Option(
            "--images",
            metavar="FILE|DIR",
            help="The image, or a folder of images named like the results. Gives brightness, and "
            "the pixel size, geo-reference and image size that the results lack. YOLO and VOC "
            "keep it, as the model saw it.",
        ),
    ] = None,
    image_size: Annotated[
        str | None,
        typer.Option(
            metavar="WIDTHxHEIGHT",
            help="Size of the image, for formats that do not store it (YOLO).",
        ),
    ] = None,
    pixel_size: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Side of a pixel, or height,width, in the unit of --unit. [default: from the "
            "image]",
        ),
    ] = None,
    unit: Annotated[str | None, typer.Option(help="Unit of --pixel-size: um, mm, m, ….")] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,…",
            help="All classes, in the order of their numbers. [default: alphabetical]",
        ),
    ] = None,
    polygons: Annotated[
        bool, typer.Option("--polygons", help="COCO: write polygons instead of run lengths.")
    ] = False,
    simplify: Annotated[
        float,
        typer.Option(
            metavar="PIXELS",
            min=0,
            help="Simplify polygons with this tolerance in pixels; 0 follows every pixel.",
        ),
    ] = 0.0,
    pixels: Annotated[
        bool,
        typer.Option(
            "--pixels", help="GeoJSON: write pixel coordinates even if the image has map ones."
        ),
    ] = False,
    overwrite: OverwriteOption = False,
) -> None:
    """Convert results to another format, keeping ids and class names.

    If the format cannot store something, such as overlaps in a label image, a message says so.

    A label image for ImageJ; a folder of results as one data set; fields on a map:

    ```
    anymask convert masks/coffee.masks.json --to labels -o coffee.tif
    anymask convert masks/ --to yolo -o dataset/
    anymask convert field.masks.json --to geojson --images field.tif -o field.geojson
    ```
    """
    from anymask.io.gathering import gather_results
    from anymask.io.limits import losses
    from anymask.io.registry import format_named

    form = format_named(to)
    size = parse_size(image_size) if image_size is not None else None
    options: dict[str, Any] = {
        "pixel_size": parse_pixel_size(pixel_size) if pixel_size is not None else None,
        "unit": plain_unit(unit),
        "classes": [name.strip() for name in classes.split(",")] if classes else None,
        "polygons": polygons,
        "simplify": simplify,
        "geo": False if pixels else None,
        "overwrite": overwrite,
    }
    found = gather_results(results)
    loaded: list[_Loaded] = []
    failed: list[tuple[Path, str]] = []
    with err.status(f"Reading {len(found)} results"):
        for result in found:
            try:
                loaded += _load(result, images, size)
            except AnymaskError as error:
                if len(found) == 1:
                    raise
                failed.append((result.path, str(error)))
    loaded, used = _without_images(loaded)
    reasons = [reason for path, reason in failed if path not in used]
    for reason in reasons:
        complain(reason)
    if not loaded:
        raise AnymaskError("None of the results could be read, so nothing was written.")
    loaded = _with_unique_names(loaded)
    with err.status(f"Writing {form.title}"):
        is_file = output.suffix.lower() in form.suffixes and not output.is_dir()
        files = _write(loaded, output, form, options, to_file=is_file)
    print_losses([(one.name, text) for one in loaded for text in losses(one.masks, form)])
    _print_files(files, output)
    lacking = form.dataset_lacks(output) if form.dataset_lacks and not is_file else None
    if lacking is not None:
        err.print(Text(lacking, style="yellow"), soft_wrap=True)
    if reasons:
        complain(f"{len(reasons)} of {len(found)} results could not be read.")
        raise typer.Exit(EXIT_SOME_FAILED)


def parse_size(text: str) -> tuple[int, int]:
    """Parse ``640x480``, width and height, as (height, width).

    >>> parse_size("640x480")
    (480, 640)
    """
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) != 2 or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise AnymaskError(
            f"--image-size {text!r} is not width and height in pixels; write for instance 640x480."
        )
    return int(parts[1]), int(parts[0])


def parse_pixel_size(text: str) -> tuple[float, float]:
    """Parse the side of a pixel, or its height and width, as (height, width).

    >>> parse_pixel_size("0.65"), parse_pixel_size("1,0.5")
    ((0.65, 0.65), (1.0, 0.5))
    """
    try:
        sides = [float(part) for part in text.split(",")]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2) or not all(0 < side < float("inf") for side in sides):
        raise AnymaskError(
            f"--pixel-size {text!r} is not one number above 0, or two as height,width; write for "
            "instance --pixel-size 0.65."
        )
    return sides[0], sides[-1]


def plain_unit(unit: str | None) -> str | None:
    """Return the unit as results store it; ``um`` stands for micrometres.

    >>> plain_unit("um"), plain_unit("mm")
    ('µm', 'mm')
    """
    from anymask.images.units import unit_symbol

    return unit_symbol(unit) if unit else None


@dataclass(frozen=True)
class _Loaded:
    """The masks of one image, and what is known about the image."""

    name: str
    """File name of the image, with the folders before it."""
    result: Result
    masks: MaskSet
    image: Image | None
    view: View | None
    """How the image was shown to the model, if not as by default."""
    scale: dict[str, Any]
    """Pixel size, unit and geo-reference stored in the result file itself."""


def _load(result: Result, images: Path | None, size: tuple[int, int] | None) -> list[_Loaded]:
    """Load the masks of each image in one result, with the images themselves if given."""
    from anymask.io.read_masks import scale_of

    scale = scale_of(result.path)
    return [
        _Loaded(
            (result.name.parent / each.name).as_posix(),
            result,
            each.masks,
            each.image,
            each.view,
            scale,
        )
        for each in pictures_in(result, images, size)
    ]


def _without_images(loaded: Sequence[_Loaded]) -> tuple[list[_Loaded], set[Path]]:
    """Leave out files that are the image of another result, and return the files of images.

    A folder may hold images beside masks, and a gray one looks like a label image.
    """
    pairs = [(one, None if one.image is None else one.image.path) for one in loaded]
    used = {path for one, path in pairs if path is not None and path != one.result.path}
    return [one for one in loaded if one.result.path not in used], used


def _with_unique_names(loaded: Sequence[_Loaded]) -> list[_Loaded]:
    """Name each by its result file where several share an image, such as its pseudo-RGBs."""
    times = Counter(one.name for one in loaded)
    return [
        replace(one, name=one.result.name.as_posix()) if times[one.name] > 1 else one
        for one in loaded
    ]


def _write(
    loaded: Sequence[_Loaded],
    output: Path,
    form: MaskFormat,
    options: dict[str, Any],
    *,
    to_file: bool,
) -> list[Path]:
    from anymask.io.write_context import lacked
    from anymask.io.write_masks import save_dataset, save_masks

    def image_of(one: _Loaded) -> Image | None:
        if one.image is None or one.view is None or not form.keeps_images:
            return one.image
        return one.view.as_seen(one.image)

    if len(loaded) == 1 and to_file:
        one = loaded[0]
        image = image_of(one)
        given = {key: value for key, value in options.items() if value is not None}
        options = lacked(one.image, one.scale) | given
        return save_masks(
            one.masks,
            output,
            form.name,
            image=one.name if image is None else image,
            **options,
        )
    if to_file and form.write_many is None:
        raise AnymaskError(
            f"{len(loaded)} results cannot go into one file, {output}; give a folder."
        )
    return save_dataset(
        [(one.name, one.masks) for one in loaded],
        output,
        form.name,
        images={one.name: partial(image_of, one) for one in loaded if one.image is not None},
        scales={one.name: one.scale for one in loaded},
        **options,
    )


def _print_files(files: Sequence[Path], output: Path) -> None:
    for path in files[:_MOST_LINES]:
        out.print(Text(str(path)), soft_wrap=True)
    if len(files) > _MOST_LINES:
        out.print(Text(f"… and {len(files) - _MOST_LINES} more files in {output}"), soft_wrap=True)
