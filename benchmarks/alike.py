"""How well `find_alike` finds all objects of a kind from a few examples, beside simple methods.

    python -m benchmarks.alike --data SETS/nuclei SETS/balloons --cache candidates/

Each folder of `--data` is a data set whose labelled objects are all of one kind. In an image with
enough objects, K of them are shown at random, as masks. The others are to be found ("same"), and
all objects of another image of the set ("other"). A found mask matches a true one from an IoU of .5
on. Masks that match an example count neither as right nor as wrong.

The baselines may choose the threshold that is best on the set they are measured on; `find_alike`
uses the threshold that it sets itself:

- everything: all masks that the model finds without prompts,
- colours: these masks, ranked by how far their colour histogram is that of the examples,
- template: the examples' boxes shifted over the image at three sizes (normalised correlation).

`--mosaic 3` joins 3×3 images to one, for sets with one object an image.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import match_template, peak_local_max
from skimage.transform import rescale

from anymask import SamAutomaticMaskGenerator, load, load_masks, open_dataset, save_masks
from anymask.evaluation.object_matching import (
    Overlaps,
    average_precision,
    matched_f1,
    pairwise_iou,
)
from anymask.masks.distinct import distinct
from anymask.masks.mask_set import MaskSet
from anymask.masks.objects import boxed
from anymask.predict.alike.finding import AlikeFinder

KS = (1, 3, 5)
_VALIDATION = Path(__file__).parents[1] / "recipes" / "small" / "validation_split.json"
_LEAST, _MIN_AREA = 4, 20
_SCALES = (0.75, 1.0, 1.33)
_THRESHOLDS = np.linspace(0.02, 0.98, 49)


@dataclass(frozen=True)
class Picture:
    """An image of a set with all objects of the kind."""

    name: str
    image: NDArray[np.uint8]
    truth: MaskSet


@dataclass(frozen=True)
class Task:
    """Objects of an image that are shown, and the image in which others are to be found."""

    shown: Picture
    chosen: NDArray[np.int64]
    target: Picture

    @property
    def same(self) -> bool:
        """Whether the examples are in the image itself."""
        return self.shown is self.target

    @property
    def examples(self) -> MaskSet:
        """The objects that are shown."""
        return self.shown.truth.select(self.chosen)


def main() -> None:
    """Measure, print the figures, and save them if asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", nargs="+", type=Path, required=True)
    parser.add_argument("--mosaic", nargs="*", default=[], metavar="SET", help="sets joined 3×3")
    parser.add_argument("--images", type=int, default=12, help="of each set")
    parser.add_argument("--draws", type=int, default=2, help="of examples, in each image")
    parser.add_argument("--all", action="store_true", help="not only images of validation")
    parser.add_argument("--model", default=None)
    parser.add_argument("--cache", type=Path, default=Path("alike-cache"))
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    given = parser.parse_args()
    names = None if given.all else json.loads(_VALIDATION.read_text())
    sam = load(given.model)
    results: dict[str, Any] = {}
    for folder in given.data:
        pictures = pictures_of(folder, given.images, names, mosaic=folder.name in given.mosaic)
        results[folder.name] = measure_set(pictures, sam, given.cache, given.draws)
        show(folder.name, results[folder.name])
    show("mean", mean_of(list(results.values())))
    if given.out is not None:
        given.out.write_text(json.dumps(results, indent=1))


def pictures_of(
    folder: Path, count: int, names: dict[str, list[str]] | None, *, mosaic: bool
) -> list[Picture]:
    """Return images with at least four objects, in random order.

    With `names`, only images that did not train the shipped model.
    """
    kind = "components" if mosaic else "auto"
    found: list[Picture] = []
    sources = open_dataset(folder, objects=kind, min_area=_MIN_AREA)
    used = None if names is None or folder.name in names["sets"] else set(names["images"])
    examples = [e for e in sources if used is None or f"{folder.name}/{e.name}" in used]
    order = np.random.default_rng(1).permutation(len(examples))
    if mosaic:
        return mosaics([examples[i] for i in order])[:count]
    for index in order:
        each = examples[index]
        if len(each.masks) >= _LEAST:
            found.append(Picture(each.name, each.image, MaskSet.from_masks(np.array(each.masks))))
    return found[:count]


def mosaics(examples: Sequence[Any], side: int = 3) -> list[Picture]:
    """Join images of one size, side × side at a time."""
    size = examples[0].image.shape
    alike = [each for each in examples if each.image.shape == size]
    made = []
    for start in range(0, len(alike) - side**2 + 1, side**2):
        part = alike[start : start + side**2]
        rows = [
            np.concatenate([each.image for each in part[i : i + side]], 1)
            for i in range(0, len(part), side)
        ]
        masks = []
        for place, each in enumerate(part):
            y, x = place // side * size[0], place % side * size[1]
            # What touches is one cell: nucleus and cytoplasm are labelled apart.
            union = np.any(np.array(each.masks), 0)
            labels, number = ndimage.label(union)
            for label in range(1, number + 1):
                mask = np.zeros((size[0] * side, size[1] * side), bool)
                mask[y : y + size[0], x : x + size[1]] = labels == label
                if mask.sum() >= _MIN_AREA:
                    masks.append(mask)
        image = np.concatenate(rows)
        made.append(Picture(f"mosaic {len(made)}", image, MaskSet.from_masks(np.array(masks))))
    return made


def tasks_of(pictures: Sequence[Picture], count: int, draws: int) -> list[Task]:
    """Show `count` objects of each image that has more, for it and for another image."""
    lot = np.random.default_rng(count)
    tasks = []
    for index, picture in enumerate(pictures):
        number = len(picture.truth)
        for _ in range(draws):
            if number >= count + 2:
                tasks.append(Task(picture, lot.permutation(number)[:count], picture))
            if number >= count and len(pictures) > 1:
                other = pictures[(index + lot.integers(1, len(pictures))) % len(pictures)]
                tasks.append(Task(picture, lot.permutation(number)[:count], other))
    return tasks


