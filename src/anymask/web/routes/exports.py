"""Masks as files of other programs, to be downloaded."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

from fastapi import APIRouter, BackgroundTasks
from fastapi.responses import FileResponse

from anymask.io.registry import format_named, written_formats
from anymask.session import LayerKey
from anymask.web.bodies import Exporting
from anymask.web.jobs import Job
from anymask.web.routes.asked import MissingError, Work, image_record
from anymask.web.workplace import Workplace
from anymask.wording import counted

routes = APIRouter(prefix="/v1", tags=["exports"])

# Files of the last exports that wait to be downloaded.
_MOST_WAITING = 8


@routes.get("/formats")
def list_formats() -> dict[str, Any]:
    """List the formats that masks can be written in."""
    return {
        "formats": [{"name": name, "title": form.title} for name, form in written_formats().items()]
    }


@routes.post("/jobs/export", status_code=202)
def start_export(work: Work, tasks: BackgroundTasks, body: Exporting) -> dict[str, Any]:
    """Write masks in other formats; the finished job has the address of the file."""
    session = work.session
    for name in body.formats:
        format_named(name)
    layers = None
    if body.images is not None:
        records = [image_record(work, image) for image in body.images]
        keys = [LayerKey(each.id, how.name) for each in records for how in each.recipes]
        layers = [key for key in keys if session.layers.state(key) != "new"]
    job = work.jobs.new("export", ", ".join(body.formats))
    tasks.add_task(work.jobs.do, job, lambda: _export(work, job, body.formats, layers))
    return job.to_json()


@routes.get("/exports/{job}/{name}", response_class=FileResponse)
def get_export(work: Work, job: str, name: str) -> FileResponse:
    """Download what an export wrote."""
    found = work.jobs.get(job)
    path = None if found is None else work.files / found.id / "done" / name
    if found is None or path is None or found.result.get("name") != name or not path.is_file():
        raise MissingError("This file is no longer kept; export it again.")
    return FileResponse(path, filename=name, media_type="application/octet-stream")


def _export(work: Workplace, job: Job, formats: list[str], layers: list[LayerKey] | None) -> str:
    from anymask.errors import OutputError

    if layers is not None and not layers:
        raise OutputError("These images have no masks yet; segment or draw some first.")
    folder = work.files / job.id
    saved = work.session.export.save(
        folder / "files",
        formats,
        layers,
        progress=lambda done, total: work.jobs.advance(job, done / max(total, 1)),
        cancel=job.cancel,
    )
    done = folder / "done"
    done.mkdir()
    files = sorted(path for path in (folder / "files").rglob("*") if path.is_file())
    name = files[0].name if len(files) == 1 else f"{work.session.name}.zip"
    if len(files) == 1:
        files[0].rename(done / name)
    else:
        with zipfile.ZipFile(done / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in files:
                archive.write(path, path.relative_to(folder / "files"))
    shutil.rmtree(folder / "files")
    _forget_old(work.files)
    losses = sorted({sentence for _, sentence in saved.losses})
    job.result = {"name": name, "address": f"/v1/exports/{job.id}/{name}", "losses": losses}
    return f"{counted(len(files), 'file')} written."


def _forget_old(folder: Path) -> None:
    waiting = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
    for path in waiting[:-_MOST_WAITING]:
        shutil.rmtree(path, ignore_errors=True)
