"""The protocol of X-AnyLabeling's Remote-Server: points and boxes in, polygons out.

In X-AnyLabeling (0, 0) is the corner of the first pixel.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from anymask.errors import PromptError
from anymask.masks.mask_set import MaskSet
from anymask.session import ClickPrompts
from anymask.web.bodies import Coordinate, Share
from anymask.web.dialects.desk import Desk, from_corners, json_of
from anymask.web.dialects.outlines import rings_of
from anymask.web.dialects.sent import from_base64

_MODEL = "anymask"
# The label that X-AnyLabeling replaces when another point is set, and asks to name at the end.
_UNNAMED = "AUTOLABEL_OBJECT"
_WIDGETS = {
    "button_run": None,
    "button_add_point": None,
    "button_remove_point": None,
    "button_add_rect": None,
    "button_clear": None,
    "button_finish_object": None,
    "mask_fineness_slider": 5,
    "mask_fineness_value_label": None,
    "toggle_preserve_existing_annotations": True,  # a run replaces nothing
}
_WORDS = {"edit_text": None, "button_send": None}


class _Mark(BaseModel):
    model_config = ConfigDict(extra="ignore")

    type: Literal["point", "rectangle"]
    data: list[Coordinate] = Field(min_length=2, max_length=4)
    label: Annotated[int, Field(ge=0, le=1)] = 1


class _Params(BaseModel):
    model_config = ConfigDict(extra="ignore")

    marks: list[_Mark] = Field(default=[], max_length=1000)
    epsilon_factor: Share = 0.001
    conf_threshold: Share = 0.0
    text_prompt: str = Field(default="", max_length=2000)


class _Asked(BaseModel):
    model_config = ConfigDict(extra="ignore")

    image: str
    params: _Params = _Params()


def routes(desk: Desk) -> APIRouter:
    """Return the addresses of the dialect."""
    made = APIRouter(include_in_schema=False)

    @made.get("/health")
    def health() -> dict[str, Any]:
        return {"status": "healthy", "models_loaded": 1}

    def facts() -> dict[str, Any]:
        widgets = _WIDGETS | (_WORDS if desk.knows_words else {})
        return {
            "display_name": f"anymask ({desk.model_name})",
            "widgets": [{"name": name, "value": value} for name, value in widgets.items()],
            "params": {},
            "batch_processing_mode": "default",
        }

    @made.get("/v1/models")
    def models() -> dict[str, Any]:
        return {"success": True, "data": {_MODEL: facts()}}

    @made.get("/v1/models/{name}/info")
    def info(name: str) -> dict[str, Any]:
        return {"success": True, "data": {"model_id": _MODEL, **facts()}}

    @made.post("/v1/predict")
    async def predict(request: Request) -> dict[str, Any]:
        body = await json_of(request, _Asked)
        image = await desk.image(from_base64(body.image))
        data: dict[str, Any] = {"description": ""}
        if body.params.text_prompt:
            least = body.params.conf_threshold or None  # 0: the user was not asked
            found = await desk.words(request, image, body.params.text_prompt, least)
        elif body.params.marks:
            found = await desk.best(request, image, _prompts(body.params.marks))
            data["replace"] = False  # only the object that is being marked
        else:
            found = await desk.everything(request, image, {})
        data["shapes"] = _shapes(found, body.params.epsilon_factor)
        return {"success": True, "data": data}

    return made


def _prompts(marks: list[_Mark]) -> ClickPrompts:
    prompts, box = ClickPrompts(), None
    for mark in marks:
        if len(mark.data) != (2 if mark.type == "point" else 4):
            raise PromptError("A mark is a point with two numbers, or a rectangle with four.")
        if mark.type == "point":
            x, y = mark.data
            prompts = prompts.with_point(x - 0.5, y - 0.5, mark.label)
        else:
            left, top, right, bottom = mark.data
            box = from_corners((left, top, right, bottom))
    return replace(prompts, box=box)


def _shapes(masks: MaskSet, share: float) -> list[dict[str, Any]]:
    shapes = []
    for index, rings in rings_of(masks, share):
        for ring in rings:
            shapes.append(
                {
                    "label": masks.class_names[index] if masks.class_names else _UNNAMED,
                    "shape_type": "polygon",
                    # Its polygons end where they begin.
                    "points": [*ring.tolist(), ring[0].tolist()],
                    "score": float(masks.predicted_iou[index]),
                    "group_id": index + 1 if len(rings) > 1 else None,
                }
            )
    return shapes
