"""Changing the masks of a layer by hand: painting, erasing, merging, splitting, cleaning."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from anymask.files import check_free, whole_file
from anymask.masks.choose import binarise, keep
from anymask.masks.mask_set import MaskSet
from anymask.masks.objects import Crop
from anymask.session.deltas import Delta, Window
from anymask.session.errors import SessionError
from anymask.session.label_edits import Labels, edited, placed
from anymask.session.objects import SessionObjects
from anymask.session.records import Change, LayerKey, ObjectInfo


class SessionEdits(SessionObjects):
    """Edits; each is one step, written to the journal before it is done."""

    def record_pixels(
        self,
        layer: LayerKey,
        array: Labels,
        window: Window | None = None,
        kind: str = "paint",
        *,
        continues: bool = False,
    ) -> Change | None:
        """Take over what was painted into a copy of the labels.

        Call it when the mouse is released, and every second while it is down.

        Parameters
        ----------
        layer : LayerKey
        array : array of the shape of the labels
            The copy, painted on.
        window : tuple of slice, optional
            The part in which something may have changed; looks everywhere by default.
        kind : str
            What to call it: "paint", "fill", "polygon", "erase", ….
        continues : bool
            Whether this is more of the stroke of the call before, and is undone together with it.

        Returns
        -------
        Change or None
            None if nothing differs.

        Raises
        ------
        SessionError
            If the array is of another shape, or is no labels.
        """
        with self._mutex:
            found = self._layer(layer)
            _check_labels(array, found.labels.shape)
            part = array if window is None else array[window]
            if part.dtype.kind == "i" and part.size and part.min() < 0:
                raise SessionError("Labels are whole numbers from 0 on; one is below.")
            delta = Delta.between(found.labels, array, window)
            if delta is None:
                return None
            args = {"continues": True} if continues and self.can_undo(layer) == kind else {}
            return self._commit(layer, found.step_to(kind, delta, args=args))

    def erase(self, layer: LayerKey, ids: Iterable[int], plane: int | None = None) -> Change:
        """Remove objects, of a stack from one plane or from all."""
        args = {"ids": self._known(layer, ids), "plane": plane}
        return self._edit(layer, "erase", args)

    def merge(self, layer: LayerKey, ids: Iterable[int]) -> Change:
        """Make one object of several; it has the smallest of their ids."""
        wanted = self._known(layer, ids)
        if len(wanted) < 2:
            raise SessionError("Choose two objects or more to merge.")
        return self._edit(layer, "merge", {"ids": wanted})

    def split(
        self,
        layer: LayerKey,
        label: int,
        plane: int | None = None,
        how: Literal["components", "watershed"] = "components",
    ) -> Change:
        """Split an object: into its connected pieces, or at its narrow places.

        The largest part keeps the id, the others get new ones.

        Raises
        ------
        SessionError
            If it is in one piece.
        """
        args = {"ids": self._known(layer, [label]), "plane": plane, "how": how}
        change = self._edit(layer, "split", args)
        if not change.ids:
            raise SessionError(f"Object {label} cannot be split this way; it is in one piece.")
        return change

    def clean(
        self,
        layer: LayerKey,
        ids: Iterable[int] | None = None,
        *,
        fill_holes: bool | float = False,
        min_area: float | None = None,
        min_piece: float | None = None,
        largest: bool = False,
        smooth: float | None = None,
        clear_border: bool = False,
        plane: int | None = None,
    ) -> Change:
        """Clean objects up, in this order: holes, pieces, outline, size, border.

        Parameters
        ----------
        layer : LayerKey
        ids : iterable of int, optional
            All objects by default. The others keep their pixels.
        fill_holes : bool or float
            True for all holes, or those of at most so many pixels.
        min_area, min_piece : float, optional
            Remove objects, or pieces of objects, of fewer pixels.
        largest : bool
            Keep only the largest piece of each.
        smooth : float, optional
            Radius in pixels by which the outline is smoothed.
        clear_border : bool
            Remove objects that touch the picture's border.
        plane : int, optional
            Of a stack: one plane; all by default, each by itself.
        """
        args = {
            "ids": None if ids is None else self._known(layer, ids), "fill_holes": fill_holes,
            "min_area": min_area, "min_piece": min_piece, "largest": largest, "smooth": smooth,
            "clear_border": clear_border, "plane": plane,
        }  # fmt: skip
        return self._edit(layer, "clean", args)

    def matching(self, layer: LayerKey, choice: str, plane: int = 0) -> list[int]:
        """Ids of the objects that a list or a condition means; see `keep`."""
        return [int(i) for i in keep(self.masks(layer, plane), choice).ids]

    def keep(self, layer: LayerKey, choice: str, plane: int | None = None) -> Change:
        """Keep the objects of some ids, or those for which a condition holds; remove the others.

        Parameters
        ----------
        layer : LayerKey
        choice : str
            As `anymask.masks.choose.keep` takes it: "1-8,14" or "area > 200 and
            circularity > .8".
        plane : int, optional
            Of a stack: one plane; all by default.
        """
        planes = range(self.image(layer.image).planes) if plane is None else [plane]
        if isinstance(plane, int) or len(planes) == 1:
            wanted = set(self.matching(layer, choice, planes[0]))
            there = {int(i) for i in self.masks(layer, planes[0]).ids}
            gone = sorted(there - wanted)
        else:
            found = self.objects(layer).ids
            kept = {i for p in planes for i in self._matching_in(layer, choice, p)}
            gone = [int(i) for i in found if int(i) not in kept]
        return self._edit(layer, "keep", {"ids": gone, "plane": plane, "choice": choice})

    def _matching_in(self, layer: LayerKey, choice: str, plane: int) -> list[int]:
        masks = self.masks(layer, plane)
        return [int(i) for i in keep(masks, choice, missing_ids=True).ids] if len(masks) else []

    def binarise(
        self, layer: LayerKey, choice: str | None = None, plane: int = 0
    ) -> NDArray[np.bool_]:
        """One boolean mask of all objects, or of those that a list or a condition means."""
        return binarise(self.masks(layer, plane), choice)

    def save_binary(
        self,
        layer: LayerKey,
        choice: str | None,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        plane: int = 0,
    ) -> None:
        """Write what `binarise` returns as a PNG or TIFF of 0 and 255."""
        import imageio.v3 as imageio

        target = Path(path)
        check_free(target, overwrite)
        mask = self.binarise(layer, choice, plane)
        with whole_file(target) as part:
            imageio.imwrite(part, mask.astype(np.uint8) * 255)

    def import_labels(
        self, layer: LayerKey, labels: Labels | str | os.PathLike[str], *, replace: bool = False
    ) -> Change:
        """Put a label image, or masks from a file of any format of ours, in place of a layer's.

        Raises
        ------
        EditedError
            If the layer was edited and `replace` is false.
        """
        if not replace:
            self._refuse_edited([layer], "replaced")
        names: Mapping[int, str] = {}
        if not isinstance(labels, np.ndarray):
            from anymask.io.read_masks import load_masks

            masks: MaskSet = load_masks(labels, self.image(layer.image).size)
            labels = masks.to_labels()
            names = dict(zip(masks.ids.tolist(), masks.class_names or (), strict=False))
        with self._mutex:
            found = self._layer(layer)
            _check_labels(labels, found.labels.shape)
            infos = {
                int(i): ObjectInfo(names.get(int(i), ""), origin="import")
                for i in np.unique(labels)
                if i
            }
            delta = Delta.between(found.labels, labels)
            step = found.step_to("import", delta, infos=infos, renew=True)
            return self._commit(layer, step)

    def place(
        self,
        layer: LayerKey,
        crop: Crop,
        label: int | None = None,
        *,
        plane: int = 0,
        overwrite: bool = False,
        info: ObjectInfo | None = None,
        kind: str = "mask",
        args: Mapping[str, Any] | None = None,
    ) -> Change:
        """Make an object of a mask from anywhere.

        Parameters
        ----------
        layer : LayerKey
        crop : Crop
            The mask, cut out.
        label : int, optional
            An object whose pixels in this plane the mask replaces; a new one by default.
        plane : int
        overwrite : bool
            Whether it takes pixels from other objects.
        info, kind, args
            What becomes known of the object; what the step is called, and how it came about.
        """
        with self._mutex:
            found = self._layer(layer)
            label = found.next_id if label is None else int(label)
            new = np.array(found.labels[plane] if found.labels.ndim == 3 else found.labels)
            new = placed(new, crop, label, overwrite=overwrite)
            step = found.step_to(
                kind,
                self._plane_delta(found.labels, new, plane),
                args={**(args or {}), "id": label, "plane": plane, "overwrite": overwrite},
                infos={label: info or ObjectInfo(origin=kind)},
            )
            return self._commit(layer, step)

    def _plane_delta(self, labels: Labels, new: Labels, plane: int) -> Delta | None:
        if labels.ndim == 2:
            return Delta.between(labels, new)
        delta = Delta.between(labels[plane], new)
        if delta is None:
            return None
        return Delta((plane, *delta.start), delta.before[None], delta.after[None])

    def _edit(self, layer: LayerKey, kind: str, args: dict[str, Any]) -> Change:
        """Do one of `EDITS` with the labels."""
        with self._mutex:
            found = self._layer(layer)
            new = edited(kind, found.labels, args)
            infos: dict[int, ObjectInfo] = {}
            if kind == "split":
                parent = found.objects.get(args["ids"][0], ObjectInfo())
                infos = {int(i): parent for i in np.unique(new) if i and i not in found.areas}
            step = found.step_to(kind, Delta.between(found.labels, new), args=args, infos=infos)
            return self._commit(layer, step)


def _check_labels(array: Labels, shape: tuple[int, ...]) -> None:
    if array.shape != shape or array.dtype.kind not in "ui":
        raise SessionError(
            f"Labels must be whole numbers of shape {shape}, and these are {array.dtype} of shape "
            f"{array.shape}."
        )
