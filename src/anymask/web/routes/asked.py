"""What requests name: the workplace, the user, an image with its layer and plane."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Query, Request

from anymask.errors import AnymaskError
from anymask.session import Change, ImageRecord, LayerKey
from anymask.web.shapes import objects_of
from anymask.web.workplace import Workplace


class MissingError(AnymaskError):
    """There is no such thing; answered with 404."""


def _workplace(request: Request) -> Workplace:
    work: Workplace = request.app.state.workplace
    return work


def _user(
    request: Request,
    x_user: Annotated[
        str | None,
        Header(max_length=64, description="Any name of the user, by which the model takes turns."),
    ] = None,
) -> str:
    return x_user or (request.client.host if request.client else "")


Work = Annotated[Workplace, Depends(_workplace)]
User = Annotated[str, Depends(_user)]


def image_record(
    work: Work, image: Annotated[str, Path(description="Id of an image, such as i1.")]
) -> ImageRecord:
    """Return the image that a request names.

    Raises
    ------
    MissingError
        If there is none.
    """
    if image not in work.session.images:
        raise MissingError(f"There is no image {image[:40]!r} in this session.")
    return work.session.images[image]


Record = Annotated[ImageRecord, Depends(image_record)]


@dataclass(frozen=True)
class Where:
    """A layer, and a plane of it."""

    layer: LayerKey
    plane: int
    size: tuple[int, int]


def _where(
    work: Work,
    record: Record,
    rgb: Annotated[
        str | None, Query(max_length=200, description="Its pseudo-RGB; the first by default.")
    ] = None,
    plane: Annotated[int, Query(ge=0, description="A plane of a stack, from 0.")] = 0,
) -> Where:
    names = [how.name for how in record.recipes]
    if rgb is not None and rgb not in names:
        raise MissingError(f"{record.name} has no pseudo-RGB {rgb!r}; it has {', '.join(names)}.")
    if plane >= record.planes:
        raise MissingError(f"{record.name} has {record.planes} planes; count them from 0.")
    layer = LayerKey(record.id, rgb or names[0])
    work.touch(layer)
    return Where(layer, plane, record.size)


At = Annotated[Where, Depends(_where)]


def changed(
    work: Workplace, at: Where, revision: int | None, step: Callable[[], Change | None]
) -> dict[str, Any]:
    """Do a step unless someone else has changed the layer since a revision.

    Returns what the step did as JSON data: the objects that changed, ids that are gone, and the
    revision before it, so that a page knows whether it missed something.
    """
    with work.session.layers.held_at(at.layer, revision) as before:
        return {**_told(work, at, step()), "before": before}


def _told(work: Workplace, at: Where, change: Change | None) -> dict[str, Any]:
    ids = set() if change is None else {*change.ids, *change.touched}
    answer = objects_of(work.session, at.layer, work.outlines, at.plane, ids=ids)
    there = {each["id"] for each in answer["objects"]}
    return {
        **answer,
        "gone": sorted(ids - there),
        "note": "" if change is None else change.note,
        "nothing": change is None or change.is_empty,
    }
