"""Match images and files with masks by name.

The masks of ``sub/a.tif`` are those called ``sub/a`` (``sub/a.masks.json``, ``sub/a.labels.tif``),
``sub/a.ANYTHING`` as results of a pseudo-RGB or cleaned ones are (``sub/a.ndvi.labels.tif``), or
``sub/a_masks`` as other programs name them (`anymask.datasets.layouts.MASK_NAME`). Folders count
from the folder or pattern that was given; if nothing fits, the file name alone decides.
A COCO file with several images has masks for each of them, by the names in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from anymask.datasets.layouts import MASK_NAME
from anymask.errors import ImageError
from anymask.files import sha256
from anymask.io.fingerprint import fingerprint
from anymask.io.gathering import Result, gather_results
from anymask.io.guards import reading
from anymask.io.mask_file import MaskFile
from anymask.io.registry import mask_formats
from anymask.io.results import CLEANED, JSON, LABELS, LABELS_ZARR, stem_of
from anymask.jobs.inputs import Inputs, WorkItem
from anymask.jobs.report import Outcome
from anymask.notices import tell
from anymask.wording import counted

_MOST_NAMED = 3


@dataclass(frozen=True)
class MaskedItem(WorkItem):
    """An image with its masks.

    Attributes
    ----------
    masks : Path
        The file with the masks, or the folder of an OME-Zarr.
    picture : str or None
        The image in a file with the masks of several.
    """

    masks: Path = field(kw_only=True)
    picture: str | None = None

    def hashes_of_masks(self) -> dict[str, str]:
        """Return hashes of the files that say what the masks are, by their names.

        A label image may be corrected, and a JSON file says how the image was shown.
        """
        stem = stem_of(self.masks)
        beside = [self.masks.with_name(stem + ending) for ending in (JSON, LABELS, LABELS_ZARR)]
        beside.append(self.masks.with_name(stem.removesuffix(CLEANED) + JSON))
        made = {}
        for path in dict.fromkeys((self.masks, *beside)):
            if path.is_dir():
                made[path.name] = fingerprint(path)
            elif path.is_file():
                made[path.name] = sha256(path)
        return made

    @property
    def image(self) -> str:
        """The name of the image in a table: its file, with its folder below the given one."""
        return (self.name.parent / self.path.name).as_posix()


@dataclass(frozen=True)
class Matched:
    """Images with their masks, and what is left over.

    Attributes
    ----------
    items : list of MaskedItem
    failed : list of Outcome
        Images that have no masks, or several files of them.
    ambiguous : list of Outcome
        Of these, the ones with several files.
    without_image : list of Path
        Files with masks of no image.
    """

    items: list[MaskedItem]
    failed: list[Outcome]
    ambiguous: list[Outcome]
    without_image: list[Path]

    @property
    def notes(self) -> list[str]:
        """Sentences about what is left over."""
        if not self.without_image:
            return []
        named = ", ".join(str(path) for path in self.without_image[:_MOST_NAMED])
        more = ", …" if len(self.without_image) > _MOST_NAMED else ""
        one = len(self.without_image) == 1
        return [
            f"{counted(len(self.without_image), 'file')} with masks {'has' if one else 'have'} no "
            f"image here: {named}{more}."
        ]


def masks_by_image(inputs: Inputs, masks: Path) -> dict[Path, MaskedItem]:
    """Match images with masks where they have any, by the file of the image.

    Parameters
    ----------
    inputs : Inputs
    masks : Path

    Raises
    ------
    ImageError
        If there are no masks, none of an image, or several files of one image.
    """
    matched = match(inputs, masks)
    if matched.ambiguous:
        raise ImageError(matched.ambiguous[0].reason)
    for said in matched.notes:
        tell(said)
    return {item.path: item for item in matched.items}


def match(inputs: Inputs, masks: Path) -> Matched:
    """Match images with the masks in a folder, pattern or file.

    Parameters
    ----------
    inputs : Inputs
        The images.
    masks : Path

    Raises
    ------
    ImageError
        If there are no masks, or none of an image.
    """
    results = gather_results([masks])
    alone = len(inputs.items) == 1 and [result.path for result in results] == [masks]
    if alone and len(_of_several(results[0])) < 2:  # they belong together, whatever their names
        (item,) = inputs.items
        return Matched([MaskedItem(item.path, item.name, masks=masks)], [], [], [])
    images = {item.name.as_posix(): item for item in inputs.items}
    found: dict[str, list[_Masks]] = defaultdict(list)
    rest = []
    for result in results:
        one = _Masks(result.path, result.name)
        owner = _owner(one, images)
        if owner is not None:
            found[owner].append(one)
        elif several := _of_several(result):
            owned = [(each, _owner(each, images)) for each in several]
            for each, name in owned:
                if name is not None:
                    found[name].append(each)
            rest += [each for each, name in owned if name is None]
        else:
            rest.append(one)
    rest = _by_file_name(rest, images, found)
    used = {one.path for ones in found.values() for one in ones}
    # A folder of images may hold masks too, which were taken for images.
    wanted = {name: item for name, item in images.items() if item.path not in used}
    items = [
        MaskedItem(
            item.path, item.name, item.recipe, masks=found[name][0].path, picture=found[name][0].key
        )
        for name, item in wanted.items()
        if len(found[name]) == 1
    ]
    if not any(found.values()):
        raise ImageError(_nothing_in_common(list(wanted.values()), rest, masks))
    failed = [
        Outcome(str(item.name), "failed", str(item.path), reason=_why(item, found[name], masks))
        for name, item in wanted.items()
        if len(found[name]) != 1
    ]
    images_too = {item.path for item in inputs.items}
    left = dict.fromkeys(one.path for one in rest if one.path not in images_too)
    ambiguous = [each for each in failed if found[Path(each.name).as_posix()]]
    return Matched(items, failed, ambiguous, list(left))


@dataclass(frozen=True)
class _Masks:
    """The masks of one image, by name; `key` chooses it in a file with several."""

    path: Path
    name: Path
    key: str | None = None


def _owner(masks: _Masks, images: dict[str, WorkItem]) -> str | None:
    """The name of the image that masks belong to."""
    for name in possible_names(masks.name):
        if name in images and images[name].path != masks.path:
            return name
    return None


def possible_names(name: Path) -> list[str]:
    """What the image of masks may be called, the longest first."""
    pieces = name.name.split(".")
    stems = [".".join(pieces[:count]) for count in range(len(pieces), 0, -1)]
    if parts := MASK_NAME.fullmatch(name.name):
        stems += [parts["image"] + (parts["cellpose"] or ""), parts["image"]]
    return [name.with_name(stem).as_posix() for stem in dict.fromkeys(stems) if stem]


def _by_file_name(
    rest: Sequence[_Masks], images: dict[str, WorkItem], found: dict[str, list[_Masks]]
) -> list[_Masks]:
    """Give masks to images in other folders that have none; return those left over."""
    bare: dict[str, list[str]] = defaultdict(list)
    for name in images:
        if not found[name]:
            bare[PurePosixPath(name).name].append(name)
    left = []
    for one in rest:
        alone = _Masks(one.path, Path(one.name.name), one.key)
        owners = (bare[name] for name in possible_names(alone.name) if name in bare)
        owner = next(iter(owners), [])
        if len(owner) == 1 and images[owner[0]].path != one.path:
            found[owner[0]].append(one)
        else:
            left.append(one)
    return left


def _of_several(result: Result) -> list[_Masks]:
    """The masks of each image in a file with several; an empty list for any other file."""
    if result.path.suffix.lower() != ".json":
        return []
    with suppress(ImageError), reading(result.path, "masks"):
        file = MaskFile(result.path)
        form = next((form for form in mask_formats().values() if form.accepts(file)), None)
        if form is None or form.images_in is None:
            return []
        listed = [(key, name) for key, name in form.images_in(file) if key is not None and name]
        written = (unquote(str(name).replace("\\", "/")) for _, name in listed)
        names = [Path(name).with_suffix("") for name in written]
        return [
            _Masks(result.path, result.name.parent / name, key)
            for (key, _), name in zip(listed, names, strict=True)
        ]
    return []  # damaged, and of no image's name


def _why(item: WorkItem, found: Sequence[_Masks], masks: Path) -> str:
    """Why an image cannot be measured."""
    if not found:
        name = item.name.name
        return (
            f"{item.path} has no masks in {masks}; they would be called {name}.masks.json, "
            f"{name}.labels.tif or the like."
        )
    names = [str(one.path) for one in found]
    more = "" if len(names) <= _MOST_NAMED else f" and {len(names) - _MOST_NAMED} more"
    # What tells these masks from the others, such as .ndvi.masks.json.
    ending = found[-1].path.name.removeprefix(item.name.name)
    return (
        f"{item.path} has masks in {len(names)} files, {', '.join(names[:_MOST_NAMED])}{more}; "
        f"choose with a pattern such as '*{ending}', or move the others away."
    )


def _nothing_in_common(images: Sequence[WorkItem], rest: Sequence[_Masks], masks: Path) -> str:
    shown = ", ".join(item.path.name for item in images[:_MOST_NAMED])
    others = ", ".join(one.path.name for one in rest[:_MOST_NAMED])
    more = ["…" if len(all_) > _MOST_NAMED else "" for all_ in (images, rest)]
    return (
        f"No image has masks of its name in {masks}: the images are {shown}{more[0]} and the masks "
        f"{others}{more[1]}; masks of a.tif would be called a.masks.json, a.labels.tif or the like."
    )
