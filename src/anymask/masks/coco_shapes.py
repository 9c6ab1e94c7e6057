"""The shapes in COCO files: run lengths, lists of them, and polygons, drawn at an image's size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from anymask.errors import AnymaskError
from anymask.masks import rle
from anymask.notices import tell

Size = tuple[int, int]
"""Height and width."""

# Pixels that an outline may extend outside an image: a few megabytes for pycocotools.
_REACH = 50_000


def counts_of_shape(shape: Any, size: Size, what: str = "A mask") -> tuple[rle.Counts, Size]:
    """Read the pixels of one annotation.

    Parameters
    ----------
    shape : dict or list
        COCO's `segmentation`: run lengths, a list of run lengths that belong together, a list of
        polygons, or the numbers of a single polygon.
    size : tuple of int
        Height and width at which polygons are drawn. Run lengths have a size of their own.
    what : str
        The annotation, which begins a notice about parts that are left out.

    Returns
    -------
    counts : array of uint32
    size : tuple of int

    Raises
    ------
    AnymaskError
        If the shape is malformed.

    Examples
    --------
    >>> counts_of_shape([1, 1, 4, 1, 4, 3, 1, 3], (4, 5))[0]
    array([5, 2, 2, 2, 2, 2, 5], dtype=uint32)
    """
    if isinstance(shape, Mapping):
        return rle.read_rle(shape)
    parts = _parts(shape)
    if parts and all(isinstance(part, Mapping) for part in parts):
        read = [rle.read_rle(part) for part in parts]
        sizes = {own for _, own in read}
        if len(sizes) > 1:
            (h, w), (other_h, other_w) = sorted(sizes)[:2]
            raise AnymaskError(
                f"{what} has parts of {w}×{h} and of {other_w}×{other_h} pixels; export the data "
                "set again."
            )
        return rle.union([counts for counts, _ in read], read[0][1]), read[0][1]
    lines = sum(_is_line(part) for part in parts)
    if lines:
        count = "a part" if lines == 1 else f"{lines} parts"
        tell(f"{what} has {count} of fewer than three points, and so without pixels.")
    areas = [part for part in parts if not _is_line(part)]
    if any(areas) and _are_fractions(areas):
        raise AnymaskError(
            f"{what} has coordinates from 0 to 1 only, which seem to be fractions of the image; "
            "multiply them by its width and height."
        )
    return rle.read_rle(draw_polygons(areas, size))


def _are_fractions(polygons: Sequence[Any]) -> bool:
    """Whether these are no pixels, because all are in 0 to 1 and some are not whole."""
    numbers = [number for polygon in _numbers([polygons]) for number in polygon]
    return all(0 <= n <= 1 for n in numbers) and any(n != round(n) for n in numbers)


def draw_polygons(polygons: Sequence[Any], image_size: Size) -> dict[str, Any]:
    """Draw the polygons of one annotation with pycocotools.

    Parameters
    ----------
    polygons : sequence of sequences of float
        Each x0, y0, x1, y1, … with at least three points; an empty sequence is an empty mask.
    image_size : tuple of int
        Height and width.

    Returns
    -------
    dict
        Compressed run lengths of their union.

    Raises
    ------
    AnymaskError
        If a polygon is malformed, or extends very far outside the image: pycocotools allocates
        memory for every pixel of an outline.

    Examples
    --------
    >>> draw_polygons([[1, 1, 4, 1, 4, 3, 1, 3]], (4, 5))["size"]
    [4, 5]
    """
    from pycocotools import mask as coco_mask

    reach = max(_REACH, *image_size)
    try:
        outlines = [[float(value) for value in polygon] for polygon in polygons]
    except (TypeError, ValueError):
        outlines = [[]]
    if not all(len(o) >= 6 and len(o) % 2 == 0 for o in outlines) or not all(
        -reach <= value <= 2 * reach for outline in outlines for value in outline
    ):
        raise AnymaskError(
            f"The polygons {str(polygons)[:60]} are not lists x0, y0, x1, y1, … with at least "
            "three points near the image; export the data set again."
        )
    # A dot outside the image replaces an empty list, which pycocotools does not accept.
    return coco_mask.merge(coco_mask.frPyObjects(outlines or [[-1.0] * 6], *image_size))


def fitted(
    shapes: Sequence[Any], stated: Size | None, actual: Size, what: str, *, turned: bool = False
) -> list[Any]:
    """Bring the polygons of an image to its own size, if the file states another one.

    Annotations are often drawn on a reduced copy, or the images are reduced afterwards. Run lengths
    stay as they are.

    Parameters
    ----------
    shapes : sequence
        The `segmentation` of each annotation of the image.
    stated : tuple of int or None
        Height and width in the file.
    actual : tuple of int
        Height and width of the image as it is shown.
    what : str
        The image and its file, for messages.
    turned : bool
        Whether the file of the image is shown turned by a quarter.

    Raises
    ------
    AnymaskError
        If the sizes do not differ by one factor, or the polygons do not fit the stated size.

    Examples
    --------
    >>> from anymask.notices import noticing
    >>> with noticing() as notices:
    ...     fitted([[[0, 0, 8, 0, 8, 4]]], (6, 8), (3, 4), "a.png in x.json")
    [[[0.0, 0.0, 4.0, 0.0, 4.0, 2.0]]]
    >>> notices
    ['a.png in x.json: polygons are scaled from 8×6 to 4×3 pixels, the size of the image.']
    """
    polygons = [shape for shape in shapes if not isinstance(shape, Mapping)]
    if not polygons or stated is None or stated == actual:
        return list(shapes)
    (height, width), (own_height, own_width) = stated, actual
    sizes = f"{width}×{height} and the image is {own_width}×{own_height} pixels"
    if turned and (width, height) == actual:
        if not _inside(polygons, actual):
            raise AnymaskError(
                f"{what}: the polygons are drawn on the image as it is before it is turned (the "
                f"file says {sizes}); save the image upright, or export its annotations again."
            )
        if _inside(polygons, stated):
            tell(
                f"{what}: the file says {sizes} after it is turned upright; its polygons are taken "
                "as drawn on the upright image, so look whether they fit."
            )
        return list(shapes)
    low = max((own_height - 0.5) / height, (own_width - 0.5) / width)
    high = min((own_height + 0.5) / height, (own_width + 0.5) / width)
    if low > high or height == own_height or width == own_width or not _inside(polygons, stated):
        raise AnymaskError(
            f"{what}: the polygons are for {sizes}; export them for the images as they are."
        )
    tell(
        f"{what}: polygons are scaled from {width}×{height} to {own_width}×{own_height} pixels, "
        "the size of the image."
    )
    scales = (own_width / width, own_height / height)
    return [
        shape
        if isinstance(shape, Mapping)
        else [
            part
            if isinstance(part, Mapping)
            else [float(v) * scales[i % 2] for i, v in enumerate(part)]
            for part in _parts(shape)
        ]
        for shape in shapes
    ]


def _parts(shape: Any) -> list[Any]:
    """The parts of a shape; the numbers of a single polygon are one part.

    Some programs write the points of a polygon as pairs.
    """
    parts = list(shape) if isinstance(shape, Sequence) and not isinstance(shape, str) else [shape]
    if parts and all(isinstance(part, int | float) for part in parts):
        return [parts]
    if _are_pairs(parts):
        return [[number for pair in parts for number in pair]]
    return [[n for pair in part for n in pair] if _are_pairs(part) else part for part in parts]


def _are_pairs(points: Any) -> bool:
    """Whether these are three points or more, each [x, y]."""
    return (
        isinstance(points, Sequence)
        and len(points) > 2
        and all(
            isinstance(point, Sequence)
            and len(point) == 2
            and all(isinstance(number, int | float) for number in point)
            for point in points
        )
    )


def _is_line(part: Any) -> bool:
    return isinstance(part, Sequence) and len(part) in (0, 2, 4) and not isinstance(part, str)


def _inside(polygons: Sequence[Any], size: Size) -> bool:
    """Whether no coordinate is more than a pixel outside an image of a size (H, W)."""
    return all(
        -1 <= value <= size[1 - i % 2] + 1
        for number in _numbers(polygons)
        for i, value in enumerate(number)
    )


def _numbers(polygons: Sequence[Any]) -> Iterator[list[float]]:
    for shape in polygons:
        for part in _parts(shape):
            if not isinstance(part, Mapping):
                try:
                    yield [float(value) for value in part]
                except (TypeError, ValueError):
                    continue  # refused when it is drawn
