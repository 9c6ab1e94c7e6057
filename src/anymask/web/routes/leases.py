"""Leases: who is working on an image."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from anymask.web.bodies import Naming
from anymask.web.leases import SECONDS, Lease
from anymask.web.routes.asked import Record, User, Work

routes = APIRouter(prefix="/v1/images/{image}", tags=["leases"])


@routes.get("/lease")
def get_lease(work: Work, user: User, record: Record) -> dict[str, Any]:
    """Tell who is working on an image."""
    return _told(work.leases.of(record.id), user)


@routes.put("/lease")
def take_lease(work: Work, user: User, record: Record, body: Naming) -> dict[str, Any]:
    """Say that the sender works on an image, for a minute; if somebody else does, tell who.

    Nobody is locked out: changes are still compared by their revisions.
    """
    lease, changed = work.leases.take(record.id, user, body.name.strip())
    if changed:
        work.hub.tell("lease", image=record.id)
    return _told(lease, user)


@routes.delete("/lease")
def end_lease(work: Work, user: User, record: Record) -> dict[str, Any]:
    """Say that the sender no longer works on an image."""
    if work.leases.end(record.id, user):
        work.hub.tell("lease", image=record.id)
    return _told(work.leases.of(record.id), user)


def _told(lease: Lease | None, user: str) -> dict[str, Any]:
    if lease is None:
        return {"held": False, "yours": False, "name": "", "lasts": SECONDS}
    return {"held": True, "yours": lease.user == user, "name": lease.name, "lasts": SECONDS}
