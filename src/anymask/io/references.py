"""Where the light of a spectral image is known from: white and dark reference files, or a panel."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.errors import ImageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from anymask.images.image import Image
    from anymask.images.spectral import Panel


@dataclass(frozen=True)
class References:
    """What turns the counts of images into reflectance.

    Attributes
    ----------
    white, dark : Path or None
        Files as `anymask.reflectance` takes them; each is read once, whatever the number of images.
    panel : tuple of int or None
        A white panel in each image: top, left, height and width in pixels.

    Raises
    ------
    ImageError
        If a file is missing, or both `white` and `panel` are given.
    """

    white: Path | None = None
    dark: Path | None = None
    panel: Panel | None = None

    def __post_init__(self) -> None:
        if self.white is not None and self.panel is not None:
            raise ImageError(
                f"Both white={self.white} and panel= are given; give only one of them."
            )
        for path in (self.white, self.dark):
            if path is not None and not path.exists():
                raise ImageError(f"There is no file {path}; check the name and the folder.")

    def applied(self, image: Image) -> Image:
        """Return an image in reflectance, computed when it is read."""
        from anymask.images.spectral import reflectance

        white, dark = self._counts["white"], self._counts["dark"]
        return reflectance(image, white, dark, panel=self.panel)

    def made_with(self) -> dict[str, Any]:
        """Return what results depend on, for their record; a panel as LEFT, TOP, WIDTH, HEIGHT."""
        made: dict[str, Any] = {**self._files}
        if self.panel is not None:
            top, left, height, width = self.panel
            made["panel"] = [left, top, width, height]
        return made

    @classmethod
    def from_record(cls, made: Mapping[str, Any]) -> References:
        """Return the references that `made_with` recorded."""
        files = {name: Path(str(made[name]["file"])) for name in ("white", "dark") if name in made}
        panel = None
        if "panel" in made:
            left, top, width, height = (int(number) for number in made["panel"])
            panel = (top, left, height, width)
        return cls(files.get("white"), files.get("dark"), panel)

    @cached_property
    def _files(self) -> dict[str, dict[str, str]]:
        from anymask.io.fingerprint import fingerprint

        return {
            name: {"file": str(path), "sha256": fingerprint(path)}
            for name, path in (("white", self.white), ("dark", self.dark))
            if path is not None
        }

    @cached_property
    def _counts(self) -> dict[str, NDArray[np.float64] | None]:
        """Counts (columns, bands) of the files."""
        from anymask.images.bands import as_cube
        from anymask.images.spectral import mean_of_rows
        from anymask.io.read_images import read

        return {
            name: None if path is None else mean_of_rows(as_cube(read(path)))
            for name, path in (("white", self.white), ("dark", self.dark))
        }


def references(
    white: str | os.PathLike[str] | None,
    dark: str | os.PathLike[str] | None,
    panel: Panel | None,
) -> References | None:
    """Return the references of a call; None if there are none.

    Raises
    ------
    ImageError
        As `References`.
    """
    if white is None and dark is None and panel is None:
        return None
    files = [None if path is None else Path(path) for path in (white, dark)]
    return References(files[0], files[1], panel)
