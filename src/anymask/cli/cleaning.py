"""The steps of ``anymask clean``: turns options into operations on masks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.errors import AnymaskError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from anymask.masks.mask_set import MaskSet

    Step = Callable[[MaskSet | NDArray[Any]], MaskSet | NDArray[Any]]


def parse_size(option: str, text: str) -> float | None:
    """Parse a number of pixels; ``all`` gives None.

    >>> parse_size("--fill-holes", "50"), parse_size("--fill-holes", "all")
    (50.0, None)
    """
    if text.strip().lower() == "all":
        return None
    try:
        size = float(text)
    except ValueError:
        size = math.nan
    if not 0 <= size < math.inf:
        raise AnymaskError(
            f"{option} {text!r} is neither a number of pixels nor 'all'; write for instance "
            f"{option} 50."
        )
    return size


def parse_sides(text: str) -> tuple[Any, ...]:
    """Parse ``all`` or a comma-separated list of image sides.

    >>> parse_sides("left,Top")
    ('left', 'top')
    """
    from anymask.masks.clean import SIDES

    sides = tuple(side.strip().lower() for side in text.split(","))
    if sides == ("all",):
        return SIDES
    wrong = [side for side in sides if side not in SIDES]
    if wrong:
        raise AnymaskError(
            f"--clear-border {text!r}: {wrong[0]!r} is not a side of an image; write 'all', or "
            f"some of {', '.join(SIDES)}."
        )
    return sides


def parse_region(text: str, size: tuple[int, int]) -> Any:
    """Parse a region of interest: a box, the corners of a polygon, or a mask file.

    Parameters
    ----------
    text : str
        ``x0,y0,x1,y1``, or ``x,y x,y x,y …``, or a path.
    size : tuple of int
        Height and width of the image.

    Returns
    -------
    list of float, list of pairs, or (H, W) bool array

    Examples
    --------
    >>> parse_region("10,20,110,90", (100, 200))
    [10.0, 20.0, 110.0, 90.0]
    >>> parse_region("0,0 50,0 50,80", (100, 200))
    [[0.0, 0.0], [50.0, 0.0], [50.0, 80.0]]
    """
    try:
        corners = [[float(number) for number in corner.split(",")] for corner in text.split()]
    except ValueError:
        from anymask.io.corrected import newest_masks
        from anymask.io.read_masks import load_masks
        from anymask.masks.objects import union_of

        return union_of(newest_masks(Path(text), load_masks(Path(text), size)))
    if len(corners) == 1 and len(corners[0]) == 4:
        return corners[0]
    if len(corners) >= 3 and all(len(corner) == 2 for corner in corners):
        return corners
    raise AnymaskError(
        f"--roi {text!r} is neither a box x0,y0,x1,y1 nor a polygon 'x,y x,y x,y' nor a file."
    )


def steps_of(
    options: dict[str, Any],
    image: Any,
    size: tuple[int, int],
    scale: Mapping[str, Any] | None = None,
) -> list[Step]:
    """Return the operations that the options name, in the order in which they run.

    Parameters
    ----------
    options : dict
        The options of ``anymask clean`` by name; options not given are None or False.
    image : Image or None
        The image, for conditions on brightness or on areas in physical units.
    size : tuple of int
        Height and width of the masks.
    scale : mapping, optional
        Pixel size, unit and geo-reference in the file with the masks, for areas in physical units.
    """
    from anymask.masks import clean, split
    from anymask.masks.restrict import restrict

    steps: list[Step] = []
    if options["roi"] is not None:
        region = parse_region(options["roi"], size)
        steps.append(lambda masks: restrict(masks, region, options["roi_how"]))
    if options["merge"] is not None:
        from anymask.masks.overlap import merge_overlapping

        steps.append(lambda m: merge_overlapping(m, options["merge"], by=options["merge_by"]))
    if options["fill_holes"] is not None:
        hole = parse_size("--fill-holes", options["fill_holes"])
        steps.append(lambda masks: clean.fill_holes(masks, max_size=hole))
    if options["min_part"] is not None:
        steps.append(lambda m: clean.remove_small_components(m, options["min_part"]))
    if options["largest_part"]:
        steps.append(clean.keep_largest_component)
    if options["smooth"] is not None:
        steps.append(lambda masks: clean.smooth(masks, options["smooth"]))
    if options["split"]:
        limits = {name: options[name] for name in ("min_distance", "min_depth")}
        given = {name: value for name, value in limits.items() if value is not None}
        steps.append(lambda m: split.split_touching(m, min_area=options["min_area"] or 0, **given))
    if options["split_parts"]:
        steps.append(lambda m: split.split_components(m, min_area=options["min_area"] or 0))
    if options["clear_border"] is not None:
        sides = parse_sides(options["clear_border"])
        steps.append(lambda masks: clean.clear_border(masks, sides=sides))
    if options["min_area"] is not None:
        steps.append(lambda masks: clean.remove_small_objects(masks, options["min_area"]))
    if options["keep"] is not None:
        steps.append(lambda masks: _kept(masks, options["keep"], image, scale or {}))
    if options["overlaps"] is not None:
        from anymask.masks.flatten import remove_overlaps

        steps.append(lambda masks: remove_overlaps(masks, options["overlaps"]))
    return steps


def _kept(
    masks: MaskSet | NDArray[Any], choice: str, image: Any, scale: Mapping[str, Any]
) -> MaskSet | NDArray[Any]:
    """Keep masks by ids, or by a condition in the units of the image, else of the masks' file."""
    from anymask.expressions import parse
    from anymask.io.tables import measure_in_image
    from anymask.masks.choose import keep, names_ids, properties_in
    from anymask.masks.intensities import INTENSITIES
    from anymask.masks.objects import as_set

    if names_ids(choice):
        return keep(masks, choice)
    properties = properties_in(choice)
    bright = [name for name in properties if name in INTENSITIES]
    if image is None and bright:
        raise AnymaskError(f"{bright[0]!r} needs the values of the image; give it with --images.")
    if image is None and not scale:
        return keep(masks, choice)
    table = measure_in_image(as_set(masks), image, properties=properties, **scale)
    columns = [name for name in table if name.startswith("intensity_")]
    known = {name.casefold() for name in columns}
    for name in parse(choice).names():
        if name.casefold().startswith("intensity_") and name.casefold() not in known:
            raise AnymaskError(f"The image has no {name!r}; it has {', '.join(columns)}.")
    return keep(masks, choice, table=table)
