"""Classes of objects: names and colours."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from anymask.errors import AnymaskError
from anymask.web.bodies import Classes, Renaming
from anymask.web.routes.asked import Work
from anymask.web.workplace import Workplace

routes = APIRouter(prefix="/v1/classes", tags=["classes"])


@routes.get("")
def list_classes(work: Work) -> dict[str, Any]:
    """List the classes, in the order of their numbers."""
    return _classes(work)


@routes.put("")
def set_classes(work: Work, body: Classes) -> dict[str, Any]:
    """Set all classes."""
    work.session.edits.set_classes([(each.name.strip(), each.color) for each in body.classes])
    return _classes(work)


@routes.post("/rename")
def rename_class(work: Work, body: Renaming) -> dict[str, Any]:
    """Rename a class, also in all objects that have it."""
    if body.old not in {each.name for each in work.session.layers.classes}:
        raise AnymaskError(f"There is no class {body.old!r}.")
    work.session.edits.rename_class(body.old, body.new.strip())
    return _classes(work)


def _classes(work: Workplace) -> dict[str, Any]:
    return {"classes": [{"name": c.name, "color": c.color} for c in work.session.layers.classes]}
