"""How images are shown to a model: planes, channels, contrast and pseudo-RGBs.

Results record it, so that later commands show an image in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.errors import AnymaskError, ImageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from anymask.images.image import Image
    from anymask.images.recipes import Recipe

_OPTIONS = frozenset({"channels", "colors", "low", "high", "gamma"})
_PLANES = frozenset({"t", "z"})
_READING = frozenset({"page", "series", "level", "dataset", "axes"})


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
    """

    recipes: tuple[Recipe, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    planes: Mapping[str, Any] = field(default_factory=dict)
    header: Path | None = None
    wavelengths: tuple[float, ...] = ()
    reading: Mapping[str, Any] = field(default_factory=dict)

    def made_with(self, recipe: Recipe | None) -> dict[str, Any]:
        """Return the settings that differ from the default, for the record of a result."""
        made: dict[str, Any] = {**self.options, **self.planes, **self.reading}
        if self.wavelengths:
            made["wavelengths"] = list(self.wavelengths)
        if recipe is not None:
            made["rgb"] = {"name": recipe.name, "source": list(recipe.source)}
        return made

    def open(self, path: Path) -> Image:
        """Open an image; its values may be read later, piece by piece."""
        from anymask.io.image_formats.photo import check_pixels
        from anymask.io.read_images import read

        image = read(path, header=self.header, **self.reading).plane(**self.planes)
        check_pixels(path, image.width, image.height)
        return with_wavelengths(image, self.wavelengths)

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

    def as_seen(self, image: Image) -> Image:
        """Return the RGB image that the model saw, as an image without a file of its own."""
        from anymask.images.image import Image

        rgb, _ = self.picture(image, self.recipes[0] if self.recipes else None)
        return Image(
            rgb,
            "YXS",
            pixel_size=image.pixel_size,
            unit=image.unit,
            geo=image.geo,
            name=image.name,
        )


def recorded_view(path: Path) -> View | None:
    """Read how the image of a result was shown to the model; the inverse of `View.made_with`.

    Parameters
    ----------
    path : Path
        ``NAME.masks.json``, or ``NAME.labels.tif`` with that file beside it.

    Returns
    -------
    View or None
        With at most one recipe; None if nothing was recorded, so as by default.

    Raises
    ------
    AnymaskError
        If the record is not one that this version writes.
    """
    from anymask.io.guards import read_json
    from anymask.io.results import JSON, LABELS

    if path.name.endswith(LABELS):
        path = path.with_name(path.name.removesuffix(LABELS) + JSON)
    content = read_json(path) if path.name.endswith(JSON) and path.is_file() else None
    info = content.get("info") if isinstance(content, Mapping) else None
    made = info.get("view") if isinstance(info, Mapping) else None
    if made is None:
        return None
    try:
        return _from_record(made)
    except (AnymaskError, LookupError, TypeError, ValueError) as error:
        raise AnymaskError(
            f"{path} records a way to show its image that this version of anymask does not know: "
            f"{error}"
        ) from error


def _from_record(made: Mapping[str, Any]) -> View:
    from anymask.images.contrast import Contrast
    from anymask.images.recipes import recipe

    made = dict(made)
    rgb, wavelengths = made.pop("rgb", None), made.pop("wavelengths", ())
    if unknown := sorted(made.keys() - _OPTIONS - _PLANES - _READING):
        raise ValueError(", ".join(unknown))
    options, planes, reading = (
        {name: value for name, value in made.items() if name in names}
        for names in (_OPTIONS, _PLANES, _READING)
    )
    Contrast(options.get("low"), options.get("high"), gamma=options.get("gamma", 1.0))
    recipes = () if rgb is None else (recipe(*rgb["source"], name=rgb["name"]),)
    return View(recipes, options, planes, None, tuple(map(float, wavelengths)), reading)


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
