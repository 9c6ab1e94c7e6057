"""`Prompts`: boxes and points of many objects, in one image or in many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import PromptError
from anymask.notices import tell
from anymask.prompts.checks import checked_boxes, checked_ids, checked_names, checked_points
from anymask.prompts.edges import boxes_seen, points_inside
from anymask.prompts.image_names import images_of_names
from anymask.prompts.placing import Size, TargetImage, to_pixels
from anymask.wording import counted

PADDING = -1
"""Label of padding where objects have different numbers of points."""
_MOST_NAMED = 5


class Prompts:
    """Boxes and points of many objects, each with an id and, if known, a class.

    The objects may be of several images; `for_image` returns those of one, in its pixels.

    Parameters
    ----------
    boxes : (N, 4) array_like, optional
        XYXY; NaN for an object without a box.
    point_coords : (N, P, 2) array_like, optional
        P points (x, y) of each object.
    point_labels : (N, P) array_like, optional
        1 for points on the object, 0 for points off it, -1 for padding, whose coordinates are
        ignored. By default all 1.
    class_names : sequence of N str, optional
        "" for no class.
    ids : (N,) array_like of int, optional
        At least 1, each once in an image. By default 1, 2, … in each image.
    images : sequence of N str, optional
        File name of each object's image; "" if it is not said.
    image_sizes : mapping of str to (float, float) or None, optional
        Height and width of each image according to the file, if known; (1, 1) if coordinates are
        fractions of the image's size. Images without objects are named too.
    crs : str, optional
        The reference system of the coordinates, x before y: a name such as "EPSG:4326", or "image"
        for that of the image. By default they are pixels, with (0, 0) at the centre of the first.
    outlines : sequence of N arrays (K, 2) or None, optional
        On a map: the corners that a box was drawn around, for a tight box in the image.

    Attributes
    ----------
    boxes, point_coords, point_labels, class_names, ids, images, image_sizes, crs, outlines
        As given, as arrays and tuples.

    Raises
    ------
    PromptError
        If an object has neither a box nor a point, lists differ in length, a box ends before it
        begins, a number is not finite, or an id is below 1 or occurs twice in an image.

    Examples
    --------
    >>> prompts = Prompts(boxes=[[10, 10, 50, 40], [60, 20, 90, 80]], class_names=["cup", "spoon"])
    >>> prompts
    Prompts(2 objects)
    >>> prompts.select([1]).ids
    array([2])
    """

    def __init__(
        self,
        boxes: ArrayLike | None = None,
        point_coords: ArrayLike | None = None,
        point_labels: ArrayLike | None = None,
        *,
        class_names: Sequence[str] | None = None,
        ids: ArrayLike | None = None,
        images: Sequence[str] | None = None,
        image_sizes: Mapping[str, Size | None] | None = None,
        crs: str | None = None,
        outlines: Sequence[NDArray[np.float64] | None] | None = None,
    ) -> None:
        given = [each for each in (boxes, point_coords, ids, images) if each is not None]
        count = len(given[0]) if given else 0  # type: ignore[arg-type]
        self.boxes = checked_boxes(boxes, count)
        self.point_coords, self.point_labels = checked_points(point_coords, point_labels, count)
        self.class_names = checked_names("class_names", class_names, count)
        self.images = checked_names("images", images, count)
        self.ids = checked_ids(ids, self.images)
        self.image_sizes = {**dict.fromkeys(self.images), **(image_sizes or {})}
        self.crs = crs
        self.outlines = None if outlines is None else tuple(outlines)
        nothing = np.flatnonzero(~self.has_box & (self.point_labels == PADDING).all(1))
        if len(nothing):
            raise PromptError(f"{self._called(nothing[0])} has neither a box nor a point; drop it.")

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        several = f" in {len(self.image_sizes)} images" if len(self.image_sizes) > 1 else ""
        on_map = f", {self.crs}" if self.crs else ""
        return f"Prompts({counted(len(self), 'object')}{several}{on_map})"

    @property
    def has_box(self) -> NDArray[np.bool_]:
        """Whether each object has a box."""
        has_box: NDArray[np.bool_] = ~np.isnan(self.boxes[:, 0])
        return has_box

    @property
    def is_named(self) -> bool:
        """Whether the file says which images the objects are in."""
        return any(self.image_sizes)

    def select(self, indices: ArrayLike) -> Prompts:
        """Return some of the objects.

        Parameters
        ----------
        indices : (K,) int or (N,) bool array_like
            Indices of the objects, in order; or for each whether to select it.
        """
        chosen = np.arange(len(self))[np.asarray(indices, None if np.size(indices) else int)]
        named = dict.fromkeys(self.images[i] for i in chosen)
        outlines = self.outlines
        return Prompts(
            self.boxes[chosen],
            self.point_coords[chosen],
            self.point_labels[chosen],
            class_names=[self.class_names[i] for i in chosen],
            ids=self.ids[chosen],
            images=[self.images[i] for i in chosen],
            image_sizes={name: self.image_sizes[name] for name in named},
            crs=self.crs,
            outlines=None if outlines is None else [outlines[i] for i in chosen],
        )

    def with_class_name(self, name: str) -> Prompts:
        """Return the same objects, all of one class."""
        return self._with(class_names=[name] * len(self))

    def of(self, image: str) -> Prompts:
        """Return the objects of one image.

        Parameters
        ----------
        image : str
            Its name in the file; or its file name or path, which may have other folders.

        Raises
        ------
        PromptError
            If the file does not name it.
        """
        if image not in self.image_sizes:
            found = images_of_names(filter(None, self.image_sizes), [Path(image)])
            if not found:
                raise PromptError(
                    f"There are no prompts for {image}; they are for "
                    f"{listed(filter(None, self.image_sizes)) or 'an image without a name'}."
                )
            image = next(iter(found))
        chosen = self.select(self._rows.get(image, np.zeros(0, int)))
        return chosen._with(image_sizes={image: self.image_sizes[image]})

    def for_image(self, image: Any) -> Prompts:
        """Return the objects of an image in its pixels, without those that lie outside.

        Parameters
        ----------
        image : Image or array
            What `anymask.read` returns, or an array (H, W) or (H, W, C). An `Image` is known by
            its file name, and its geo-reference says where map coordinates lie.

        Returns
        -------
        Prompts
            In the image's pixels. What is left out is told (`anymask.notices.ReadingNotice`).

        Raises
        ------
        PromptError
            If the objects are of other images, or all lie outside; if they are for a size that
            does not fit, or on a map and the image is not; or if pyproj is needed and missing.

        Examples
        --------
        >>> prompts = Prompts(boxes=[[0.25, 0.5, 0.5, 0.75]], image_sizes={"": (1, 1)})
        >>> prompts.for_image(np.zeros((100, 200))).boxes
        array([[149.5,  99.5, 199.5, 124.5]])
        """
        target = TargetImage.of(image)
        own = self._for_target(target)
        placed, rows, outside = own._placed(target)
        if len(own) and not len(placed):
            raise PromptError(
                f"None of the prompts lies in {target}, which is {target.size[1]} wide and "
                f"{target.size[0]} high; check that the file belongs to the image, or say what its "
                "coordinates are with crs='EPSG:4326', crs='image' or crs='pixels'."
            )
        lost = len(own) - len(placed)
        if lost:
            ids = listed(map(str, np.delete(own.ids, rows)))
            tell(
                f"{target}: of {counted(len(own), 'object')}, {lost} outside the image left out "
                f"(id {ids})."
            )
        if outside:
            tell(f"{target}: {counted(outside, 'point')} outside the image left out.")
        return placed

    def lie_in(self, image: Any) -> NDArray[np.bool_]:
        """Say for each object whether it lies in an image, wholly or in part.

        All are looked at, whatever image they are said to be in.
        """
        _, rows, _ = self._placed(TargetImage.of(image))
        inside = np.zeros(len(self), np.bool_)
        inside[rows] = True
        return inside

    @classmethod
    def joined(cls, several: Sequence[Prompts]) -> Prompts:
        """Join prompts of different images; none at all if there are none.

        Raises
        ------
        PromptError
            If they are in different reference systems.
        """
        if len(several) == 1:
            return several[0]
        systems = list(dict.fromkeys(each.crs for each in several))
        if len(systems) > 1:
            raise PromptError(
                f"The files have coordinates in {systems[0] or 'pixels'} and in "
                f"{systems[1] or 'pixels'}; read those of each system separately."
            )
        most = max((each.point_labels.shape[1] for each in several), default=0)
        coords = [np.full((len(each), most, 2), np.nan) for each in several]
        labels = [np.full((len(each), most), PADDING) for each in several]
        for each, own_coords, own_labels in zip(several, coords, labels, strict=True):
            points = each.point_labels.shape[1]
            own_coords[:, :points], own_labels[:, :points] = each.point_coords, each.point_labels
        sizes: dict[str, Size | None] = {}
        for each in several:
            sizes |= each.image_sizes
        outlines = [o for each in several for o in each.outlines or (None,) * len(each)]
        return cls(
            np.concatenate([np.zeros((0, 4)), *(each.boxes for each in several)]),
            np.concatenate([np.zeros((0, most, 2)), *coords]),
            np.concatenate([np.zeros((0, most)), *labels]),
            class_names=[name for each in several for name in each.class_names],
            ids=np.concatenate([np.zeros(0, np.int64), *(each.ids for each in several)]),
            images=[name for each in several for name in each.images],
            image_sizes=sizes,
            crs=systems[0] if systems else None,
            outlines=None if all(each.outlines is None for each in several) else outlines,
        )

    def with_image(self, image: str) -> Prompts:
        """Return the objects of one unnamed image with its name."""
        sizes = {image: next(iter(self.image_sizes.values()), None)}
        return self._with(images=[image] * len(self), image_sizes=sizes)

    def _for_target(self, target: TargetImage) -> Prompts:
        """The objects of an image; all of them if the file does not say which image they are in."""
        names = [name for name in self.image_sizes if name]
        if not names:
            return self
        if len(names) == 1:
            if target.path is not None and not images_of_names(names, [target.path]):
                tell(f"The prompts are for {names[0]}; they are used for {target.name}.")
            return self
        if target.path is None:
            raise PromptError(
                f"The prompts are for {len(names)} images; choose those of one with "
                f"prompts.of({names[0]!r})."
            )
        return self.of(str(target.path))

    def _placed(self, target: TargetImage) -> tuple[Prompts, NDArray[np.int64], int]:
        """The objects that lie in an image, in its pixels; their indices; their points outside."""
        stated = next(iter(self.image_sizes.values()), None)
        real = self.point_labels != PADDING
        corners = self._corners()
        every = [self.point_coords[real], *corners.values()]
        way = to_pixels(target, self.crs, stated, np.concatenate(every) if every else np.zeros(0))
        coords, boxes = np.full_like(self.point_coords, np.nan), np.full_like(self.boxes, np.nan)
        coords[real] = way(self.point_coords[real])
        if corners:
            there = way(np.concatenate(list(corners.values())))
            ends = np.cumsum([len(each) for each in corners.values()])[:-1]
            starts = np.concatenate([[0], ends]).astype(int)
            boxes[list(corners)] = np.hstack(
                [np.minimum.reduceat(there, starts), np.maximum.reduceat(there, starts)]
            )
        with np.errstate(invalid="ignore"):
            inside = real & points_inside(coords, target.size)
            seen = self.has_box & boxes_seen(boxes, target.size) & np.isfinite(boxes).all(1)
        labels = np.where(inside, self.point_labels, PADDING)
        kept = np.flatnonzero(seen | (~self.has_box & (labels == 1).any(1)))
        placed = Prompts(
            boxes[kept],
            coords[kept],
            labels[kept],
            class_names=[self.class_names[i] for i in kept],
            ids=self.ids[kept],
            images=[target.name] * len(kept),
            image_sizes={target.name: (float(target.size[0]), float(target.size[1]))},
        )
        return placed, kept, int(np.count_nonzero(real[kept] & ~inside[kept]))

    def _corners(self) -> dict[int, NDArray[np.float64]]:
        """The corners of each object that has a box."""
        corners: dict[int, NDArray[np.float64]] = {}
        for row in np.flatnonzero(self.has_box).tolist():
            outline = None if self.outlines is None else self.outlines[row]
            if outline is None:
                x0, y0, x1, y1 = self.boxes[row]
                outline = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
            corners[row] = outline
        return corners

    @cached_property
    def _rows(self) -> dict[str, NDArray[np.int64]]:
        """Indices of the objects of each image."""
        rows: dict[str, list[int]] = {}
        for row, name in enumerate(self.images):
            rows.setdefault(name, []).append(row)
        return {name: np.array(own) for name, own in rows.items()}

    def _with(self, **changes: Any) -> Prompts:
        """The same objects with other columns."""
        columns: dict[str, Any] = {
            name: value for name, value in vars(self).items() if not name.startswith("_")
        }
        return Prompts(**{**columns, **changes})

    def _called(self, row: int) -> str:
        """How messages call an object."""
        where = f" of {self.images[row]}" if self.images[row] else ""
        return f"The object {self.ids[row]}{where}"


def listed(names: Iterable[str]) -> str:
    """Join the first few names for a message.

    >>> listed("abcdefgh")
    'a, b, c, d, e and 3 more'
    """
    every = list(names)
    more = f" and {len(every) - _MOST_NAMED:,} more" if len(every) > _MOST_NAMED else ""
    return ", ".join(every[:_MOST_NAMED]) + more
