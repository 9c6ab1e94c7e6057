"""What tells objects of one kind from others: features of the encoder, colour, size and shape.

Each candidate is sampled on a small grid of points over its box and the surroundings, so that an
object costs the same whatever its size. The points are its inside, its edge or the ring around it;
values are averaged over each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.color import rgb2lab

from anymask.masks.mask_set import MaskSet
from anymask.masks.objects import objects_of

# The longer side of an object's grid of points.
_SAMPLES = 40
# Width of the ring around an object, and of its edge, as shares of the root of its area.
_RING, _EDGE = 0.3, 0.12


@dataclass(frozen=True)
class Descriptions:
    """N objects, described by groups of numbers.

    Attributes
    ----------
    groups : mapping of str to (N, D) float32 arrays
        Each group has its own D.
    """

    groups: Mapping[str, NDArray[np.float32]]

    def __len__(self) -> int:
        return len(next(iter(self.groups.values())))

    def select(self, indices: NDArray[np.int64]) -> Descriptions:
        """Return some of the objects."""
        return Descriptions({name: values[indices] for name, values in self.groups.items()})

    @classmethod
    def joined(cls, parts: Sequence[Descriptions]) -> Descriptions:
        """Join descriptions of several images, in order.

        Images of a folder may differ in their bands; groups that are not the same in all are left
        out.
        """
        shapes = [{name: each.shape[1] for name, each in part.groups.items()} for part in parts]
        names = [n for n in shapes[0] if all(own.get(n) == shapes[0][n] for own in shapes)]
        return cls({name: np.concatenate([each.groups[name] for each in parts]) for name in names})


def describe(
    masks: MaskSet,
    pixels: NDArray[np.uint8],
    maps: Sequence[NDArray[np.float32]],
    covered: tuple[float, float],
    spectrum: NDArray[np.float32] | None = None,
) -> Descriptions:
    """Describe the objects of an image.

    Parameters
    ----------
    masks : MaskSet
        N objects.
    pixels : (H, W, 3) uint8 array
        RGB.
    maps : sequence of (C, h, w) float32 arrays
        Features of the encoder, coarsest first.
    covered : tuple of float
        Which share of the height and width of the maps the image covers; the rest is padding.
    spectrum : (H, W, B) float32 array, optional
        Further values of each pixel.

    Returns
    -------
    Descriptions
    """
    lab = rgb2lab(pixels).astype(np.float32)
    size = masks.image_size
    if (masks.areas == 0).any():
        raise ValueError("An empty mask cannot be described.")
    levels = [np.ascontiguousarray(each.transpose(1, 2, 0), np.float32) for each in maps]
    rows: dict[str, list[NDArray[np.float64]]] = {}
    for index, (y, x, inside, edge, ring) in _grids(masks):
        own = lab[y, x]
        described: dict[str, NDArray[np.float64]] = {}
        for level, features in enumerate(levels):
            height, width = features.shape[:2]
            i = np.minimum((y + 0.5) / size[0] * covered[0] * height, height - 1).astype(int)
            j = np.minimum((x + 0.5) / size[1] * covered[1] * width, width - 1).astype(int)
            values = features[i, j]
            within, outside = values[inside].mean(0), values[ring].mean(0)
            described[f"deep{level}"] = within
            described[f"edge{level}"] = values[edge].mean(0)
            described[f"contrast{level}"] = within - outside
        colours = own[inside]
        described["colour"] = np.concatenate([colours.mean(0), colours.std(0)])
        described["colour_contrast"] = colours.mean(0) - own[ring].mean(0)
        if spectrum is not None:
            described["spectrum"] = np.nan_to_num(spectrum[y, x])[inside].mean(0)
        long, short, filled = _axes(y[inside], x[inside], float(masks.areas[index]))
        described["size"] = np.log([float(masks.areas[index]), long, short])
        described["shape"] = np.array([np.log(long / short), filled])
        for name, values in described.items():
            rows.setdefault(name, []).append(values)
    return Descriptions({k: np.array(v, np.float32) for k, v in rows.items()})


def _grids(masks: MaskSet) -> Iterator[tuple[int, tuple[NDArray[Any], ...]]]:
    """Yield for each mask the points of its grid: rows, columns, and inside, edge and ring."""
    height, width = masks.image_size
    for index, crop in objects_of(masks):
        reach = max(2.0, _RING * float(masks.areas[index]) ** 0.5)
        h, w = crop.pixels.shape
        step = max(1.0, (max(h, w) + 2 * reach) / _SAMPLES)
        ys = np.arange(max(crop.top - reach, 0), min(crop.top + h + reach, height), step)
        xs = np.arange(max(crop.left - reach, 0), min(crop.left + w + reach, width), step)
        # Steps that are no whole numbers may reach the size itself.
        ys = np.minimum(ys.astype(int), height - 1)
        xs = np.minimum(xs.astype(int), width - 1)
        own = np.zeros((len(ys), len(xs)), bool)
        in_rows = (ys >= crop.top) & (ys < crop.top + h)
        in_columns = (xs >= crop.left) & (xs < crop.left + w)
        own[np.ix_(in_rows, in_columns)] = crop.pixels[
            np.ix_(ys[in_rows] - crop.top, xs[in_columns] - crop.left)
        ]
        if not own.any():  # thinner than the grid is fine
            rows, columns = np.nonzero(crop.pixels)
            middle = len(rows) // 2
            own[
                np.abs(ys - rows[middle] - crop.top).argmin(),
                np.abs(xs - columns[middle] - crop.left).argmin(),
            ] = True
        apart = ndimage.distance_transform_edt(~own) * step
        deep = ndimage.distance_transform_edt(np.pad(own, 1))[1:-1, 1:-1] * step
        edge = own & (deep <= max(step, _EDGE * float(masks.areas[index]) ** 0.5))
        ring = ~own & (apart <= reach)
        if not ring.any():
            ring = own
        y, x = np.meshgrid(ys, xs, indexing="ij")
        yield index, (y, x, own, edge, ring)


def _axes(y: NDArray[np.int64], x: NDArray[np.int64], area: float) -> tuple[float, float, float]:
    """Lengths of the axes of the ellipse with the same moments, and how much of it is filled."""
    spread = np.cov(np.stack([y, x])) if len(y) > 1 else np.zeros((2, 2))
    short, long = np.sqrt(np.maximum(np.linalg.eigvalsh(spread), 0.08)) * 4
    return float(long), float(short), float(min(area / (np.pi / 4 * long * short), 2.0))
