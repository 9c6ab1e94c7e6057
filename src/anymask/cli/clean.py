"""``anymask clean``: clean up masks and select objects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from anymask.cli.console import EXIT_SOME_FAILED, complain, err, errors_as_sentences, out
from anymask.cli.options import OverwriteOption
from anymask.errors import AnymaskError
from anymask.io.results import CLEANED
from anymask.wording import counted

if TYPE_CHECKING:
    from anymask.io.gathering import Result
    from anymask.masks.mask_set import MaskSet

_STEPS = (
    *("roi", "merge", "fill_holes", "min_part", "largest_part", "smooth", "split", "split_parts"),
    *("clear_border", "min_area", "keep", "class_name", "overlaps"),
)


@errors_as_sentences
def clean(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULT...",
            help="Mask files in any format that 'anymask convert' reads, or folders of them.",
            show_default=False,
        ),
    ],
    roi: Annotated[
        str | None,
        typer.Option(
            metavar="REGION",
            help="Keep only what lies in a region: a box X0,Y0,X1,Y1, a polygon 'X,Y X,Y X,Y', or "
            "a mask file.",
        ),
    ] = None,
    roi_how: Annotated[
        str,
        typer.Option(
            metavar="HOW",
            help="How objects at the edge of the region are treated: cut (cut them there), or keep "
            "whole objects that are inside, touching, or have their centre in it.",
        ),
    ] = "cut",
    merge: Annotated[
        float | None,
        typer.Option(
            metavar="OVERLAP", help="Merge masks that overlap by at least this much, 0 to 1."
        ),
    ] = None,
    merge_by: Annotated[
        str,
        typer.Option(
            metavar="MEASURE",
            help="Measure of overlap for --merge: iou, or containment in the larger mask.",
        ),
    ] = "iou",
    fill_holes: Annotated[
        str | None,
        typer.Option(metavar="SIZE|all", help="Fill holes of at most SIZE pixels, or all holes."),
    ] = None,
    min_part: Annotated[
        float | None,
        typer.Option(
            metavar="AREA", min=0, help="Remove pieces of objects smaller than AREA pixels."
        ),
    ] = None,
    largest_part: Annotated[
        bool, typer.Option("--largest-part", help="Keep only the largest piece of each object.")
    ] = False,
    smooth: Annotated[
        float | None,
        typer.Option(
            metavar="RADIUS", min=0, help="Smooth outlines over RADIUS pixels; areas stay the same."
        ),
    ] = None,
    split: Annotated[
        bool, typer.Option("--split", help="Split touching objects at their necks.")
    ] = False,
    min_distance: Annotated[
        float | None,
        typer.Option(
            metavar="PIXELS",
            min=0,
            help="With --split: smallest distance between two centres. [default: 5]",
        ),
    ] = None,
    min_depth: Annotated[
        float | None,
        typer.Option(
            metavar="PIXELS",
            min=0,
            help="With --split: how much narrower a neck must be than the parts it joins; higher "
            "values split less. [default: 0.75]",
        ),
    ] = None,
    split_parts: Annotated[
        bool, typer.Option("--split-parts", help="Make each separate piece its own object.")
    ] = False,
    clear_border: Annotated[
        str | None,
        typer.Option(
            metavar="SIDES|all",
            help="Remove objects that touch the image border: all, or some of "
            "left,top,right,bottom.",
        ),
    ] = None,
    min_area: Annotated[
        float | None,
        typer.Option(metavar="AREA", min=0, help="Remove objects smaller than AREA pixels."),
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(
            metavar="IDS|CONDITION",
            help='Keep only some objects: by id, such as "1-8,14", or by a condition, such as '
            '"area > 200 and circularity > .8" or "depth == 0". Areas and lengths are in the unit '
            "of the file, as in 'anymask measure'; area_px is in pixels.",
        ),
    ] = None,
    class_name: Annotated[
        list[str] | None,
        typer.Option(
            "--class", metavar="NAME", help="Keep only objects of this class; may be repeated."
        ),
    ] = None,
    overlaps: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help="Which mask gets a pixel that several share: smallest, largest, score, first, "
            "last, split.",
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            "--images",
            "--image",
            metavar="FILE|DIR",
            help="The image, or a folder of images named like the results: for overlays, for "
            "conditions on brightness, and for physical units if the masks' file has none.",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="Write one format in place of all results: FORMATS.",
        ),
    ] = None,
    binary: Annotated[
        bool,
        typer.Option(
            "--binary",
            help="Write one mask of all remaining objects, white on black, to NAME.binary.png "
            "instead of single objects.",
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            help="Output folder; created if missing. [default: the folder of each input]",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Clean up masks and select objects.

    Steps run in the order of the options below, however you type them. Objects keep their ids;
    only pieces that are split off get new ones. As 'anymask everything' does, this writes
    NAME.cleaned.labels.tif, NAME.cleaned.masks.csv, NAME.cleaned.masks.json and, with --images,
    NAME.cleaned.overlay.png.

    Tidy outlines; separate touching cells; keep round leaves in the middle of a field; write some
    objects as one black and white image:

    ```
    anymask clean masks/ --images photos/ --fill-holes all --min-part 50 --smooth 3
    anymask clean cells.tif --split --clear-border left,top --min-area 30
    anymask clean field.masks.json --roi 200,200,1800,1400 --keep "circularity > .8"
    anymask clean field.labels.tif --keep 1-8,14,17,19-21 --binary
    ```
    """
    options = dict(locals())
    if binary and to is not None:
        raise AnymaskError("--binary always writes a PNG file; leave out --to.")
    if not binary and not any(options[name] not in (None, False, []) for name in _STEPS):
        raise AnymaskError(
            "No cleaning step is given; add one, for instance --fill-holes all, or see "
            "'anymask clean --help'."
        )
    from anymask.io.gathering import gather_results
    from anymask.io.registry import image_suffixes

    found = [
        result
        for result in gather_results(results)
        if result.path in results or not result.name.name.endswith(CLEANED)
    ]
    if images is not None and images.is_file() and len(found) > 1:
        raise AnymaskError(
            f"{images} is the image of one result, but there are {len(found)}; give --images the "
            "folder with all of them."
        )
    failures: dict[Path, str] = {}
    used: set[Path] = set()
    # A folder may hold images beside files that name them, and a gray one looks like a label image.
    for result in sorted(found, key=lambda each: each.path.suffix.lower() in image_suffixes()):
        if result.path in used:
            continue
        try:
            used |= _clean_one(result, options) - {result.path}
        except AnymaskError as error:
            if len(found) == 1:
                raise
            said = str(error)
            failures[result.path] = said if str(result.path) in said else f"{result.path}: {said}"
    reasons = [reason for path, reason in failures.items() if path not in used]
    for reason in reasons:
        complain(reason)
    if reasons:
        complain(f"{len(reasons)} of {len(found)} results could not be cleaned.")
        raise typer.Exit(EXIT_SOME_FAILED)


