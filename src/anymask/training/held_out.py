"""Comparison of two models on held-out images, to decide whether fine-tuning helped.

Objects are prompted with a box and with clicks, and also searched without prompts. Models of
classes are compared by their class maps. If the starting model was not trained for the same
classes, the baseline is the best map of a single class: the class that covers most of these images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from anymask.datasets.sampling import spread
from anymask.datasets.types import Example
from anymask.evaluation.class_maps import (
    called,
    class_numbers,
    compare_classes,
    map_classes,
    most_common_class,
)
from anymask.evaluation.compare import GroupOf, compare_everything, compare_objects
from anymask.evaluation.everything import EverythingRecord, evaluate_everything
from anymask.evaluation.protocols import evaluate_interactive
from anymask.model.sam import Sam
from anymask.predict.everything.generator import SamAutomaticMaskGenerator
from anymask.reports.page_images import PICTURED
from anymask.reports.verdict import CLICKS, PROMPTED, UNPROMPTED, ClassVerdict, ObjectVerdict
from anymask.training.finetune.progress import Progress
from anymask.training.finetune.settings import FineTuneError

MOST_OBJECTS = 5
"""At most this many objects of an image are prompted, evenly spread by area."""
MOST_IMAGES = 12
"""At most this many images are searched for all objects by both models, which is slow."""


def compare_on_objects(
    before: Sam,
    after: Sam,
    examples: Sequence[Example],
    *,
    prompts: Sequence[str] = ("box", "point"),
    everything: int = MOST_IMAGES,
    max_objects: int | None = MOST_OBJECTS,
    group: GroupOf | None = None,
    seed: int = 0,
    points_per_side: int = 32,
    progress: Progress | None = None,
) -> ObjectVerdict:
    """Compare two models on the objects of images that neither has seen.

    Parameters
    ----------
    before, after : Sam
    examples : sequence of Example
    prompts : sequence of str
        The prompts that were trained, which decide the verdict: "box", "point" or both.
    everything : int
        At most this many images, evenly spread, are searched for all objects without prompts;
        0 for none.
    max_objects : int or None
        At most this many objects of an image are prompted, evenly spread by area.
    group : callable, optional
        Maps the names of set and image to a group, such as the patient; by default each image is
        its own group.
    seed : int
        Random seed of the intervals.
    points_per_side : int
        Grid of "everything".
    progress : Progress, optional

    Raises
    ------
    FineTuneError
        If no image has an object.
    """
    progress = progress or Progress()
    first, second = (
        evaluate_interactive(
            sam,
            _watched(examples, f"Clicks and boxes, {which}", progress),
            clicks=5,
            max_objects=max_objects,
            boundary=(),
            keep_masks=PICTURED,
        )
        for sam, which in ((before, "before"), (after, "after"))
    )
    if not first:
        raise FineTuneError(f"None of the {len(examples)} held-out images has an object.")
    found = _find_all(before, after, examples, everything, points_per_side, progress)
    figures = {n: compare_objects(first, second, [n], group=group, seed=seed) for n in PROMPTED}
    if found[0]:
        for name in UNPROMPTED:
            figures[name] = compare_everything(*found, name, group=group, seed=seed)
    trained = deciding_prompts(prompts)
    return ObjectVerdict(
        figures=figures,
        overall=compare_objects(first, second, trained, group=group, seed=seed),
        trained=trained,
        before=first,
        after=second,
        everything=found,
        tuned=before.config.everything != after.config.everything,
    )


def deciding_prompts(prompts: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the figures that decide the verdict, given the trained prompts.

    Examples
    --------
    >>> deciding_prompts(["box"]), deciding_prompts(["point"])
    (('box',), ('click1_predicted', 'click3', 'click5'))
    """
    return (("box",) if "box" in prompts else ()) + (CLICKS if "point" in prompts else ())


def compare_on_classes(
    after: Sam,
    examples: Sequence[Example],
    classes: Sequence[str],
    *,
    before: Sam | None = None,
    group: GroupOf | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> ClassVerdict:
    """Compare predicted class maps with the true ones, on images that the model has not seen.

    Parameters
    ----------
    after : Sam
        Trained for `classes`.
    examples : sequence of Example
        Their `class_ids` are indices into their own `classes` if they have any (those of a
        `Dataset` do), otherwise into `classes`. Objects without ids belong to the first class.
    classes : sequence of str
    before : Sam, optional
        Another model trained for the same classes. Without one, the comparison is with the best
        map of a single class.
    group, seed, progress
        See `compare_on_objects`.

    Raises
    ------
    AnymaskError
        If no image contains any of the classes, or the images have other classes.
    """
    progress = progress or Progress()
    numbers, count = class_numbers(examples, classes), len(classes)
    seen = _watched(examples, "Classes", progress)
    second = map_classes(after, seen, numbers, count)
    present = [k for k in range(count) if any(record.true[k] for record in second)]
    if not present:
        raise FineTuneError(
            f"None of the {len(examples)} held-out images has any of the classes; give others."
        )
    if before is None:
        most = most_common_class(second)
        first = [called(record, most) for record in second]
    else:
        seen = _watched(examples, "Classes, before", progress)
        first = map_classes(before, seen, numbers, count)
    figures = {}
    for name in ("IoU", "Dice"):
        wanted = {f"{name}, mean": present} if len(present) > 1 else {}
        wanted |= {f"{name}, {classes[k]}": [k] for k in present}
        for label, which in wanted.items():
            figures[label] = compare_classes(first, second, which, name, group=group, seed=seed)
    return ClassVerdict(
        figures=figures,
        overall=compare_classes(first, second, present, group=group, seed=seed),
        classes=tuple(classes),
        constant=classes[most] if before is None else None,
        before=first,
        after=second,
        numbers=numbers,
    )


def _find_all(
    before: Sam,
    after: Sam,
    examples: Sequence[Example],
    most: int,
    points_per_side: int,
    progress: Progress,
) -> tuple[list[EverythingRecord], list[EverythingRecord]]:
    if not most:
        return [], []
    chosen = [examples[i] for i in spread(len(examples), most)]
    found = []
    for sam, which in ((before, "before"), (after, "after")):
        seen = _watched(chosen, f"Everything, {which}", progress)
        generator = SamAutomaticMaskGenerator(sam, points_per_side=points_per_side)
        found.append(evaluate_everything(generator.generate_masks, seen))
    return found[0], found[1]


def _watched(examples: Sequence[Example], what: str, progress: Progress) -> Iterator[Example]:
    """Yield the examples one by one and report progress."""
    progress.begin(what, len(examples))
    for index in range(len(examples)):
        yield examples[index]
        progress.advance()
    progress.end()
