"""Masks in result files, each with the image that it was made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anymask.errors import AnymaskError

if TYPE_CHECKING:
    from anymask.images.image import Image
    from anymask.io.gathering import Result
    from anymask.io.view import View
    from anymask.masks.mask_set import MaskSet


@dataclass(frozen=True)
class MasksOfImage:
    """The masks of one image in a result file.

    Attributes
    ----------
    name : str
        File name of the image, as the file states it, or the file's own.
    masks : MaskSet
    image : Image or None
        As the masks were found: of a stack, the plane that the model saw. None if no images are
        given.
    view : View or None
        How the model saw it, if that is recorded.
    """

    name: str
    masks: MaskSet
    image: Image | None
    view: View | None


def pictures_in(
    result: Result, images: Path | None, size: tuple[int, int] | None = None
) -> Iterator[MasksOfImage]:
    """Read the masks of each image in a result file, at the size of the image if it is given.

    Parameters
    ----------
    result : Result
    images : Path, optional
        The image, or a folder of images named like the result, or as the file names them.
    size : tuple of int, optional
        Height and width, in place of the image's.

    Raises
    ------
    AnymaskError
        If the file cannot be read, or an image is missing.
    """
    from anymask.io.corrected import newest_masks
    from anymask.io.read_masks import load_dataset
    from anymask.jobs.matching import possible_names

    whole = None if images is None else _image_for(images, possible_names(result.name), result)
    known: dict[str, tuple[Image, View | None] | None] = {}

    def named(name: str) -> Image | None:
        known[name] = whole
        if whole is None and images is not None:
            known[name] = _image_for(images, [name], result)
        found = known[name]
        return None if found is None else found[0]

    for name, masks in load_dataset(result.path, size, image_of=named):
        found = next(iter(known.values()), None) or whole
        known.clear()
        if found is None and images is not None:
            raise AnymaskError(f"{images} has no image for {result.path}; check the names.")
        image, view = found or (None, None)
        yield MasksOfImage(name, newest_masks(result.path, masks), image, view)


def _image_for(
    images: Path, names: Sequence[str], result: Result
) -> tuple[Image, View | None] | None:
    """Read the image of one of these names, and say how it was shown; None if there is none."""
    from anymask.io.recorded_view import recorded_view
    from anymask.io.view import View

    paths = (_path_of_image(images, name, result.path) for name in names)
    path = next((path for path in paths if path is not None), None)
    if path is None:
        return None
    view = recorded_view(result.path, path, View())
    return (view or View()).image(path), view


def _path_of_image(images: Path, name: str, masks: Path) -> Path | None:
    """The file of an image: the given one, or the one of that name in the given folder.

    A folder may hold images and masks, so the masks themselves are no candidate.
    """
    from anymask.io.listing import is_image_folder, list_images
    from anymask.io.registry import image_suffixes
    from anymask.prompts.image_names import images_of_names

    if images.is_file() or is_image_folder(images):
        return images
    if not images.is_dir():
        raise AnymaskError(f"There is no image or folder {images}; check the name.")
    path = Path(name)
    for folder in (images / path.parent, images):
        if (folder / path.name).is_file() and folder / path.name != masks:
            return folder / path.name
        for suffix in image_suffixes():
            # Names may contain dots, so the suffix is appended and never replaced.
            for each in (folder / f"{path.name}{suffix}", folder / f"{path.name}{suffix.upper()}"):
                if each.exists() and each != masks:
                    return each
    # Written elsewhere: with other folders or another suffix, backslashes, or escapes of a URL.
    return images_of_names([name], [p for p in list_images(images) if p != masks]).get(name)
