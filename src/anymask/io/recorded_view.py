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
from anymask.images.named_values import values_of
from anymask.images.recipes import Recipe
from anymask.io.guards import read_json
from anymask.io.references import References
from anymask.io.registry import image_files
from anymask.io.results import CLEANED, JSON, stem_of
from anymask.io.view import View

_PLANES = ("z", "t")
_READING = ("series", "page", "level", "dataset", "axes")


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
    stem = stem_of(masks)
    for name in dict.fromkeys((stem, stem.removesuffix(CLEANED))):
        record = masks.with_name(name + JSON)
        made = _recorded(record, image) if record.is_file() else None
        if made:
            return _read(record, made, given)
    return None


def _recorded(record: Path, image: Path) -> Mapping[str, Any] | None:
    content = read_json(record)
    info = content.get("info") if isinstance(content, Mapping) else None
    made = info.get("view") if isinstance(info, Mapping) else None
    return made if isinstance(made, Mapping) and _is_of(content, image) else None


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


def joined(recorded: View, given: View) -> View:
    """Return the given view, with what is recorded wherever it says nothing."""
    return replace(
        given,
        recipes=given.recipes or recorded.recipes,
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


def _is_of(content: Mapping[str, Any], image: Path) -> bool:
    """Whether a COCO file is that of this image, by its name."""
    try:
        told = str(content["images"][0]["file_name"])
    except (LookupError, TypeError):
        return False
    return told in {path.name for path in (image, *image_files(image))}


def _view_of(made: Mapping[str, Any]) -> View:
    rgb = made.get("rgb")
    recipes = () if rgb is None else (Recipe(str(rgb["name"]), tuple(map(str, rgb["source"]))),)
    light = made.get("reflectance")
    return View(
        recipes,
        planes={name: made[name] for name in _PLANES if name in made},
        wavelengths=tuple(float(number) for number in made.get("wavelengths", ())),
        reading={name: made[name] for name in _READING if name in made},
        references=None if light is None else References.from_record(light),
    )
