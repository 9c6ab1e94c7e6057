"""What the server is, and its stream of events."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from anymask import __version__
from anymask.web.model_queue import BusyError
from anymask.web.routes.asked import Work

routes = APIRouter(prefix="/v1", tags=["status"])


@routes.get("/status")
def get_status(work: Work) -> dict[str, Any]:
    """Return the version, the session and the model."""
    model = work.session.runs.model
    return {
        "version": __version__,
        "server": work.hub.server,
        "session": work.session.name,
        "model": None if model is None else model.name,
        "messages": list(work.session.messages),
    }


@routes.get("/events", response_class=StreamingResponse)
async def get_events(work: Work) -> StreamingResponse:
    """Stream what changes, as server-sent events: layer, images, classes, job, people."""
    if work.hub.is_full:
        raise BusyError("Too many pages are open on this server; close some.")
    return StreamingResponse(
        work.hub.stream(), media_type="text/event-stream", headers={"x-accel-buffering": "no"}
    )
