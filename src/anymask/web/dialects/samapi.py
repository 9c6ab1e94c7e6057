"""samapi, which QuPath's extension for Segment Anything asks: JSON in, GeoJSON features out.

Its coordinates are those of QuPath: (0, 0) is the corner of the first pixel. Points come as whole
numbers, the pixels that hold them. The type of model and the URL of weights in a request are
ignored, for the model is the served one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from anymask import __version__
from anymask.errors import AnymaskError
from anymask.io.features import features_of
from anymask.masks.mask_set import MaskSet
from anymask.session import ClickPrompts
from anymask.web.bodies import Box, Point, Share
from anymask.web.dialects.desk import Desk, from_corners, json_of
from anymask.web.dialects.sent import from_base64


class _Sent(BaseModel):
    model_config = ConfigDict(extra="ignore")  # other versions send more

    b64img: str
    type: str = Field(default="", max_length=40)


class _Prompted(_Sent):
    bbox: Box | None = None
    point_coords: list[Point] | None = Field(default=None, max_length=1000)
    point_labels: list[Annotated[int, Field(ge=0, le=1)]] | None = Field(
        default=None, max_length=1000
    )
    multimask_output: bool = False


class _Everything(_Sent):
    points_per_side: Annotated[int, Field(ge=1, le=128)] | None = None
    pred_iou_thresh: Share | None = None
    stability_score_thresh: Share | None = None
    stability_score_offset: Annotated[float, Field(gt=0, le=100)] | None = None
    box_nms_thresh: Share | None = None
    crop_n_layers: Annotated[int, Field(ge=0, le=3)] | None = None
    crop_nms_thresh: Share | None = None
    crop_overlap_ratio: Annotated[float, Field(ge=0, lt=1)] | None = None
    crop_n_points_downscale_factor: Annotated[int, Field(ge=1, le=16)] | None = None
    min_mask_region_area: Annotated[int, Field(ge=0, le=10**8)] | None = None


def routes(desk: Desk) -> APIRouter:
    """Return the addresses of the dialect."""
    made = APIRouter(prefix="/sam", include_in_schema=False)

    @made.get("/version/", response_class=PlainTextResponse)
    def version() -> str:
        return f"anymask {__version__}"

    @made.get("/weights/")
    def weights(type: Annotated[str, Query(max_length=40)] = "") -> list[dict[str, str]]:
        # The extension lists these names for each type of model.
        return [{"type": type, "name": f"anymask {desk.model_name}", "url": "anymask"}]

    @made.post("/weights/")
    def register() -> None:
        raise AnymaskError(
            "Weights are chosen when the server starts, with anymask serve --model; choose the "
            "weights that the list shows."
        )

    @made.get("/weights/cancel/", response_class=PlainTextResponse)
    def cancel() -> str:
        return "Nothing is being downloaded."

    @made.get("/progress/")
    def progress() -> dict[str, Any]:
        return {"message": None, "percent": -1}

    @made.post("/")
    async def predict(request: Request) -> list[dict[str, Any]]:
        body = await json_of(request, _Prompted)
        image = await desk.image(from_base64(body.b64img))
        prompts = ClickPrompts(
            tuple(body.point_coords or ()),
            tuple(body.point_labels or ()),
            None if body.bbox is None else from_corners(body.bbox),
        )
        (found,) = await desk.predict(request, image, [prompts], body.multimask_output)
        return _features(found, body.type)

    @made.post("/automask/")
    async def automask(request: Request) -> list[dict[str, Any]]:
        body = await json_of(request, _Everything)
        image = await desk.image(from_base64(body.b64img))
        options = body.model_dump(exclude={"b64img", "type"})
        return _features(await desk.everything(request, image, options), body.type)

    @made.post("/{other:path}")
    def missing(other: str) -> None:
        raise AnymaskError(
            f"anymask does not answer /sam/{other[:40]}; send points or boxes, or ask for "
            "everything. Text and video are not answered."
        )

    return made


def _features(masks: MaskSet, kind: str) -> list[dict[str, Any]]:
    features = []
    ordered = replace(masks, object_ids=np.arange(1, len(masks) + 1))  # in their own order
    for feature in features_of(ordered, None):
        if feature["geometry"] is None:
            continue
        # An "object_idx", which the server of that name also sends, would become a class.
        feature["properties"] = {
            "objectType": "annotation",
            "label": "object",
            "quality": feature["properties"].get("predicted_iou", 0.0),
            "sam_model": kind,
        }
        features.append(feature)
    return features
