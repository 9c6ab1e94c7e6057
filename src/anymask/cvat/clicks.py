"""CVAT's interaction function: one object from points and a box, clicked in CVAT's page.

``cvat-cli function create-native anymask --function-module anymask.cvat.clicks`` makes it known to
the server; ``cvat-cli function run-agent ID --function-module anymask.cvat.clicks`` answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cvat_sdk.auto_annotation as cvataa
import numpy as np
from cvat_sdk.models import AttributeValRequest

from anymask.cvat.encoding import cvat_mask
from anymask.masks.objects import boxed

if TYPE_CHECKING:
    from anymask.model.sam import Sam
    from anymask.predict.predictor import SamPredictor


def create(model: str | None = None, device: str = "auto", dtype: str = "auto") -> Clicks:
    """Make the function; its parameters are those of ``-p NAME=TYPE:VALUE``.

    Parameters
    ----------
    model, device, dtype : str
        As for `anymask.load`; by default the shipped model.
    """
    from anymask.checkpoints.loading import load

    return Clicks(load(model, device=device, dtype=dtype))


class Clicks:
    """Segments one object from points and a box; see `create`.

    Attributes
    ----------
    spec : cvat_sdk.auto_annotation.InteractionFunctionSpec
        Points on the object, off it, and a box, none of which is needed alone.
    """

    def __init__(self, sam: Sam) -> None:
        self._sam = sam
        self.spec = cvataa.InteractionFunctionSpec(
            min_pos_points=0, min_neg_points=0, min_bounding_boxes=0
        )

    def preprocess_image(self, context: Any, image: Any) -> SamPredictor:
        """Encode an image, which CVAT's agent keeps for further clicks."""
        from anymask.predict.predictor import SamPredictor

        predictor = SamPredictor(self._sam)
        predictor.set_image(np.asarray(image.convert("RGB")))
        return predictor

    def detect(self, context: Any, pp_image: SamPredictor, prompts: Any) -> list[Any]:
        """Return the mask of an object; nothing if there is neither a point on it nor a box.

        Parameters
        ----------
        context : cvat_sdk.auto_annotation.InteractionFunctionContext
        pp_image : SamPredictor
            What `preprocess_image` returned.
        prompts : cvat_sdk.auto_annotation.InteractionPrompts
        """
        # CVAT counts from the corner of the first pixel, the model from its centre.
        on, off = np.reshape(prompts.pos_points, (-1, 2)), np.reshape(prompts.neg_points, (-1, 2))
        given: dict[str, Any] = {}
        if len(on) + len(off):
            given["point_coords"] = np.concatenate([on, off]) - 0.5
            given["point_labels"] = np.repeat([1, 0], [len(on), len(off)])
        if prompts.bounding_box is not None:
            given["box"] = np.ravel(prompts.bounding_box) - 0.5
        elif not len(on):
            return []
        # A single point may mean a part or the whole: the best of three is taken.
        single = len(on) + len(off) == 1 and prompts.bounding_box is None
        masks, scores, _ = pp_image.predict(multimask_output=single, **given)
        best = int(scores.argmax())
        crop = boxed(masks[best])
        if not crop.pixels.size:
            return []
        confidence = AttributeValRequest(
            spec_id=int(cvataa.InteractionResultAttributes.CONFIDENCE),
            value=f"{min(max(float(scores[best]), 0.0), 1.0):.4f}",
        )
        return [
            cvataa.InteractionResultShape(
                type="mask", points=cvat_mask(crop), attributes=[confidence]
            )
        ]
