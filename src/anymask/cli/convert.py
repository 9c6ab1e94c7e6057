"""``anymask convert``: results from one format to another, ids unchanged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from anymask.cli.console import EXIT_SOME_FAILED, complain, ends_in_a_sentence, err, out
from anymask.cli.options import OverwriteOption
from anymask.errors import AnymaskError

if TYPE_CHECKING:
    from anymask.images.image import Image
    from anymask.io.gathering import Result
    from anymask.io.registry import MaskFormat
    from anymask.masks.mask_set import MaskSet

# More lines than these say less than their sum.
_MOST_LINES = 10


@ends_in_a_sentence
def convert(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULT...",
            help="Files with masks in any of the formats, or folders of them; of several files of "
            "one picture in a folder, the one that holds the most is taken.",
            show_default=False,
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="FORMATS.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            help="The file to write, or a folder; several results always go to a folder, or to "
            "one file for COCO.",
            show_default=False,
        ),
    ],
    images: Annotated[
        Path | None,
        typer.Option(
            "--images",
            metavar="FILE|DIR",
            help="The picture, or a folder of pictures with the names of the results: for pixel "
            "size, geo-reference, brightness, and the size that some formats lack.",
        ),
    ] = None,
    image_size: Annotated[
        str | None,
        typer.Option(
            metavar="WIDTHxHEIGHT",
            help="Size of the picture, for results that do not have it (YOLO).",
        ),
    ] = None,
    pixel_size: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Side of a pixel, or height,width, in the unit of --unit; the picture's own "
            "otherwise.",
        ),
    ] = None,
    unit: Annotated[str | None, typer.Option(help="Unit of --pixel-size: um, mm, m, ….")] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,…",
            help="All classes in the order of their numbers; by the alphabet otherwise.",
        ),
    ] = None,
    polygons: Annotated[
        bool, typer.Option("--polygons", help="COCO: polygons in place of run lengths.")
    ] = False,
    simplify: Annotated[
        float,
        typer.Option(
            metavar="PIXELS",
            min=0,
            help="Leave out corners of polygons no farther than this from the rest; 0 keeps every "
            "pixel.",
        ),
    ] = 0.0,
    pixels: Annotated[
        bool,
        typer.Option("--pixels", help="GeoJSON: coordinates in pixels, also of a map's picture."),
    ] = False,
    overwrite: OverwriteOption = False,
) -> None:
    """Write results in another format; ids and class names stay as they are.

    What a format cannot hold, such as overlaps in a label image, is told.

    A label image for ImageJ; all results of a folder as one data set; cells on the map:

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
    failures = 0
    with err.status(f"Reading {len(found)} results"):
        for result in found:
            try:
                loaded += _load(result, images, size)
            except AnymaskError as error:
                if len(found) == 1:
                    raise
                complain(str(error))
                failures += 1
    if not loaded:
        raise AnymaskError("None of the results could be read, so nothing was written.")
    loaded = _told_apart(loaded)
    with err.status(f"Writing {form.title}"):
        is_file = output.suffix.lower() in form.suffixes and not output.is_dir()
        files = _write(loaded, output, form, options, to_file=is_file)
    _tell([(one.name, sentence) for one in loaded for sentence in losses(one.masks, form)])
    _print_files(files, output)
    if failures:
        complain(f"{failures} of {len(found)} results could not be read.")
        raise typer.Exit(EXIT_SOME_FAILED)


def parse_size(text: str) -> tuple[int, int]:
    """Read ``640x480``, width and height, as (height, width).

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
    """Read the side of a pixel, or its height and width, as (height, width).

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
    """The unit as results have it; micrometres may be typed um.

    >>> plain_unit("um"), plain_unit("mm")
    ('µm', 'mm')
    """
    from anymask.images.units import unit_symbol

    return unit_symbol(unit) if unit else None


