"""`session.clicks`: masks from clicks, and objects made from these masks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from anymask.masks.objects import boxed
from anymask.session.click_model import ClickModel
from anymask.session.click_prompts import ClickPrompts
from anymask.session.edits import Edits
from anymask.session.errors import SessionError
from anymask.session.images import Images
from anymask.session.label_edits import window_around
from anymask.session.layers import Layers
from anymask.session.mask_fit import MaskFit, fit, grown, margin_of, named, told
from anymask.session.previews import Prepared, Preview
from anymask.session.records import CancelToken, Change, LayerKey, ObjectInfo
from anymask.session.runs import Runs
from anymask.session.stacks import Projection, Propagated, followed
from anymask.session.store.store import Store
from anymask.session.visible_region import Region, region_for

if TYPE_CHECKING:
    from anymask.model.sam import Sam


class Clicks:
    """Clicks in the images of a session.

    An image is prepared once; after that, prompts are answered at once:

    ``ready = clicks.prepare(sam, layer)``, ``preview = clicks.predict(ready, prompts)``,
    ``clicks.commit(preview)``.
    """

    def __init__(
        self, store: Store, images: Images, layers: Layers, edits: Edits, runs: Runs
    ) -> None:
        self._store, self._images, self._layers, self._edits = store, images, layers, edits
        self._runs = runs
        self._guard = threading.Lock()
        self._model: ClickModel | None = None

    def model(self, sam: Sam) -> ClickModel:
        """Return the model that answers clicks. Slow on first use: hashes the weights.

        Only the last model is kept, with its encoded images.
        """
        with self._guard:
            if self._model is None or self._model.sam is not sam:
                store = self._store
                cache = None if store.read_only else store.folder / "embeddings"
                self._model = ClickModel(sam, self._images, cache)
            return self._model

    def region_for(
        self, sam: Sam, layer: LayerKey, view: tuple[float, float, float, float] | None = None
    ) -> Region:
        """Choose the region to encode for a visible window (top, left, bottom, right)."""
        return region_for(self._images[layer.image].size, view, sam.config.image_size)

    def prepare(
        self, sam: Sam, layer: LayerKey, plane: int = 0, region: Region | None = None
    ) -> Prepared:
        """Encode an image or a region of it, unless it is encoded already. Slow.

        Raises
        ------
        AnymaskError
            If the image cannot be read.
        """
        return self.model(sam).prepare(layer, plane, region)

    def is_prepared(
        self, sam: Sam, layer: LayerKey, plane: int = 0, region: Region | None = None
    ) -> bool:
        """Whether `prepare` would return at once."""
        model = self._model
        return model is not None and model.sam is sam and model.is_prepared(layer, plane, region)

    def predict(
        self,
        ready: Prepared,
        prompts: ClickPrompts,
        *,
        multimask: bool | None = None,
        mask: NDArray[np.bool_] | None = None,
    ) -> Preview:
        """Predict masks.

        Parameters
        ----------
        ready : Prepared
        prompts : ClickPrompts
            In pixels of the whole image. With an `object_id`, that object's mask is part of the
            prompt.
        multimask : bool, optional
            Return three masks instead of one. By default only for a single point, which is
            ambiguous.
        mask : (H, W) bool array, optional
            A mask of the whole image as a further prompt, instead of an object's.

        Raises
        ------
        PromptError
            If there is no prompt, or one lies outside the prepared region.
        """
        if mask is None and prompts.object_id is not None:
            mask = self._layers.labels(ready.layer, ready.plane) == prompts.object_id
        return ready.model.predict(ready, prompts, multimask, mask)

    def predict_boxes(
        self, ready: Prepared, boxes: Sequence[tuple[float, float, float, float]]
    ) -> list[Preview]:
        """Predict one mask for each of several boxes (x0, y0, x1, y1) in one pass."""
        return ready.model.predict_boxes(ready, boxes)

    def cycle(self, preview: Preview, by: int = 1) -> Preview:
        """Return the next candidate for the same prompts; predicts three if there is only one."""
        return preview.ready.model.cycle(preview, by)

    def fit(
        self, previews: Sequence[Preview], *, id: int | None = None, overwrite: bool | None = None
    ) -> list[MaskFit]:
        """Find out what of each mask would become an object, as `commit` decides it.

        Parameters
        ----------
        previews : sequence of Preview
            Previews of one prepared image.
        id, overwrite
            As in `commit`.

        Returns
        -------
        list of MaskFit
            In pixels of the region: of `Preview.shown`, and of every `region.step`-th label.
        """
        if not previews:
            return []
        layer, region, step = previews[0].layer, previews[0].region, previews[0].region.step
        with self._store.mutex:
            label = self._layers.next_id(layer) if id is None else int(id)
            automatic = self._layers.automatic(layer) if overwrite is None else set()
            part = self._layers.labels(layer, previews[0].plane)[region.window]
            new = np.array(part[::step, ::step])
        fits: list[MaskFit] = []
        for number, preview in enumerate(previews):
            crop, new_label = boxed(preview.shown), label + number
            fits.append(fit(new, crop, new_label, overwrite=overwrite, automatic=automatic))
            new = fits[-1].apply(new)
        return fits

    def commit(
        self,
        preview: Preview,
        *,
        id: int | None = None,
        class_name: str = "",
        overwrite: bool | None = None,
    ) -> Change:
        """Make an object from the chosen mask of a preview.

        Where other objects are, the mask takes the pixels of automatic masks: those that a run
        made and nobody has changed since (`Layers.automatic`). They shrink, or go if only slivers
        are left of them, which `Change.note` says; undo brings them back. Objects that were
        committed or edited keep their pixels.

        Parameters
        ----------
        preview : Preview
        id : int, optional
            An object whose pixels in this plane the mask replaces; a new object by default.
        class_name : str
        overwrite : bool, optional
            Whether the mask takes pixels from all other objects, or from none.

        Raises
        ------
        SessionError
            If other objects cover the whole mask, or leave only slivers of it.
        """
        return self._commit([preview], [id], class_name, overwrite)

    def commit_many(
        self, previews: Sequence[Preview], *, class_name: str = "", overwrite: bool | None = None
    ) -> Change:
        """Make a new object from each of several previews of one layer, as one step.

        Earlier previews come first where they overlap. See `commit` for `overwrite`.
        """
        if not previews:
            raise SessionError(
                "There are no masks to make objects from; click or draw a box first."
            )
        return self._commit(previews, [None] * len(previews), class_name, overwrite)

    def _commit(
        self,
        previews: Sequence[Preview],
        ids: Sequence[int | None],
        class_name: str,
        overwrite: bool | None,
    ) -> Change:
        layer, plane = previews[0].layer, previews[0].plane
        if class_name:
            self._edits.add_class(class_name)
        digest = self._noted(previews[0].ready.model)
        crops = [preview.mask for preview in previews]  # slow in large images
        with self._store.mutex:
            found = self._store.layer(layer)
            following, clicks, infos = found.next_id, [], {}
            labels = self._layers.labels(layer, plane)
            boxes = [box for i in ids if i is not None and (box := found.box(i)) is not None]
            window = window_around(labels.shape, crops, boxes)
            window = grown(window, margin_of(crops), labels.shape)
            crops = [crop.within(window) for crop in crops]
            new = np.array(labels[window])
            automatic = self._layers.automatic(layer) if overwrite is None else set()
            fits: list[MaskFit] = []
            for preview, crop, wanted in zip(previews, crops, ids, strict=True):
                label = following if wanted is None else int(wanted)
                following = max(following, label + 1)
                fits.append(fit(new, crop, label, overwrite=overwrite, automatic=automatic))
                new = fits[-1].apply(new)
                before = found.objects.get(label)
                name = class_name or (before.class_name if before is not None else "")
                infos[label] = ObjectInfo(name, preview.score, origin="click")
                clicks.append(_click_to_json(preview, fits[-1]))
            if len(previews) == 1 and not fits[0].count:
                raise SessionError(_refusal(fits[0]))
            args = {
                "clicks": clicks,
                "plane": plane,
                "overwrite": overwrite,
                "model": digest,
            }
            change = self._store.change(
                layer, "click", new, plane=plane, window=window, args=args, infos=infos
            )
            return replace(change, note=told(fits, found.areas))

    def propagate(
        self,
        sam: Sam,
        layer: LayerKey,
        label: int,
        plane: int,
        *,
        direction: Literal["both", 1, -1] = "both",
        until: int | None = None,
        min_score: float = 0.5,
        min_overlap: float = 0.3,
        project: Projection = "box",
        progress: Callable[[int, int], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> Propagated:
        """Follow an object from one plane to its neighbours until it ends. Slow.

        Neighbours are the depths of one time point, or the time points of a series without
        depths. In each plane the model predicts where the object of the previous plane is now.
        The object ends where the model is unsure, the mask is too different, or the object is
        annotated already. All planes together are one step; a cancelled run keeps its planes.

        A SAM 2 follows the object with its memory of it instead (`SamTracker`), and needs no
        `project`.

        Parameters
        ----------
        sam : Sam
        layer : LayerKey
        label : int
            The object.
        plane : int
            Where to start.
        direction : {"both", 1, -1}
        until : int, optional
            The last plane to search.
        min_score : float
            Minimum predicted IoU of the mask. A mask from points alone needs only half of it.
        min_overlap : float
            Minimum IoU with the mask in the previous plane.
        project : {"box", "points", "mask"}
            The prompt: a slightly larger box with a point in it, only points, or the box and the
            mask itself.
        progress : callable, optional
            Called with the number of planes done and the maximum number of planes.
        cancel : CancelToken, optional
        """
        self._store.refuse_read_only()
        labels, model = np.array(self._layers.labels(layer)), self.model(sam)
        args: dict[str, Any] = {
            "id": self._layers.check_ids(layer, [label])[0], "plane": plane,
            "direction": direction, "until": until, "min_score": min_score,
            "min_overlap": min_overlap, "project": project, "model": self._noted(model),
            "along": self._images[layer.image].along,
        }  # fmt: skip
        new, planes, ended = followed(model, layer, labels, args, progress, cancel)
        with self._store.mutex:
            # Keep what was changed in the meantime: the object only takes free pixels.
            merged = np.array(self._layers.labels(layer))
            free = (new == label) & ((merged == 0) | (merged == label))
            merged = merged.astype(np.promote_types(merged.dtype, new.dtype))
            merged[free] = label
            change = self._store.change(layer, "propagate", merged, args={**args, "done": planes})
        return Propagated(change, planes, ended)

    def _noted(self, model: ClickModel) -> str:
        """The hash of a model, which the session now knows of."""
        if model.model_hash not in self._runs.models:
            self._runs.use_model(model.sam)
        return model.model_hash


def _refusal(fitted: MaskFit) -> str:
    """Say why a mask makes no object."""
    if sum(fitted.kept.values()) == fitted.wanted:
        return (
            "Other objects cover this whole mask; allow it to take their pixels, or erase them "
            "first."
        )
    return (
        f"{named(sorted(fitted.kept))} would leave only slivers of this mask; allow it to take "
        "pixels, or erase what is in the way first."
    )


def _click_to_json(preview: Preview, fitted: MaskFit) -> dict[str, Any]:
    """Return a click as JSON data for the journal, with all that is needed to repeat it."""
    region = preview.region
    return {
        "prompts": preview.prompts.to_json(),
        "region": [region.top, region.left, region.height, region.width, region.step],
        "candidate": preview.chosen,
        "several": len(preview.scores) > 1,
        "id": fitted.label,
        "takes": sorted(fitted.taken),
    }


def clicked_again(
    model: ClickModel, layer: LayerKey, labels: NDArray[Any], args: Mapping[str, Any]
) -> NDArray[Any]:
    """Repeat a step of kind "click" on labels (H, W) or (planes, H, W)."""
    plane = int(args["plane"])
    new = labels.copy()
    for click in args["clicks"]:
        ready = model.prepare(layer, plane, Region(*click["region"]))
        prompts, mask = ClickPrompts.from_json(click["prompts"]), None
        if prompts.object_id is not None:
            mask = (labels[plane] if labels.ndim == 3 else labels) == prompts.object_id
        preview = model.predict(ready, prompts, bool(click["several"]), mask)
        preview = preview.choose(int(click["candidate"]))
        before = new[plane] if new.ndim == 3 else new
        part = fit(
            before,
            preview.mask,
            int(click["id"]),
            overwrite=args["overwrite"],
            automatic=click.get("takes", ()),
        ).apply(before)
        if new.ndim == 3:
            new = new.astype(np.promote_types(new.dtype, part.dtype))
            new[plane] = part
        else:
            new = part
    return new