def _clean_one(result: Result, options: dict[str, Any]) -> set[Path]:
    """Clean the masks of every image in one file, write them, and return the images used."""
    from anymask.cli.cleaned_results import stem_of, write_cleaned
    from anymask.cli.images_of_results import pictures_in
    from anymask.io.read_masks import scale_of
    from anymask.io.recorded_view import recorded_image
    from anymask.io.write_context import lacked

    is_labels = _is_label_image(result.path)
    with err.status(f"Cleaning {result.path.name}"):
        pictures = list(pictures_in(result, options["images"]))
        scale = scale_of(result.path)
        for picture in pictures:
            masks, own, view = picture.masks, picture.image, picture.view
            name = picture.name
            if len(pictures) == 1:  # a label image does not say which image it is of
                name = recorded_image(result.path) or name
            facts = lacked(own, scale)
            stem = stem_of(result, options, None if len(pictures) == 1 else name)
            cleaned = _cleaned(masks, options, own, facts, as_labels=is_labels)
            written = write_cleaned(stem, cleaned, result, options, own, view, name, facts)
            changed = f"{len(masks)} → {counted(len(cleaned), 'mask')}"
            out.print(Text(f"{written}  {changed}"), soft_wrap=True)
    paths = (picture.image.path for picture in pictures if picture.image is not None)
    return {path for path in paths if path is not None}


def _cleaned(
    masks: MaskSet,
    options: dict[str, Any],
    image: Any,
    scale: dict[str, Any],
    *,
    as_labels: bool,
) -> MaskSet:
    from anymask.cli.cleaning import steps_of
    from anymask.masks.choose import keep_classes
    from anymask.masks.mask_set import MaskSet

    # Selecting classes first gives the same result and makes the other steps faster.
    if options["class_name"]:
        masks = keep_classes(masks, options["class_name"])
    # Label images are cleaned as label images, so that objects never take each other's pixels.
    state: Any = masks.to_labels() if as_labels else masks
    for step in steps_of(options, image, masks.image_size, scale):
        state = step(state)
    if isinstance(state, MaskSet):
        return state
    return _with_classes(MaskSet.from_labels(state), masks)


def _with_classes(cleaned: MaskSet, before: MaskSet) -> MaskSet:
    """Give objects of a label image their class, or that of the object they were split from."""
    import numpy as np

    from anymask.masks.objects import objects_of

    if before.class_names is None:
        return cleaned
    class_of = dict(zip(before.ids.tolist(), before.class_names, strict=True))
    labels = before.to_labels()
    names = [class_of.get(i, "") for i in cleaned.ids.tolist()]
    new = np.flatnonzero([i not in class_of for i in cleaned.ids.tolist()])
    for index, crop in objects_of(cleaned, order=new):
        ids, times = np.unique(labels[crop.window][crop.pixels], return_counts=True)
        names[index] = class_of.get(int(ids[times.argmax()]), "")
    return cleaned.with_class_names(names)


def _is_label_image(path: Path) -> bool:
    """Whether a file is a label image, by its suffix."""
    from anymask.io.registry import mask_formats

    suffix = path.suffix.lower()
    forms = [form for form in mask_formats().values() if suffix in form.suffixes]
    return bool(forms) and all(form.is_label_image for form in forms)
