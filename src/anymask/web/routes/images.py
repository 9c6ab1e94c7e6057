"""Images: the list, their pictures, their pseudo-RGBs, and new ones that are sent."""

from __future__ import annotations

import math
import os
import re
from contextlib import ExitStack
from pathlib import Path as FilePath
from shutil import copyfileobj
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from anymask.errors import AnymaskError
from anymask.files import whole_file
from anymask.io.image_formats.envi import FORMAT as ENVI
from anymask.io.image_formats.envi.files import DATA_SUFFIXES, HEADER_SUFFIX
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
    name: Annotated[str, Query(max_length=200, description="Its file name.")] = "",
) -> dict[str, Any]:
    """Add an image, whose file is the body of the request; nothing is overwritten.

    An ENVI header and its data are sent together, as two files of a form.
    """
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await _send_pair(work, request)
    path = work.place.uploads / _safe(name)
    form = image_format_by_suffix(path)
    if form is None or form.is_folder:
        raise AnymaskError(
            f"{path.name} cannot be sent; send an image of one file, such as PNG, JPEG or TIFF."
        )
    if form is ENVI:
        raise AnymaskError(
            f"{path.name} is one of two files; send the header NAME.hdr and its data together."
        )
    _check_new(path)
    with whole_file(path) as part:
        with part.open("wb") as file:
            async for block in request.stream():
                await run_in_threadpool(file.write, block)
        _check_new(path)
    return await run_in_threadpool(_added, work, [path])


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


async def _send_pair(work: Workplace, request: Request) -> dict[str, Any]:
    async with request.form(max_files=2, max_fields=0) as form:
        sent = [file for _, file in form.multi_items() if isinstance(file, UploadFile)]
        paths = [work.place.uploads / _safe(file.filename or "") for file in sent]
        order = sorted(range(len(sent)), key=lambda index: paths[index].suffix.lower() != ".hdr")
        paths, sent = [paths[index] for index in order], [sent[index] for index in order]
        if not _is_pair(paths):
            raise AnymaskError(
                "Two files are no pair; send a header NAME.hdr and its data, such as NAME.dat."
            )
        for path in paths:
            _check_new(path)
        with ExitStack() as pending:
            for path, file in zip(paths, sent, strict=True):
                part = pending.enter_context(whole_file(path))
                with part.open("wb") as target:
                    await run_in_threadpool(copyfileobj, file.file, target)
            for path in paths:
                _check_new(path)
    return await run_in_threadpool(_added, work, paths)


def _is_pair(paths: list[FilePath]) -> bool:
    """Whether paths are an ENVI header and its data, told by their names."""
    if len(paths) != 2 or paths[0].suffix.lower() != HEADER_SUFFIX:
        return False
    header, data = paths
    known = data.suffix.lower() in ("", *DATA_SUFFIXES)
    return known and header.stem in (data.stem, data.name)


def _check_new(path: FilePath) -> None:
    if os.path.lexists(path):
        raise AnymaskError(f"There is a file {path.name} already; give yours another name.")


def _added(work: Workplace, paths: list[FilePath]) -> dict[str, Any]:
    """Add an image that was sent, the main file first; files of no image are removed again."""
    try:
        for path in paths:
            check_self_contained(path)
        added = work.session.images.add(paths[0])
        if not added.ids:
            raise AnymaskError(
                added.failed[0].sentence if added.failed else f"{paths[0].name} is here already."
            )
        record = work.session.images[added.ids[0]]
        if math.prod(record.shape) > _MOST_VALUES:
            work.session.images.remove(added.ids)
            raise TooLarge
    except (AnymaskError, TooLarge) as error:
        for path in paths:
            os.unlink(path)
        if isinstance(error, TooLarge):
            raise
        # The sender knows the names of the files, and where they lie here is nobody's business.
        raise AnymaskError(str(error).replace(f"{work.place.uploads}{os.sep}", "")) from error
    return _image(work, record)
