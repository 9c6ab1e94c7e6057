"""From previews to objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.session.errors import SessionError
from anymask.session.label_edits import placed
from anymask.session.prompts import Prompts
from anymask.session.records import Change, LayerKey, ObjectInfo
from anymask.session.regions import Region
from anymask.session.running import SessionRuns

if TYPE_CHECKING:
    from anymask.session.clicking import Clicker, Preview


class SessionClicks(SessionRuns):
    """Objects made by clicking."""

    def commit(
        self,
        preview: Preview,
        *,
        id: int | None = None,
        class_name: str = "",
        overwrite: bool = False,
    ) -> Change:
        """Make an object of a preview's chosen mask.

        Parameters
        ----------
        preview : Preview
        id : int, optional
            An object whose pixels (in this plane) the mask replaces; a new one by default.
        class_name : str
        overwrite : bool
            Whether it takes pixels from other objects.

        Raises
        ------
        SessionError
            If nothing is left of it beside the objects that are there.
        """
        return self._commit_all([preview], [id], class_name, overwrite)

    def commit_many(
        self, previews: Sequence[Preview], *, class_name: str = "", overwrite: bool = False
    ) -> Change:
        """Make a new object of each of several previews of one layer, as one step."""
        if not previews:
            raise SessionError("There is nothing to make objects of.")
        return self._commit_all(previews, [None] * len(previews), class_name, overwrite)

    def _commit_all(
        self,
        previews: Sequence[Preview],
        ids: Sequence[int | None],
        class_name: str,
        overwrite: bool,
    ) -> Change:
        layer, plane = previews[0].layer, previews[0].plane
        if class_name and all(c.name != class_name for c in self.classes):
            self.set_classes([*((c.name, c.color) for c in self.classes), (class_name, None)])
        crops = [preview.mask for preview in previews]  # of large pictures this takes a moment
        with self._mutex:
            found = self._layer(layer)
            following, clicks, infos = found.next_id, [], {}
            whole = found.labels
            new = np.array(whole[plane] if whole.ndim == 3 else whole)
            for preview, crop, wanted in zip(previews, crops, ids, strict=True):
                label = following if wanted is None else int(wanted)
                following = max(following, label + 1)
                new = placed(new, crop, label, overwrite=overwrite)
                before = found.objects.get(label)
                name = class_name or (before.class_name if before is not None else "")
                infos[label] = ObjectInfo(name, preview.score, origin="click")
                clicks.append(click_to_json(preview, label))
            if len(previews) == 1 and not (new == label).any():
                raise SessionError(
                    "All of this mask lies on other objects; allow it to take their pixels, or "
                    "erase them first."
                )
            args = {
                "clicks": clicks,
                "plane": plane,
                "overwrite": overwrite,
                "model": self._model_hash(),
            }
            delta = self._plane_delta(whole, new, plane)
            return self._commit(layer, found.step_to("click", delta, args=args, infos=infos))


def click_to_json(preview: Preview, label: int) -> dict[str, Any]:
    """A click as the journal has it: all that is needed to do it again."""
    region = preview.region
    return {
        "prompts": preview.prompts.to_json(),
        "region": [region.top, region.left, region.height, region.width, region.step],
        "candidate": preview.chosen,
        "several": len(preview.scores) > 1,
        "id": label,
    }


def clicked_again(
    clicker: Clicker,
    layer: LayerKey,
    labels: NDArray[Any],
    args: Mapping[str, Any],
) -> NDArray[Any]:
    """Do a step of kind "click" again, on labels (H, W) or (planes, H, W)."""
    plane = int(args["plane"])
    new = labels.copy()
    for click in args["clicks"]:
        ready = clicker.prepare(layer, plane, Region(*click["region"]))
        prompts = Prompts.from_json(click["prompts"])
        preview = clicker.predict(prompts, multimask=bool(click["several"]), on=ready)
        preview = preview.choose(int(click["candidate"]))
        part = placed(
            new[plane] if new.ndim == 3 else new,
            preview.mask,
            int(click["id"]),
            overwrite=bool(args["overwrite"]),
        )
        if new.ndim == 3:
            new = new.astype(np.promote_types(new.dtype, part.dtype))
            new[plane] = part
        else:
            new = part
    return new
