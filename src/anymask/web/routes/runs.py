"""Everything in images, as a job; thresholds afterwards; jobs."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from fastapi import APIRouter

from anymask.session import Change, EditedError, LayerKey, SessionError, Thresholds
from anymask.web.bodies import Everything, Selecting
from anymask.web.jobs import Job
from anymask.web.routes.asked import At, MissingError, User, Where, Work, changed, image_record
from anymask.web.shapes import label_objects
from anymask.web.workplace import Workplace

routes = APIRouter(prefix="/v1", tags=["runs"])


@routes.post("/jobs/everything", status_code=202)
def start_everything(work: Work, user: User, body: Everything) -> dict[str, Any]:
    """Find every object in images; `GET /v1/events` tells how far it is."""
    session = work.session
    ids = session.images.ids if body.images is None else body.images
    records = [image_record(work, image) for image in ids]
    if not records:
        raise SessionError("There is no image to segment; add one first.")
    layers = [LayerKey(each.id, body.rgb or each.recipes[0].name) for each in records]
    for layer in layers:
        session.images[layer.image].recipe(layer.recipe)
    edited = [] if body.replace else session.layers.edited(layers)
    if edited:
        raise EditedError(
            f"{session.layers.title(edited[0])} was edited by hand; allow its masks to be "
            "replaced, or leave the image out.",
            edited,
        )
    session.runs.set_options(mode="everything", points_per_side=body.points_per_side)
    job = work.jobs.new("everything", session.layers.title(layers[0]))
    work.run_everything(user, job, layers, body.replace)
    return job.to_json()


@routes.get("/images/{image}/thresholds")
def get_thresholds(work: Work, at: At) -> dict[str, Any]:
    """Return the thresholds of the last run, and how low they may go without a new one."""
    runs = work.session.runs
    if not runs.has_candidates(at.layer):
        return {"thresholds": None, "limits": None}
    return {
        "thresholds": asdict(runs.thresholds(at.layer)),
        "limits": asdict(runs.limits(at.layer)),
        "edited": bool(work.session.layers.edited([at.layer])),
    }


@routes.post("/images/{image}/thresholds")
def set_thresholds(work: Work, at: At, body: Selecting) -> dict[str, Any]:
    """Select masks of the last run by other thresholds, or only show what they would give."""
    runs = work.session.runs
    given = body.model_dump(include={"pred_iou", "stability", "min_area"}, exclude_none=True)
    thresholds = replace(runs.thresholds(at.layer), **given)
    if body.preview:
        return _previewed(work, at, thresholds)

    def step() -> Change:
        return runs.set_thresholds(at.layer, thresholds, replace=body.replace)

    return changed(work, at, body.revision, step)


@routes.get("/jobs")
def list_jobs(work: Work) -> dict[str, Any]:
    """List the jobs, oldest first."""
    return {"jobs": [job.to_json() for job in work.jobs.all()]}


@routes.get("/jobs/{job}")
def get_job(work: Work, job: str) -> dict[str, Any]:
    """Tell how far a job is."""
    return _job(work, job).to_json()


@routes.delete("/jobs/{job}")
def cancel_job(work: Work, job: str) -> dict[str, Any]:
    """Cancel a job; what is finished stays."""
    found = _job(work, job)
    work.jobs.cancel(found)
    return found.to_json()


def _job(work: Workplace, job: str) -> Job:
    found = work.jobs.get(job)
    if found is None:
        raise MissingError("There is no such job; it ended long ago, or the server was restarted.")
    return found


def _previewed(work: Workplace, at: Where, thresholds: Thresholds) -> dict[str, Any]:
    labels = work.session.runs.preview(at.layer, thresholds)
    shown = labels[at.plane] if labels.ndim == 3 else labels
    return {"preview": True, "objects": label_objects(shown, work.outlines)}
