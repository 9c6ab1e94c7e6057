"""`session.alike`: find objects like some, and go on with what a person accepts and rejects.

What was accepted is a reviewed object that was found so. What was rejected is a step of the kind
"reject", whose pixels are in the journal. So both survive a restart, and undo takes them back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import AnymaskError
from anymask.masks.mask_set import MaskSet
from anymask.masks.objects import objects_of
from anymask.session.edits import Edits
from anymask.session.errors import SessionError, StoppedError
from anymask.session.found import FoundFiles
from anymask.session.images import Images
from anymask.session.layers import Layers
from anymask.session.mask_fit import fit
from anymask.session.records import CancelToken, Change, LayerKey, ObjectInfo
from anymask.session.run_result import RunProgress, RunResult
from anymask.session.runs import Runs
from anymask.session.store.store import Store

if TYPE_CHECKING:
    from anymask.model.sam import Sam
    from anymask.predict.alike.finding import AlikeFinder
    from anymask.predict.alike.found_alike import FoundAlike

ORIGIN = "alike"
"""The origin of objects that were found so."""
_REJECT = "reject"


@dataclass(frozen=True)
class Uncertain:
    """A candidate that a person should look at.

    Attributes
    ----------
    layer : LayerKey
    plane : int
    box : tuple of int
        XYXY in pixels, inclusive.
    likeness : float
    taken : bool
        Whether it is an object of the layer now.
    """

    layer: LayerKey
    plane: int
    box: tuple[int, int, int, int]
    likeness: float
    taken: bool


class Alike:
    """Objects like some that are shown, over layers."""

    def __init__(
        self, store: Store, images: Images, layers: Layers, edits: Edits, runs: Runs
    ) -> None:
        self._store, self._images, self._layers = store, images, layers
        self._edits, self._runs = edits, runs
        self._found = FoundFiles(store)

    def find(
        self,
        sam: Sam,
        examples: Mapping[LayerKey, Iterable[int]],
        layers: Iterable[LayerKey] | None = None,
        *,
        class_name: str = "",
        threshold: float | None = None,
        progress: Callable[[RunProgress], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> RunResult:
        """Find objects like some in layers (all by default). Slow.

        Each layer gets one step. Objects of an earlier search that were not reviewed are replaced.
        The others stay; of masks that a run made, the found objects take pixels. Objects that were
        accepted (reviewed) are examples too, and rejected ones are counterexamples. A cancelled run
        keeps finished layers.

        Parameters
        ----------
        sam : Sam
        examples : mapping of LayerKey to ids
            At least one object.
        layers : iterable of LayerKey, optional
        class_name : str
            The class of the found objects.
        threshold : float, optional
            The lowest likeness; by default that with the best expected F1 in each layer.
        progress : callable, optional
        cancel : CancelToken, optional

        Raises
        ------
        SessionError
            If no object is shown, there is no such object, the threshold is not from 0 to 1, or the
            session was opened read-only.
        """
        from anymask.predict.alike.finding import AlikeFinder

        self._store.refuse_read_only()
        shown = {key: set(self._layers.check_ids(key, ids)) for key, ids in examples.items()}
        if not any(shown.values()):
            raise SessionError("No object is shown; select at least one of the wanted kind.")
        if threshold is not None:
            _check(threshold)
        keys = list(self._layers if layers is None else layers)
        self._runs.use_model(sam)
        if class_name:
            self._edits.add_class(class_name)
        finder = AlikeFinder(
            sam,
            cache=self._store.folder / "candidates",
            points_per_side=self._runs.options.points_per_side,
        )
        run, start = RunResult(), time.monotonic()
        try:
            self._show(finder, shown, cancel)
            for index, key in enumerate(keys):

                def tell(part: float, key: LayerKey = key, index: int = index) -> None:
                    _stop_if(cancel)
                    if progress is not None:
                        whole = (index + part) / len(keys)
                        title = self._layers.title(key)
                        progress(RunProgress(key, title, index, len(keys), whole))

                try:
                    tell(0.0)
                    self._find_in(finder, key, shown.get(key, set()), class_name, threshold, tell)
                    run.done.append(key)
                except StoppedError:
                    raise
                except AnymaskError as error:
                    run.failed.append((key, str(error)))
        except StoppedError:
            run.cancelled = True
            self._store.log(f"Cancelled; {len(run.done)} of {len(keys)} are done.")
        for key, sentence in run.failed:
            self._store.log(f"{self._layers.title(key)}: {sentence}")
        run.seconds = time.monotonic() - start
        return run

    def reject(self, layer: LayerKey, ids: Iterable[int]) -> Change:
        """Remove objects that are not of the kind; the next search avoids what is like them."""
        wanted = self._layers.check_ids(layer, ids)
        with self._store.mutex:
            labels = np.array(self._layers.labels(layer))
            labels[np.isin(labels, wanted)] = 0
            return self._store.change(layer, _REJECT, labels, args={"rejected": wanted})

    def accept(self, layer: LayerKey, ids: Iterable[int]) -> Change:
        """Mark objects as reviewed; they are examples of the next search."""
        return self._edits.review(layer, ids)

    def threshold(self, layer: LayerKey) -> float:
        """Return the likeness from which on candidates are objects of a layer."""
        return float(self._facts(layer)["threshold"])

    def set_threshold(self, layer: LayerKey, threshold: float) -> Change:
        """Choose found objects again with another threshold, without the model.

        Raises
        ------
        SessionError
            If nothing was searched in this layer, or the threshold is not from 0 to 1.
        """
        facts = self._facts(layer)
        _check(threshold)
        found = self._candidates(facts, threshold)
        return self._place(layer, found, set(facts["examples"]), {**facts, "threshold": threshold})

    def least_certain(
        self, layers: Iterable[LayerKey] | None = None, count: int = 20
    ) -> list[Uncertain]:
        """Return what a person should look at first, in layers (all by default) that were searched.

        Parameters
        ----------
        layers : iterable of LayerKey, optional
        count : int
            At most this many.
        """
        rows: list[tuple[float, Uncertain]] = []
        for key in self._layers if layers is None else layers:
            facts = self._runs.facts(key).get(ORIGIN)
            if facts is None:
                continue
            for plane, each in enumerate(self._candidates(facts, float(facts["threshold"]))):
                order = each.least_certain(count)
                for index, gap in zip(order, each.uncertainty(order), strict=True):
                    x0, y0, x1, y1 = each.candidates.boxes[index].tolist()
                    likeness = float(each.likeness[index])
                    taken = likeness >= each.threshold
                    row = Uncertain(key, plane, (x0, y0, x1, y1), likeness, taken)
                    rows.append((float(gap), row))
        return [row for _, row in sorted(rows, key=lambda pair: pair[0])][:count]

    def _show(
        self,
        finder: AlikeFinder,
        shown: Mapping[LayerKey, set[int]],
        cancel: CancelToken | None,
    ) -> None:
        """Show the finder all examples and what was rejected."""
        for key in self._layers:
            accepted = {
                label
                for label, info in self._objects(key).items()
                if info.origin == ORIGIN and info.reviewed
            }
            wanted = shown.get(key, set()) | accepted
            rejected = list(self._rejected(key))
            if not wanted and not rejected:
                continue
            _stop_if(cancel)
            labels = _planes(np.asarray(self._layers.labels(key)))
            for plane, own in enumerate(labels):
                good = MaskSet.from_labels(np.where(np.isin(own, list(wanted)), own, 0))
                bad = [mask for where, mask in rejected if where == plane]
                if len(good) or bad:
                    finder.show(self._images.rgb(key, plane), [good], bad)

    def _rejected(self, key: LayerKey) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        """Plane and mask of each object that was rejected."""
        shape = self._images[key.image].label_shape
        for step in self._edits.steps(key):
            if step.kind != _REJECT or step.delta is None:
                continue
            before = np.zeros(shape, step.delta.before.dtype)
            before[step.delta.window] = step.delta.before
            for plane, labels in enumerate(_planes(before)):
                for label in np.unique(labels[labels > 0]):
                    yield plane, labels == label

    def _find_in(
        self,
        finder: AlikeFinder,
        key: LayerKey,
        examples: set[int],
        class_name: str,
        threshold: float | None,
        tell: Callable[[float], None],
    ) -> None:
        record = self._images[key.image]
        found: list[FoundAlike] = []
        for plane in range(record.planes):

            def advance(done: int, total: int, plane: int = plane) -> None:
                tell((plane + done / max(total, 1)) / record.planes)

            each = finder.find(self._images.rgb(key, plane), progress=advance)
            found.append(each if threshold is None else replace(each, threshold=threshold))
        number = self._store.state.number
        names = [f"found/{key.image}-{key.recipe}-{number}-{p}.npz" for p in range(len(found))]
        for name, each in zip(names, found, strict=True):
            self._found.save_masks(name, each.candidates)
        facts: dict[str, Any] = {
            "candidates": names,
            "threshold": max(each.threshold for each in found),
            "examples": sorted(examples),
            "class_name": class_name,
        }
        if threshold is None and len(found) > 1:  # one threshold for all planes of a stack
            found = [replace(each, threshold=facts["threshold"]) for each in found]
        self._place(key, found, examples, facts)

    def _place(
        self, key: LayerKey, found: list[FoundAlike], examples: set[int], facts: dict[str, Any]
    ) -> Change:
        """Make what was found objects of a layer, in one step."""
        with self._store.mutex:
            labels = np.array(self._layers.labels(key))
            objects = self._objects(key)
            old = [i for i, o in objects.items() if o.origin == ORIGIN and not o.reviewed]
            old = [label for label in old if label not in examples]
            labels[np.isin(labels, old)] = 0
            automatic = self._layers.automatic(key) - examples - set(old)
            infos: dict[int, ObjectInfo] = {}
            following = max([0, *objects]) + 1
            planes = _planes(labels)
            for plane, each in enumerate(found):
                chosen = each.masks().select(each.masks().likeness < 1)  # type: ignore[operator]
                for index, crop in objects_of(chosen):
                    part = fit(planes[plane], crop, following, automatic=automatic)
                    if not part.count or 2 * part.count < crop.pixels.sum():
                        continue
                    new = part.apply(planes[plane])
                    if new.dtype != planes.dtype:
                        planes = planes.astype(new.dtype)
                    planes[plane] = new
                    infos[following] = ObjectInfo(
                        facts["class_name"],
                        float(chosen.predicted_iou[index]),
                        float(chosen.stability_score[index]),
                        origin=ORIGIN,
                    )
                    following += 1
            meta = {**self._runs.facts(key), ORIGIN: facts}
            args = {name: facts[name] for name in ("threshold", "examples", "class_name")}
            return self._store.change(
                key, ORIGIN, planes.reshape(labels.shape), args=args, infos=infos, meta=meta
            )

    def _objects(self, key: LayerKey) -> dict[int, ObjectInfo]:
        with self._store.mutex:
            return dict(self._store.layer(key).objects)

    def _facts(self, layer: LayerKey) -> dict[str, Any]:
        facts = self._runs.facts(layer).get(ORIGIN)
        if facts is None:
            raise SessionError(
                f"Nothing was searched in {self._layers.title(layer)}; use session.alike.find."
            )
        return dict(facts)

    def _candidates(self, facts: Mapping[str, Any], threshold: float) -> list[FoundAlike]:
        from anymask.predict.alike.found_alike import FoundAlike

        return [FoundAlike.of(self._found.masks(n)[0], threshold) for n in facts["candidates"]]


def _planes(labels: NDArray[Any]) -> NDArray[Any]:
    """Labels as planes (P, H, W)."""
    return labels[None] if labels.ndim == 2 else labels


def _check(threshold: float) -> None:
    if not 0 <= threshold <= 1:
        raise SessionError(f"threshold is {threshold}; give a likeness from 0 to 1, such as 0.5.")


def _stop_if(cancel: CancelToken | None) -> None:
    if cancel is not None and cancel.is_cancelled:
        raise StoppedError