@dataclass(frozen=True)
class _Loaded:
    """The masks of one picture, and what is known of it."""

    name: str
    """File name of the picture, with the folders before it."""
    result: Result
    masks: MaskSet
    image: Image | None
    scale: dict[str, Any]
    """Pixel size and unit that the result's own file knows."""


def _load(result: Result, images: Path | None, size: tuple[int, int] | None) -> list[_Loaded]:
    """The masks of each picture in one result, with the pictures themselves if given."""
    from anymask.io.read_masks import load_dataset, scale_of

    image = _image_for(images, result.name) if images is not None else None
    size = size if image is None or size is not None else (image.height, image.width)
    scale = scale_of(result.path)
    found: list[_Loaded] = []
    for name, masks in load_dataset(result.path, size):
        own = image
        if own is None and images is not None:
            own = _image_for(images, Path(name).with_suffix(""))
        if images is not None and own is None:
            raise AnymaskError(f"{images} has no picture for {result.path}; check the names.")
        name = (result.name.parent / name).as_posix()
        found.append(_Loaded(name, result, masks, own, scale))
    return found


def _told_apart(loaded: Sequence[_Loaded]) -> list[_Loaded]:
    """Several results of one picture, as of its pseudo-RGBs, called as the results are."""
    times = Counter(one.name for one in loaded)
    return [
        replace(one, name=one.result.name.as_posix()) if times[one.name] > 1 else one
        for one in loaded
    ]


def _image_for(images: Path, name: Path) -> Image | None:
    """The picture of a result: the one given, or that of its name in the folder given."""
    from anymask.io.listing import is_image_folder
    from anymask.io.read_images import read
    from anymask.io.registry import image_suffixes

    if images.is_file() or is_image_folder(images):
        return read(images)
    if not images.is_dir():
        raise AnymaskError(f"There is no picture or folder {images}; check the name.")
    for folder in (images / name.parent, images):
        for suffix in image_suffixes():
            # A name may hold dots, so the suffix is added and nothing replaced.
            for path in (folder / f"{name.name}{suffix}", folder / f"{name.name}{suffix.upper()}"):
                if path.exists():
                    return read(path)
        if (folder / name.name).is_file():  # results of a.png and a.jpg are called so
            return read(folder / name.name)
    return None


def _write(
    loaded: Sequence[_Loaded],
    output: Path,
    form: MaskFormat,
    options: dict[str, Any],
    *,
    to_file: bool,
) -> list[Path]:
    from anymask.io.write_masks import save_dataset, save_masks

    if len(loaded) == 1 and to_file:
        one = loaded[0]
        if one.image is None and options["pixel_size"] is None:
            options = {**options, **one.scale}
        return save_masks(
            one.masks,
            output,
            form.name,
            image=one.name if one.image is None else one.image,
            **options,
        )
    if to_file and form.write_many is None:
        raise AnymaskError(
            f"{len(loaded)} results do not go into one file {output}; name a folder."
        )
    return save_dataset(
        [(one.name, one.masks) for one in loaded],
        output,
        form.name,
        images={one.name: one.image for one in loaded if one.image is not None},
        scales={one.name: one.scale for one in loaded},
        **options,
    )


def _tell(sentences: Sequence[tuple[str, str]]) -> None:
    """Say what did not fit into the format, in as few lines as are read."""
    for name, sentence in sentences[:_MOST_LINES]:
        err.print(Text(f"{name}: {sentence}", style="yellow"), soft_wrap=True)
    if len(sentences) > _MOST_LINES:
        rest = Counter(name for name, _ in sentences[_MOST_LINES:])
        err.print(Text(f"… and the like for {len(rest)} more pictures.", style="yellow"))


def _print_files(files: Sequence[Path], output: Path) -> None:
    for path in files[:_MOST_LINES]:
        out.print(Text(str(path)), soft_wrap=True)
    if len(files) > _MOST_LINES:
        out.print(Text(f"… and {len(files) - _MOST_LINES} more files in {output}"), soft_wrap=True)
