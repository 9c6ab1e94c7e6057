"""Prompts: encode an image, ask for masks, make an object of one."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from fastapi.concurrency import run_in_threadpool

from anymask.masks.objects import counts_of_crop
from anymask.masks.rle import mask_of as pixels_of
from anymask.session import Change, Preview
from anymask.web.bodies import Body, Box, Commit, Prediction
from anymask.web.routes.asked import At, MissingError, User, Where, Work, changed
from anymask.web.shapes import candidates_of
from anymask.web.tiles import mask_file
from anymask.web.workplace import Workplace

routes = APIRouter(prefix="/v1/images/{image}", tags=["prompts"])


class View(Body):
    """The visible part of a large image."""

    view: Box | None = None


@routes.post("/prepare")
async def prepare(work: Work, user: User, at: At, body: View | None = None) -> dict[str, Any]:
    """Encode an image, so that the first click is answered at once."""
    view = None if body is None else body.view
    region = await asyncio.wrap_future(work.prepare(user, at.layer, at.plane, view))
    return {"box": [region.left, region.top, region.width, region.height], "step": region.step}


@routes.post("/predict")
async def predict(work: Work, user: User, at: At, body: Prediction) -> dict[str, Any]:
    """Answer prompts with masks; nothing is changed. Masks are ordered as the model gives them."""
    name, preview = await _asked(work, user, at, body)
    masks = await run_in_threadpool(candidates_of, preview, at.size, body.masks, work.outlines)
    return {"preview": name, "best": preview.best, "masks": masks}


@routes.post("/objects")
async def commit(work: Work, user: User, at: At, body: Commit) -> dict[str, Any]:
    """Make an object of a predicted mask."""
    preview = work.preview(body.preview, at.layer, at.plane)
    if preview is None:
        _, preview = await _asked(work, user, at, body)
    if body.candidate is not None:
        preview = preview.choose(body.candidate)
    return await run_in_threadpool(_committed, work, at, preview, body)


@routes.get("/previews/{preview}.png", response_class=Response)
def get_preview(
    work: Work,
    at: At,
    preview: Annotated[str, Path(max_length=40)],
    candidate: Annotated[int, Query(ge=0, le=2)] = 0,
) -> Response:
    """Return a predicted mask as a PNG of the size of the image, 255 on the object."""
    found = work.preview(preview, at.layer, at.plane)
    if found is None:
        raise MissingError("This answer is no longer kept; ask for it again.")
    crop = found.choose(candidate).mask
    return Response(
        mask_file(pixels_of(counts_of_crop(crop, at.size), at.size)), media_type="image/png"
    )


async def _asked(work: Workplace, user: str, at: Where, body: Prediction) -> tuple[str, Preview]:
    return await asyncio.wrap_future(
        work.predict(user, at.layer, at.plane, body.clicks(), body.candidates, body.view)
    )


def _committed(work: Workplace, at: Where, preview: Preview, body: Commit) -> dict[str, Any]:
    def step() -> Change:
        return work.session.clicks.commit(
            preview, id=body.id, class_name=body.class_name.strip(), overwrite=body.overwrite
        )

    return changed(work, at, body.revision, step)
