"""Images: the list, their pictures, their pseudo-RGBs, and new ones that are sent."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from anymask.errors import AnymaskError
from anymask.files import whole_file
from anymask.io.registry import image_format_by_suffix
from anymask.session import DEFAULT_RECIPE, ImageRecord, LayerKey
from anymask.web.bodies import PseudoRgb
from anymask.web.guarding import TooLarge
from anymask.web.routes.asked import At, Record, Work
from anymask.web.self_contained import check_self_contained
from anymask.web.tiles import SIDE, Form
from anymask.web.workplace import Workplace

routes = APIRouter(prefix="/v1", tags=["images"])

# A picture is known by its content; the address changes with it.
_LASTING = {"cache-control": "private, max-age=86400"}
# Pixels times bands of an image that is sent: what a file may claim and then need as memory.
_MOST_VALUES = 2**29
_UNSAFE = re.compile(r"[\x00-\x1f/\\:*?\"<>|]")


@routes.get("/images")
def list_images(work: Work) -> dict[str, Any]:
    """List the images with their state: new, segmented, edited or saved."""
    return {"images": [_image(work, record) for record in work.session.images]}


@routes.get("/images/{image}")
def get_image(work: Work, record: Record) -> dict[str, Any]:
    """Describe one image."""
    return _image(work, record)


@routes.post("/images", status_code=201)
async def send_image(
    work: Work,
    request: Request,
    name: Annotated[str, Query(min_length=1, max_length=200, description="Its file name.")],
) -> dict[str, Any]:
    """Add an image, whose file is the body of the request; nothing is overwritten."""
    path = work.place.uploads / _safe(name)
    form = image_format_by_suffix(path)
    if form is None or form.is_folder:
        raise AnymaskError(
            f"{path.name} cannot be sent; send an image of one file, such as PNG, JPEG or TIFF."
        )
    _check_new(path)
    with whole_file(path) as part:
        with part.open("wb") as file:
            async for block in request.stream():
                await run_in_threadpool(file.write, block)
        _check_new(path)
    return await run_in_threadpool(_added, work, path)


@routes.get("/images/{image}/thumbnail", response_class=Response)
def get_thumbnail(
    work: Work, record: Record, side: Annotated[int, Query(ge=16, le=512)] = 128
) -> Response:
    """Return a small picture as WebP."""
    return Response(
        work.tiles.thumbnail(record.id, side), media_type="image/webp", headers=_LASTING
    )


@routes.get("/images/{image}/picture", response_class=Response)
def get_picture(work: Work, at: At, format: Form = "png") -> Response:
    """Return the picture that the model sees, reduced if a side has more than 4096 pixels."""
    made = work.tiles.picture(at.layer, at.plane, format)
    return Response(made, media_type=f"image/{format}", headers=_LASTING)


@routes.get("/images/{image}/tiles/{level}/{column}/{row}", response_class=Response)
def get_tile(
    work: Work,
    at: At,
    level: Annotated[int, Path(ge=0, le=30)],
    column: Annotated[int, Path(ge=0, le=10**7)],
    row: Annotated[int, Path(ge=0, le=10**7)],
) -> Response:
    """Return a tile of 512 pixels a side as WebP; level n reduces the image by 2ⁿ."""
    made = work.tiles.tile(at.layer, at.plane, level, column, row)
    return Response(made, media_type="image/webp", headers=_LASTING)


@routes.post("/pseudo-rgbs", tags=["images"])
def add_pseudo_rgb(work: Work, body: PseudoRgb) -> dict[str, Any]:
    """Add a pseudo-RGB to all images that it fits."""
    added = work.session.images.add_recipe_where_it_fits(*body.source, name=body.name)
    return {
        "name": added.recipe.name,
        "images": list(added.ids),
        "refused": [{"image": image, "error": sentence} for image, sentence in added.refused],
    }


def _image(work: Workplace, record: ImageRecord) -> dict[str, Any]:
    session = work.session
    height, width = record.size
    return {
        "id": record.id,
        "name": record.name,
        "width": width,
        "height": height,
        "planes": record.planes,
        "places": [record.place_of(plane) for plane in range(record.planes)]
        if 1 < record.planes <= 2000
        else [],
        "bands": record.bands,
        "state": session.images.state(record.id),
        "missing": session.images.is_missing(record.id),
        "levels": work.tiles.levels(record.id),
        "tile": SIDE,
        "rgbs": [
            {
                "name": how.name,
                "is_default": how.source == DEFAULT_RECIPE.source,
                "state": session.layers.state(key),
                "picture": session.images.rgb_hash(key),
            }
            for how in record.recipes
            for key in [LayerKey(record.id, how.name)]
        ],
    }


def _safe(name: str) -> str:
    """Return a file name that stays in its folder, whatever a browser sent.

    >>> _safe("../../etc/a b.png")
    'a b.png'
    """
    last = re.split(r"[/\\]", name)[-1]
    kept = _UNSAFE.sub("_", last).strip().lstrip(".")
    if not kept:
        raise AnymaskError("The image has no name; send the name of its file.")
    return kept


def _check_new(path: FilePath) -> None:
    if os.path.lexists(path):
        raise AnymaskError(f"There is a file {path.name} already; give yours another name.")


def _added(work: Workplace, path: FilePath) -> dict[str, Any]:
    """Add a file that was sent; a file that is no image is removed again."""
    try:
        check_self_contained(path)
    except AnymaskError:
        os.unlink(path)
        raise
    added = work.session.images.add(path)
    if not added.ids:
        os.unlink(path)
        raise AnymaskError(
            added.failed[0].sentence if added.failed else f"{path.name} is here already."
        )
    record = work.session.images[added.ids[0]]
    if math.prod(record.shape) > _MOST_VALUES:
        work.session.images.remove(added.ids)
        os.unlink(path)
        raise TooLarge
    return _image(work, record)