def measure_set(
    pictures: Sequence[Picture], sam: Any, cache: Path, draws: int
) -> dict[str, dict[str, float]]:
    """Measure each method on the tasks of a set."""
    every = {p.name: everything(p, sam, cache) for p in pictures}
    figures: dict[str, dict[str, float]] = {}
    for count in KS:
        overlaps: dict[tuple[bool, str], list[Overlaps]] = defaultdict(list)
        taken: dict[bool, list[Overlaps]] = defaultdict(list)
        for task in tasks_of(pictures, count, draws):
            finder = AlikeFinder(sam, cache=cache)
            finder.show(task.shown.image, [task.examples])
            found = finder.find(task.target.image)
            own = compared(task, found.candidates, found.likeness)
            overlaps[task.same, "alike"].append(own)
            taken[task.same].append(above(own, found.threshold))
            masks = every[task.target.name]
            overlaps[task.same, "everything"].append(compared(task, masks, np.ones(len(masks))))
            overlaps[task.same, "colours"].append(
                compared(task, masks, likeness_of_colours(task, masks))
            )
            overlaps[task.same, "template"].append(compared(task, *template(task)))
        for same, name in overlaps:
            images = overlaps[same, name]
            ap = average_precision(images, 0.5)
            best = max(matched_f1([above(o, t) for o in images]) for t in _THRESHOLDS)
            f1 = matched_f1(taken[same]) if name == "alike" else best
            key = f"K={count} {'same' if same else 'other'}"
            figures.setdefault(key, {})[f"{name} F1"] = f1
            figures[key][f"{name} AP"] = ap
    return figures


def everything(picture: Picture, sam: Any, cache: Path) -> MaskSet:
    """All masks of an image, kept in the cache."""
    path = cache / f"everything-{picture.name.replace('/', '-')}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        save_masks(SamAutomaticMaskGenerator(sam).generate_masks(picture.image), path)
    return load_masks(path)


def compared(task: Task, masks: MaskSet, scores: NDArray[np.float64]) -> Overlaps:
    """Overlaps with the objects to be found, without masks that match an example."""
    truth = task.target.truth
    iou = pairwise_iou(masks.counts, truth.counts, truth.image_size)
    if not task.same:
        return Overlaps(iou, np.asarray(scores))
    new = np.flatnonzero(iou[:, task.chosen].max(1, initial=0) < 0.5)
    return Overlaps(np.delete(iou[new], task.chosen, 1), np.asarray(scores)[new])


def above(image: Overlaps, threshold: float) -> Overlaps:
    """The masks from a score on."""
    chosen = image.scores >= threshold
    return Overlaps(image.iou[chosen], image.scores[chosen])


def likeness_of_colours(task: Task, masks: MaskSet) -> NDArray[np.float64]:
    """Intersection of the colour histograms of masks and of the examples together."""

    def histogram(image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        bins = (image[mask] // 32).astype(int) @ (64, 8, 1)
        counts = np.bincount(bins, minlength=512)
        return counts / max(counts.sum(), 1)

    shown = np.mean([histogram(task.shown.image, mask) for mask in task.examples], 0)
    own = [np.minimum(histogram(task.target.image, mask), shown).sum() for mask in masks]
    return np.array(own, np.float64)


def template(task: Task) -> tuple[MaskSet, NDArray[np.float64]]:
    """Masks where the image resembles an example's box, and their correlations."""
    height, width = task.target.truth.image_size
    grey, theirs = (each.image.mean(-1) for each in (task.target, task.shown))
    masks, scores = [], []
    for mask in task.examples:
        crop = boxed(mask)
        for scale in _SCALES:
            part = rescale(theirs[crop.window], scale)
            shape = rescale(crop.pixels.astype(float), scale) > 0.5
            if min(part.shape) < 3 or part.shape[0] > height or part.shape[1] > width:
                continue
            reply = match_template(grey, part)
            peaks = peak_local_max(reply, min(part.shape) // 2, threshold_abs=0.3, num_peaks=200)
            for y, x in peaks:
                whole = np.zeros((height, width), bool)
                whole[y : y + shape.shape[0], x : x + shape.shape[1]] = shape
                if whole.any():
                    masks.append(whole)
                    scores.append(float(reply[y, x]))
    if not masks:
        return MaskSet.from_counts((height, width), []), np.zeros(0)
    found = MaskSet.from_masks(np.array(masks))
    chosen = distinct(found, scores, 0.35, "mask")
    return found.select(chosen), np.array(scores)[chosen]


def mean_of(sets: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Mean over the sets that have a figure."""
    keys = {key: None for each in sets for key in each}
    return {
        key: {
            name: float(np.nanmean([each[key][name] for each in sets if key in each]))
            for name in next(each[key] for each in sets if key in each)
        }
        for key in sorted(keys)
    }


def show(title: str, figures: dict[str, dict[str, float]]) -> None:
    """Print a table: F1 and, in parentheses, average precision."""
    names = ("alike", "everything", "colours", "template")
    print(f"\n{title:16s}" + "".join(f"{name:>16s}" for name in names) + "   alike/best")
    for key, row in sorted(figures.items()):
        cells = "".join(f"{row[f'{n} F1']:9.3f} ({row[f'{n} AP']:.2f})" for n in names)
        best = max(row[f"{n} F1"] for n in names[1:])
        print(f"{key:16s}{cells}{row['alike F1'] / max(best, 1e-9):10.2f}", flush=True)


if __name__ == "__main__":
    main()
