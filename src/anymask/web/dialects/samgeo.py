"""The protocol of samgeo-api, which GeoLibre's segmentation panel asks: a form in, GeoJSON out."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from fastapi.concurrency import run_in_threadpool
from pydantic import TypeAdapter, ValidationError

from anymask import __version__
from anymask.errors import PromptError
from anymask.io.features import features_of
from anymask.io.mask_formats.geojson import crs_urn
from anymask.io.write_masks import save_masks
from anymask.masks.mask_set import MaskSet
from anymask.prompts.placing import WGS84, TargetImage, same_crs, to_pixels
from anymask.session import ClickPrompts
from anymask.web.bodies import Box, Point
from anymask.web.dialects.desk import Desk
from anymask.web.dialects.sent import SentImage

_Format = Literal["geojson", "geotiff", "png"]
_Sent = Annotated[UploadFile, File()]
_Text = Annotated[str, Form(max_length=1_000_000)]
_Area = Annotated[int, Form(ge=0, le=10**9)]
_FILES: dict[_Format, tuple[str, str, str]] = {
    "geotiff": ("labels", "mask.tif", "image/tiff"),
    "png": ("png", "mask.png", "image/png"),
}
_POINTS: TypeAdapter[list[Any]] = TypeAdapter(list[Point])
_LABELS: TypeAdapter[list[Any]] = TypeAdapter(list[Literal[0, 1]])
_BOXES: TypeAdapter[Any] = TypeAdapter(list[Box] | Box)


def routes(desk: Desk) -> APIRouter:
    """Return the addresses of the dialect."""
    made = APIRouter(include_in_schema=False)

    @made.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok", "version": __version__}

    @made.get("/models")
    def models() -> dict[str, Any]:
        name = desk.model_name
        return {"models": {"anymask": [name]}, "loaded": [["anymask", name]]}

    @made.post("/segment/automatic")
    async def automatic(
        request: Request,
        file: _Sent,
        output_format: Annotated[_Format, Form()] = "geojson",
        points_per_side: Annotated[int, Form(ge=1, le=128)] = 32,
        pred_iou_thresh: Annotated[float | None, Form(ge=0, le=1)] = None,
        stability_score_thresh: Annotated[float | None, Form(ge=0, le=1)] = None,
        min_size: _Area = 0,
        max_size: _Area = 0,
    ) -> Response:
        image = await desk.image(await file.read())
        options = {
            "points_per_side": points_per_side,
            "pred_iou_thresh": pred_iou_thresh,
            "stability_score_thresh": stability_score_thresh,
        }
        found = await desk.everything(request, image, options)
        return await run_in_threadpool(_answer, found, image, output_format, min_size, max_size)

    @made.post("/segment/predict")
    async def predict(
        request: Request,
        file: _Sent,
        output_format: Annotated[_Format, Form()] = "geojson",
        point_coords: _Text = "",
        point_labels: _Text = "",
        boxes: _Text = "",
        point_crs: Annotated[str, Form(max_length=10_000)] = "",
        min_size: _Area = 0,
        max_size: _Area = 0,
    ) -> Response:
        image = await desk.image(await file.read())
        points = _list(_POINTS, point_coords, "point_coords")
        labels = _list(_LABELS, point_labels, "point_labels") or [1] * len(points)
        sides = _list(_BOXES, boxes, "boxes")
        placed = _placed(image, point_crs, points)
        corners = np.array(sides, np.float64).reshape(-1, 4)[:, [0, 1, 2, 3, 0, 3, 2, 1]]
        # A box may be turned on the way from the map: the one around its corners is meant.
        turned = _placed(image, point_crs, corners.reshape(-1, 2)).reshape(-1, 4, 2)
        framed = np.concatenate([turned.min(1), turned.max(1)], 1)
        several = [(x0, y0, x1, y1) for x0, y0, x1, y1 in framed.tolist()]
        given = tuple((x, y) for x, y in placed.tolist())
        objects = [ClickPrompts(given, tuple(labels), box) for box in several]
        objects = objects or [ClickPrompts(given, tuple(labels))]
        found = await desk.predict(request, image, objects)
        masks = MaskSet.concatenate(found, image.size)
        return await run_in_threadpool(_answer, masks, image, output_format, min_size, max_size)

    @made.post("/segment/text")
    async def text(
        request: Request,
        file: _Sent,
        prompt: Annotated[str, Form(max_length=2000)],
        output_format: Annotated[_Format, Form()] = "geojson",
        confidence_threshold: Annotated[float | None, Form(ge=0, le=1)] = None,
        min_size: _Area = 0,
        max_size: _Area = 0,
    ) -> Response:
        image = await desk.image(await file.read())
        masks = await desk.words(request, image, prompt, confidence_threshold)
        return await run_in_threadpool(_answer, masks, image, output_format, min_size, max_size)

    return made


def _list(kind: TypeAdapter[Any], text: str, name: str) -> Any:
    if not text:
        return []
    try:
        return kind.validate_json(text)
    except ValidationError as error:
        raise PromptError(f"{name} is malformed; send a list of numbers as JSON.") from error


def _placed(image: SentImage, crs: str, points: Any) -> Any:
    """Points (N, 2) on the map, or in pixels, as points in pixels."""
    given = np.array(points, np.float64).reshape(-1, 2)
    if not crs or not len(given):
        return given
    # What a user of the map draws is longitude before latitude, whatever the code says.
    named = WGS84 if same_crs(crs, "EPSG:4326") else crs
    return to_pixels(TargetImage.of(image.image), named, None, given)(given)


def _answer(masks: MaskSet, image: SentImage, form: _Format, least: int, most: int) -> Response:
    areas = masks.areas
    kept = masks.select((areas >= max(least, 1)) & (areas <= (most or areas.max(initial=0))))
    if form == "geojson":
        collection = _collection(kept, image)
        return Response(json.dumps(collection, allow_nan=False), media_type="application/geo+json")
    with TemporaryDirectory(prefix="anymask-sent-") as folder:
        name, file, kind = _FILES[form]
        path = Path(folder) / file
        save_masks(kept, path, name, image=image.image)
        return Response(path.read_bytes(), media_type=kind)


def _collection(masks: MaskSet, image: SentImage) -> dict[str, Any]:
    geo = image.image.geo or {}
    features = features_of(masks, geo.get("transform"))
    for feature in features:
        feature["properties"]["score"] = feature["properties"].pop("predicted_iou", None)
    collection: dict[str, Any] = {"type": "FeatureCollection", "features": features}
    crs = geo.get("crs")
    if "transform" in geo and isinstance(crs, str) and crs[:5].upper() == "EPSG:":
        collection["crs"] = {"type": "name", "properties": {"name": crs_urn(crs)}}
    return collection
