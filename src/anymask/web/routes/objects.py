"""Objects: what there is, and changes by hand."""

from __future__ import annotations

import io
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Response

from anymask.errors import AnymaskError
from anymask.masks.objects import ObjectCrop
from anymask.masks.rle import decode
from anymask.session import Change, ObjectInfo
from anymask.web.bodies import Chosen, Classified, Painting, Reviewed, Revised, Rle, Split
from anymask.web.routes.asked import At, Where, Work, changed
from anymask.web.shapes import Form, objects_of
from anymask.web.workplace import Workplace

routes = APIRouter(prefix="/v1/images/{image}", tags=["objects"])


@routes.get("/objects")
def list_objects(
    work: Work, at: At, masks: Annotated[Form, Query(description="How masks are given.")] = "rle"
) -> dict[str, Any]:
    """List the objects of an image with their masks, and the revision of the layer."""
    return objects_of(work.session, at.layer, work.outlines, at.plane, masks)


@routes.get("/labels.tif", response_class=Response)
def get_labels(work: Work, at: At) -> Response:
    """Return the label image as TIFF: one id a pixel, 0 for background."""
    import tifffile

    file = io.BytesIO()
    labels = np.array(work.session.layers.labels(at.layer, at.plane))
    tifffile.imwrite(file, labels, compression="zlib")
    return Response(file.getvalue(), media_type="image/tiff")


@routes.post("/undo")
def undo(work: Work, at: At, body: Revised | None = None) -> dict[str, Any]:
    """Undo the last step of this image, whoever did it."""
    return changed(
        work, at, None if body is None else body.revision, lambda: work.session.edits.undo(at.layer)
    )


@routes.post("/redo")
def redo(work: Work, at: At, body: Revised | None = None) -> dict[str, Any]:
    """Redo the step that was undone last."""
    return changed(
        work, at, None if body is None else body.revision, lambda: work.session.edits.redo(at.layer)
    )


@routes.post("/delete")
def delete(work: Work, at: At, body: Chosen) -> dict[str, Any]:
    """Remove objects; in a stack, from this plane."""
    return changed(
        work, at, body.revision, lambda: work.session.edits.erase(at.layer, body.ids, at.plane)
    )


@routes.post("/merge")
def merge(work: Work, at: At, body: Chosen) -> dict[str, Any]:
    """Merge objects into the one with the smallest id."""
    return changed(work, at, body.revision, lambda: work.session.edits.merge(at.layer, body.ids))


@routes.post("/split")
def split(work: Work, at: At, body: Split) -> dict[str, Any]:
    """Split an object into its pieces, or at its necks."""
    edits = work.session.edits
    return changed(
        work, at, body.revision, lambda: edits.split(at.layer, body.id, at.plane, body.how)
    )


@routes.post("/classify")
def classify(work: Work, at: At, body: Classified) -> dict[str, Any]:
    """Set the class of objects; a new class gets a colour."""
    edits, name = work.session.edits, body.class_name.strip()
    return changed(work, at, body.revision, lambda: edits.classify(at.layer, body.ids, name))


@routes.post("/review")
def review(work: Work, at: At, body: Reviewed) -> dict[str, Any]:
    """Note that objects were looked at."""
    edits = work.session.edits
    return changed(work, at, body.revision, lambda: edits.review(at.layer, body.ids, body.reviewed))


@routes.post("/paint")
def paint(work: Work, at: At, body: Painting) -> dict[str, Any]:
    """Draw pixels by hand: a new object, more of one, or background."""
    pixels = _pixels(body.mask, body.left, body.top, at.size)
    return changed(work, at, body.revision, lambda: _painted(work, at, body, pixels))


def _pixels(mask: Rle, left: int, top: int, size: tuple[int, int]) -> np.ndarray:
    height, width = mask.size
    if top + height > size[0] or left + width > size[1]:
        raise AnymaskError(
            f"The drawn mask of {width}×{height} pixels at x={left}, y={top} lies beyond the image "
            f"of {size[1]}×{size[0]} pixels."
        )
    return decode({"size": mask.size, "counts": mask.counts})


def _painted(work: Workplace, at: Where, body: Painting, pixels: np.ndarray) -> Change | None:
    session, layer = work.session, at.layer
    if body.how == "new":
        if not pixels.any():
            raise AnymaskError("Nothing was drawn.")
        name = body.class_name.strip()
        if name:
            session.edits.add_class(name)
        return session.edits.place(
            layer,
            ObjectCrop(pixels, body.top, body.left),
            plane=at.plane,
            overwrite=body.overwrite,
            info=ObjectInfo(name, origin="paint"),
            kind="polygon" if body.tool == "polygon" else "paint",
        )
    stack = session.layers.labels(layer).ndim == 3
    rows = slice(body.top, body.top + pixels.shape[0])
    columns = slice(body.left, body.left + pixels.shape[1])
    window = (at.plane, rows, columns) if stack else (rows, columns)
    array = np.array(session.layers.labels(layer))
    part = array[window]
    if body.how == "add":
        if body.id is None:
            raise AnymaskError("Say which object gets more pixels: its id is missing.")
        session.layers.check_ids(layer, [body.id])
        part[pixels & ((part == 0) | body.overwrite)] = body.id
    else:
        part[pixels & ((part == body.id) | (body.id is None))] = 0
    within = (slice(at.plane, at.plane + 1), rows, columns) if stack else (rows, columns)
    kind = "erase" if body.how == "erase" else "paint"
    return session.edits.paint(layer, array, within, kind)
