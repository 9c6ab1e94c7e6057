"""What masks were found in, as their JSON file records it: planes, pages, reflectance, pseudo-RGB.

``NAME.masks.json`` has it as ``info.view`` (`View.made_with`). Whoever measures the masks then sees
the image as the model saw it, without saying so again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from anymask.errors import AnymaskError, ImageError
from anymask.images.contrast import Contrast
from anymask.images.named_values import values_of
from anymask.images.recipes import recipe
from anymask.io.guards import read_json
from anymask.io.references import References
from anymask.io.registry import image_files
from anymask.io.results import CLEANED, JSON, stem_of
from anymask.io.view import View

_OPTIONS = frozenset({"channels", "colors", "low", "high", "gamma"})
_PLANES = frozenset({"z", "t"})
_READING = frozenset({"series", "page", "level", "dataset", "axes"})


def recorded_view(masks: Path, image: Path, given: View) -> View | None:
    """Return the view of an image that the masks in a file were found in.

    Parameters
    ----------
    masks : Path
        A ``NAME.masks.json``, or another file of the same masks beside it, such as
        ``NAME.labels.tif`` or ``NAME.cleaned.labels.tif``.
    image : Path
    given : View
        What the user says, which makes a recorded white reference needless.

    Returns
    -------
    View or None
        None if nothing is recorded, or the masks were found in a file of another name, of which the
        record says nothing.

    Raises
    ------
    ImageError
        If what is recorded cannot be used, such as a white reference that is gone.
    """
    for record, content in _records(masks).items():
        made = _info(content).get("view")
        if isinstance(made, Mapping) and made and _is_of(content, image):
            return _read(record, made, given)
    return None


def recorded(masks: Path) -> Mapping[str, Any]:
    """Return all that is recorded of how the masks in a file were made; empty if nothing is.

    Parameters
    ----------
    masks : Path
        As in `recorded_view`.
    """
    return next((info for content in _records(masks).values() if (info := _info(content))), {})


def recorded_image(masks: Path) -> str | None:
    """Return the name of the image that masks were found in, if it is recorded.

    Parameters
    ----------
    masks : Path
        As in `recorded_view`.
    """
    names = map(_image_in, _records(masks).values())
    return next(filter(None, names), None)


def joined(recorded: View, given: View) -> View:
    """Return the given view, with what is recorded wherever it says nothing."""
    return replace(
        given,
        recipes=given.recipes or recorded.recipes,
        options={**recorded.options, **given.options},
        planes={**recorded.planes, **given.planes},
        wavelengths=given.wavelengths or recorded.wavelengths,
        reading={**recorded.reading, **given.reading},
        references=given.references or recorded.references,
    )


def used_again(recorded: View, given: View, *, values: bool) -> list[str]:
    """Return, in words, what `joined` takes from the record.

    Parameters
    ----------
    recorded, given : View
    values : bool
        Whether the expressions of pseudo-RGBs are used too.

    Examples
    --------
    >>> from anymask.images.recipes import Recipe
    >>> used_again(View((Recipe("ndvi", ("ndvi",)),), planes={"z": "max"}), View(), values=True)
    ['z=max', 'ndvi']
    """
    words = [
        f"{name}={value}"
        for own, others in ((recorded.planes, given.planes), (recorded.reading, given.reading))
        for name, value in own.items()
        if name not in others
    ]
    if recorded.wavelengths and not given.wavelengths:
        words.append("the wavelengths")
    if recorded.references is not None and given.references is None:
        words.append("reflectance")
    return words + list(values_of(recorded.recipes) if values else ())


def _records(masks: Path) -> dict[Path, Mapping[str, Any]]:
    """The JSON files that may tell of a file of masks, and their content."""
    stem = stem_of(masks)
    names = dict.fromkeys((stem, stem.removesuffix(CLEANED)))
    paths = [path for name in names if (path := masks.with_name(name + JSON)).is_file()]
    contents = {path: read_json(path) for path in paths}
    return {path: each for path, each in contents.items() if isinstance(each, Mapping)}


def _info(content: Mapping[str, Any]) -> Mapping[str, Any]:
    info = content.get("info")
    return info if isinstance(info, Mapping) else {}


def _read(record: Path, made: Mapping[str, Any], given: View) -> View:
    if given.references is not None:
        made = {name: value for name, value in made.items() if name != "reflectance"}
    try:
        return _view_of(made)
    except (AnymaskError, LookupError, TypeError, ValueError) as error:
        why = str(error).rstrip(".") or type(error).__name__
        raise ImageError(
            f"{record} says what its masks were found in, which cannot be used again ({why}); "
            "give it anew, or measure the image as it is with ignore_view=True."
        ) from error


def _is_of(content: Mapping[str, Any], image: Path) -> bool:
    """Whether a COCO file is that of this image, by its name."""
    return _image_in(content) in {path.name for path in (image, *image_files(image))}


def _image_in(content: Mapping[str, Any]) -> str | None:
    """The name of the first image in a COCO file."""
    try:
        return str(content["images"][0]["file_name"])
    except (LookupError, TypeError):
        return None


def _view_of(made: Mapping[str, Any]) -> View:
    made = dict(made)
    rgb, wavelengths = made.pop("rgb", None), made.pop("wavelengths", ())
    light = made.pop("reflectance", None)
    if unknown := sorted(made.keys() - _OPTIONS - _PLANES - _READING):
        raise ValueError(f"this version does not know {', '.join(unknown)}")
    options, planes, reading = (
        {name: value for name, value in made.items() if name in names}
        for names in (_OPTIONS, _PLANES, _READING)
    )
    Contrast(options.get("low"), options.get("high"), gamma=options.get("gamma", 1.0))
    recipes = () if rgb is None else (recipe(*rgb["source"], name=rgb["name"]),)
    references = None if light is None else References.from_record(light)
    return View(recipes, options, planes, None, tuple(map(float, wavelengths)), reading, references)
