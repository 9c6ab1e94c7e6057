"""Other programs' protocols: each dialect is what one annotation program asks of a server.

A dialect answers about images that come with the request. It neither sees nor changes the session,
and has a key of its own (`Access.dialect_key`), which opens nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter

from anymask.web.dialects import label_studio, samapi, samgeo, x_anylabeling
from anymask.web.dialects.desk import Desk
from anymask.web.dialects.label_studio_files import LabelStudio


@dataclass(frozen=True)
class Dialect:
    """A protocol of another program.

    Attributes
    ----------
    client : str
        The program that speaks it.
    routes : callable
        ``routes(desk, label_studio)`` returns the addresses, without the dialect's name before
        them.
    entered : str
        What follows the key in the address that a user enters in the program.
    """

    client: str
    routes: Callable[[Desk, LabelStudio], APIRouter]
    entered: str = ""


DIALECTS = {
    "samapi": Dialect("QuPath", lambda desk, _: samapi.routes(desk), "/sam/"),
    "label-studio": Dialect("Label Studio", label_studio.routes),
    "x-anylabeling": Dialect("X-AnyLabeling", lambda desk, _: x_anylabeling.routes(desk)),
    "samgeo": Dialect("GeoLibre and samgeo", lambda desk, _: samgeo.routes(desk)),
}
"""The dialects by their names, which begin their addresses."""
