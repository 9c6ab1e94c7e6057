"""How images are shown to a model: planes, channels, contrast and pseudo-RGBs.

Results record it, so that later commands show an image in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.errors import ImageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from anymask.images.image import Image
    from anymask.images.recipes import Recipe
    from anymask.images.windows import RgbWindows
    from anymask.io.references import References


@dataclass(frozen=True)
class View:
    """How images are shown to a model.

    Attributes
    ----------
    recipes : tuple of Recipe
        Pseudo-RGBs to make from each image; empty to show the image as it is.
    options : dict
        Options of :func:`anymask.to_rgb`.
    planes : dict
        ``t`` and ``z`` of stacks, as in ``Image.plane``.
    header : Path or None
        The ENVI header, if it is not beside the data file.
    wavelengths : tuple of float
        Centre of each band in nanometres, for files that do not state them.
    reading : dict
        Other options of :func:`anymask.read`, such as ``page`` or ``dataset``.
    references : References or None
        What turns counts into reflectance, before anything else.
    """

    recipes: tuple[Recipe, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    planes: Mapping[str, Any] = field(default_factory=dict)
    header: Path | None = None
    wavelengths: tuple[float, ...] = ()
    reading: Mapping[str, Any] = field(default_factory=dict)
    references: References | None = None

    def made_with(self, recipe: Recipe | None) -> dict[str, Any]:
        """Return the settings that differ from the default, for the record of a result."""
        made: dict[str, Any] = {**self.options, **self.planes, **self.reading}
        if self.wavelengths:
            made["wavelengths"] = list(self.wavelengths)
        if self.references is not None:
            made["reflectance"] = self.references.made_with()
        if recipe is not None:
            made["rgb"] = {"name": recipe.name, "source": list(recipe.source)}
        return made

    def image(self, path: Path) -> Image:
        """Read one plane of an image of any size; its values may be read later, piece by piece."""
        from anymask.io.read_images import read

        image = read(path, header=self.header, **self.reading).plane(**self.planes)
        image = with_wavelengths(image, self.wavelengths)
        return image if self.references is None else self.references.applied(image)

    def open(self, path: Path) -> Image:
        """Open an image that will be shown, so that it must not be too large for that."""
        from anymask.io.image_formats.photo import check_pixels

        image = self.image(path)
        check_pixels(path, image.width, image.height)
        return image

    def picture(
        self, image: Image, recipe: Recipe | None
    ) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
        """Return the RGB image that the model sees, and notes for the user."""
        if recipe is None:
            from anymask.images.normalize import to_rgb

            try:
                return to_rgb(image, **self.options), ()
            except ImageError as error:
                if str(image.path) in str(error):
                    raise
                raise ImageError(f"{image.path}: {error}") from error
        from anymask.images.pseudo_rgb import pseudo_rgb

        made = pseudo_rgb(image, recipe, **self.options)
        return made.rgb, tuple(f"{image.path} ({made.name}): {note}" for note in made.notes)

    def in_parts(
        self,
        image: Image,
        recipe: Recipe | None,
        limits: Sequence[tuple[float, float]] | None = None,
    ) -> RgbWindows:
        """Return the RGB image that the model sees, computed where it is sliced.

        Parameters
        ----------
        image : Image
        recipe : Recipe, optional
        limits : sequence of (float, float), optional
            Its limits of contrast, if they are known.

        Raises
        ------
        ImageError
            If it cannot be shown part by part.
        """
        from anymask.images.windows import RgbWindows

        return RgbWindows(image, self.options, recipe, limits)

    def as_seen(self, image: Image) -> Image:
        """Return the RGB image that the model saw, as an image without a file of its own."""
        from anymask.images.image import Image

        rgb, _ = self.picture(image, self.recipes[0] if self.recipes else None)
        return Image(
            rgb,
            "YXS",
            name=image.name,
            pixel_size=image.pixel_size,
            unit=image.unit,
            geo=image.geo,
        )


def with_wavelengths(image: Image, wavelengths: Sequence[float]) -> Image:
    """Return an image with the wavelengths that a user gave; those in the file come first.

    Raises
    ------
    ImageError
        If there is not one for each band.
    """
    import numpy as np

    from anymask.notices import tell

    if not wavelengths:
        return image
    if image.wavelengths is not None:
        tell(f"{image.path} states its own wavelengths, so the given ones are not used.")
        return image
    return image.with_array(image.array, wavelengths=np.array(wavelengths, np.float64))
