"""The protocol of Label Studio's machine learning backends: smart points and boxes in, masks out.

In Label Studio coordinates are percentages of the image's sides.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from anymask import __version__
from anymask.errors import PromptError
from anymask.io.guards import parse_xml
from anymask.masks.mask_set import MaskSet
from anymask.session import ClickPrompts
from anymask.web.dialects.brush_rle import brush_rle
from anymask.web.dialects.desk import Desk, from_corners, json_of
from anymask.web.dialects.label_studio_files import LabelStudio
from anymask.web.dialects.outlines import rings_of

_Value = dict[str, Any]
_Percent = Annotated[float, Field(ge=-100, le=200, allow_inf_nan=False)]
# Results may be written for one kind of control; lower case is the type of a result.
_BRUSHES, _POLYGONS = ("BrushLabels", "Brush"), ("PolygonLabels", "Polygon")
_TOLERANCE = 0.0005  # of a polygon's length


class _Place(BaseModel):
    model_config = ConfigDict(extra="allow")

    x: _Percent
    y: _Percent
    width: _Percent = 0.0
    height: _Percent = 0.0


class _Region(BaseModel):
    model_config = ConfigDict(extra="ignore")

    type: str = Field(max_length=40)
    value: _Value
    is_positive: bool = True


class _Context(BaseModel):
    model_config = ConfigDict(extra="ignore")

    result: list[_Region] = Field(default=[], max_length=1000)


class _Params(BaseModel):
    model_config = ConfigDict(extra="ignore")

    context: _Context | None = None


class _Task(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: int | None = None
    data: dict[str, Any] = {}


class _Asked(BaseModel):
    model_config = ConfigDict(extra="ignore")

    tasks: list[_Task] = Field(default=[], max_length=1000)
    label_config: str = Field(default="", max_length=1_000_000)
    params: _Params | None = None


class _Setup(BaseModel):
    model_config = ConfigDict(extra="ignore")

    access_token: str = Field(default="", max_length=10_000)


@dataclass(frozen=True)
class Control:
    """The tag of a labeling configuration that masks are written for.

    Attributes
    ----------
    tag, name, image : str
        Such as "BrushLabels", its name, and the name of the image tag.
    data : str
        The key of a task's data with the image.
    labels : tuple of str
    """

    tag: str
    name: str
    image: str
    data: str
    labels: tuple[str, ...]


def routes(desk: Desk, label_studio: LabelStudio) -> APIRouter:
    """Return the addresses of the dialect."""
    made = APIRouter(include_in_schema=False)
    version = f"anymask {__version__} {desk.model_name}"

    @made.get("/")
    @made.get("/health")
    def health() -> dict[str, str]:
        return {"status": "UP", "model_class": "anymask"}

    @made.get("/versions")
    def versions() -> dict[str, list[str]]:
        return {"versions": [version]}

    @made.post("/train")
    @made.post("/webhook")
    def nothing() -> dict[str, str]:
        return {}  # the model is not trained here

    @made.post("/setup")
    async def setup(request: Request) -> dict[str, str]:
        body = await json_of(request, _Setup)
        if body.access_token:
            label_studio.take_key(body.access_token)
        return {"model_version": version}

    @made.post("/predict")
    async def predict(request: Request) -> dict[str, Any]:
        body = await json_of(request, _Asked)
        regions = body.params.context.result if body.params and body.params.context else []
        # Without smart tools there is nothing to find; each task still needs its result.
        results: list[dict[str, Any]] = [{"result": [], "score": 0.0} for _ in body.tasks]
        if regions and body.tasks:
            task, control = body.tasks[0], control_of(body.label_config)
            place = str(task.data.get(control.data, ""))
            image = await desk.image(await run_in_threadpool(label_studio.file, place, task.id))
            found = await desk.best(request, image, _prompts(regions, image.size))
            results[0] = await run_in_threadpool(_result, found, control, _label(regions, control))
        return {"results": results, "model_version": version}

    return made


def control_of(config: str) -> Control:
    """Return the first tag of a labeling configuration that holds masks of an image.

    Raises
    ------
    PromptError
        If there is none.
    """
    root = parse_xml(config.encode(), "The labeling configuration")
    images = {tag.get("name", ""): tag.get("value", "") for tag in root.iter("Image")}
    for tag in root.iter():
        image = tag.get("toName", "")
        if tag.tag in _BRUSHES + _POLYGONS and image in images:
            labels = tuple(str(each.get("value")) for each in tag.iter("Label"))
            key = images[image].lstrip("$")
            return Control(tag.tag, tag.get("name", ""), image, key, labels)
    raise PromptError(
        "The labeling configuration has no place for masks; add BrushLabels or PolygonLabels for "
        "the image."
    )


def _prompts(regions: list[_Region], size: tuple[int, int]) -> ClickPrompts:
    scale_y, scale_x = size[0] / 100, size[1] / 100
    prompts, box = ClickPrompts(), None
    for region in regions:
        kind = region.type.removesuffix("labels")
        if kind not in ("keypoint", "rectangle"):
            continue
        try:
            at = _Place.model_validate(region.value)
        except ValidationError as error:
            raise PromptError("A smart point or box has no place; set it again.") from error
        if kind == "keypoint":
            x, y = at.x * scale_x - 0.5, at.y * scale_y - 0.5
            prompts = prompts.with_point(x, y, int(region.is_positive))
        else:
            right, bottom = at.x + at.width, at.y + at.height
            sides = at.x * scale_x, at.y * scale_y, right * scale_x, bottom * scale_y
            box = from_corners(sides)
    return ClickPrompts(prompts.points, prompts.labels, box)


def _label(regions: list[_Region], control: Control) -> str | None:
    """The label that the user chose, if the control has it too; else its only one."""
    for region in reversed(regions):
        for name in region.value.get(region.type) or []:
            if name in control.labels:
                return str(name)
    return control.labels[0] if len(control.labels) == 1 else None


def _result(masks: MaskSet, control: Control, label: str | None) -> dict[str, Any]:
    height, width = masks.image_size
    kind, score = control.tag.lower(), float(masks.predicted_iou[0])
    values: list[_Value] = []
    if control.tag in _BRUSHES:
        values = [{"format": "rle", "rle": brush_rle(masks[0])}] if masks.areas[0] else []
    else:
        for _, rings in rings_of(masks, _TOLERANCE):
            scale = [100 / width, 100 / height]
            values = [{"points": (ring * scale).tolist(), "closed": True} for ring in rings]
    if label is not None:
        values = [{**value, kind: [label]} for value in values]
    results = [
        {
            "id": secrets.token_hex(5),
            "from_name": control.name,
            "to_name": control.image,
            "type": kind,
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": value,
            "score": score,
            "readonly": False,
        }
        for value in values
    ]
    return {"result": results, "score": score}
