"""Lines that are drawn on the canvas: a lasso around an object, a brush on its mask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from anymask.napari.click_layers import ClickLayers
from anymask.session import BrushStroke, ClickPrompts

Place = tuple[float, float]
_CORNERS = "Click the next corner; double-click to close the line"


class Drawing:
    """Makes lassos and brush strokes a part of the prompts.

    Parameters
    ----------
    layers : ClickLayers
    prompts : callable
        Returns the prompts for the object in work.
    change : callable
        Called with other prompts for it.
    say : callable
        Called with a few words on what goes on.
    """

    def __init__(
        self,
        layers: ClickLayers,
        prompts: Callable[[], ClickPrompts],
        change: Callable[[ClickPrompts], Any],
        say: Callable[[str], Any],
    ) -> None:
        self._layers, self._prompts, self._change, self._say = layers, prompts, change, say
        self._corners: list[Place] = []

    def add_corner(self, place: Place) -> None:
        """Add a corner of a lasso that is clicked corner by corner."""
        self._corners.append(place)
        self._layers.show_corners(self._corners)
        self._say(_CORNERS)

    def take_corner_back(self) -> bool:
        """Remove the last corner; return whether there was one."""
        if not self._corners:
            return False
        self._corners.pop()
        self._layers.show_corners(self._corners)
        return True

    def close(self) -> None:
        """Close the lasso that is being clicked."""
        corners = list(self._corners)
        self.drop()
        if len(corners) > 2:
            self.lasso(corners)
        elif corners:
            self._say("A lasso needs at least three corners.")

    def drop(self) -> None:
        """Forget the lasso that is being clicked."""
        if self._corners:
            self._corners = []
            self._layers.show_corners([])

    def lasso(self, path: list[Place]) -> None:
        """Use a line around the object as a prompt."""
        if len(path) > 2:
            self._change(replace(self._prompts(), lasso=tuple(path)))

    def brush(self, path: list[Place], removes: bool) -> None:
        """Draw on the mask that is shown, or remove pixels of it."""
        stroke = BrushStroke(tuple(path), self._layers.brush_radius, not removes)
        prompts = self._prompts()
        self._change(replace(prompts, strokes=(*prompts.strokes, stroke)))
