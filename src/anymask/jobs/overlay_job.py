"""Draw the masks of many images over them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.files import whole_file
from anymask.io.corrected import newest_masks
from anymask.io.read_masks import load_masks, scale_of
from anymask.io.recorded_view import joined, recorded_view
from anymask.io.results import OVERLAY, result_path, save_png
from anymask.io.view import View
from anymask.io.write_context import lacked
from anymask.jobs.matching import MaskedItem
from anymask.jobs.report import Outcome
from anymask.jobs.work_through import Advance, Work, failed
from anymask.masks.mask_set import MaskSet
from anymask.notices import noticing, tell
from anymask.painting import default_width, draw_scale_bar, enlargement, overlay


@dataclass(frozen=True)
class OverlayJob:
    """How to draw overlays.

    Attributes
    ----------
    output : Path
        Folder for ``NAME.overlay.png``.
    view : View
        How images are shown; what it leaves open is as recorded beside the masks.
    style : mapping
        `alpha`, `outline`, `outline_width` and `ids` of `anymask.overlay`.
    scale : int, optional
        Enlarge images by this factor; by default only very small ones.
    scale_bar : bool
        Draw a scale bar where the pixel size is known.
    """

    output: Path
    view: View = field(default_factory=View)
    style: Mapping[str, Any] = field(default_factory=dict)
    scale: int | None = None
    scale_bar: bool = False

    def target(self, item: MaskedItem) -> Path:
        """The file for an item."""
        return result_path(self.output / item.name, OVERLAY)

    def start(self) -> Work:
        """Return what draws an item."""
        return self.draw

    def draw(self, item: MaskedItem, advance: Advance | None = None) -> Outcome:
        """Draw an item and write the file; an error becomes a failed outcome.

        Parameters
        ----------
        item : MaskedItem
        advance : callable, optional
            Not called: an item takes a moment.
        """
        try:
            began = time.perf_counter()
            with noticing() as notices:
                painted, masks = self.painted(item)
                with whole_file(self.target(item)) as part:
                    save_png(part, painted)
            return Outcome(
                str(item.name),
                "done",
                str(item.path),
                size=masks.image_size,
                masks=len(masks),
                covered=float((masks.to_labels() > 0).mean()),
                seconds=time.perf_counter() - began,
                notes=tuple(notices),
            )
        except Exception as error:
            return failed(item, error)

    def painted(self, item: MaskedItem) -> tuple[NDArray[np.uint8], MaskSet]:
        """Return the overlay of an item, (H, W, 3), and its masks.

        Raises
        ------
        AnymaskError
            If a file cannot be read, or the two do not fit each other.
        """
        recorded = recorded_view(item.masks, item.path, self.view)
        view = self.view if recorded is None else joined(recorded, self.view)
        if len(view.recipes) > 1:
            raise ImageError("An overlay shows one pseudo-RGB; give one --rgb.")
        image = view.open(item.path)
        masks = load_masks(item.masks, picture=item.picture, image=image)
        masks = newest_masks(item.masks, masks)
        seen, notes = view.picture(image, next(iter(view.recipes), None))
        for note in notes:
            tell(note)
        scale = self.scale or enlargement(seen.shape)
        style = dict(self.style)
        if style.get("alpha") == 0 and style.get("outline_width") is None:
            style["outline_width"] = default_width(seen.shape) + 1  # nothing else shows the masks
        painted = overlay(seen, masks, scale=scale, **style)
        if not self.scale_bar:
            return painted, masks
        facts = lacked(image, scale_of(item.masks))
        size, unit = facts.get("pixel_size", image.pixel_size), facts.get("unit", image.unit)
        if size is None or not unit or unit == "degree" or image.row_areas() is not None:
            why = "unknown" if size is None or not unit else "not the same everywhere"
            tell(f"{item.path} has no scale bar, because the size of its pixels is {why}.")
            return painted, masks
        return draw_scale_bar(painted, size, unit, scale=scale), masks
