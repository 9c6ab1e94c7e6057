"""CVAT's detection function: every object of each image, as masks or polygons.

``cvat-cli task auto-annotate 7 --function-module anymask.cvat.everything -p label=str:cell``
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cvat_sdk.auto_annotation as cvataa
import numpy as np

from anymask.cvat.encoding import cvat_mask
from anymask.masks.objects import objects_of
from anymask.masks.polygons import joined, outlines

if TYPE_CHECKING:
    from anymask.model.sam import Sam


def create(
    label: str = "object",
    model: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    points_per_side: int = 32,
    stability_score_thresh: float | None = None,
    min_area: int = 1,
) -> Everything:
    """Make the function; its parameters are those of ``-p NAME=TYPE:VALUE``.

    Parameters
    ----------
    label : str
        The label of the task that masks get.
    model, device, dtype : str
        As for `anymask.load`; by default the shipped model.
    points_per_side : int
        Points along each side of the image at which the model is asked.
    stability_score_thresh : float, optional
        By default the model's own. CVAT's ``--conf-threshold`` is the other threshold, that of
        the predicted IoU.
    min_area : int
        Smaller masks are left out, in pixels.
    """
    from anymask.checkpoints.loading import load

    options = {
        "points_per_side": points_per_side,
        "stability_score_thresh": stability_score_thresh,
    }
    sam = load(model, device=device, dtype=dtype)
    return Everything(sam, label, options, min_area)


class Everything:
    """Finds every object of an image; see `create`.

    Attributes
    ----------
    spec : cvat_sdk.auto_annotation.DetectionFunctionSpec
        The one label.
    """

    def __init__(self, sam: Sam, label: str, options: dict[str, Any], min_area: int) -> None:
        self._sam, self._options, self._min_area = sam, options, min_area
        self.spec = cvataa.DetectionFunctionSpec(labels=[cvataa.label_spec(label, 0)])

    def detect(self, context: Any, image: Any) -> list[Any]:
        """Return the objects of an image as CVAT's shapes.

        Parameters
        ----------
        context : cvat_sdk.auto_annotation.DetectionFunctionContext
        image : PIL.Image.Image
        """
        from anymask.predict.everything.generator import SamAutomaticMaskGenerator

        generator = SamAutomaticMaskGenerator(
            self._sam, pred_iou_thresh=context.conf_threshold, **self._options
        )
        found = generator.generate_masks(np.asarray(image.convert("RGB")))
        found = found.filter(min_area=max(self._min_area, 1))
        if context.conv_mask_to_poly:
            return [
                cvataa.polygon(0, joined([polygon]).astype(float).ravel().tolist())
                for _, polygons in outlines(found)
                for polygon in polygons
            ]
        return [cvataa.mask(0, cvat_mask(crop)) for _, crop in objects_of(found)]
