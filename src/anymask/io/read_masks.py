"""Read masks from files; the format is recognised by content, not by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from anymask.errors import ImageError
from anymask.images.image import Image
from anymask.io.guards import reading
from anymask.io.image_formats.photo import is_turned
from anymask.io.mask_file import MaskFile
from anymask.io.registry import MaskFormat, mask_formats
from anymask.io.results import JSON, LABELS, LABELS_ZARR, result_path, stem_of
from anymask.io.write_context import place_of
from anymask.masks.mask_set import MaskSet

_JPEG = b"\xff\xd8\xff"


_last: tuple[tuple[Path, int, int], MaskFile] | None = None


def load_masks(
    path: str | os.PathLike[str],
    image_size: tuple[int, int] | None = None,
    *,
    picture: str | None = None,
    image: Image | str | os.PathLike[str] | Any = None,
) -> MaskSet:
    """Read masks in any format that `save_masks` writes, except tables.

    Nothing in the file is executed or unpacked to disk, and sizes are checked before use.

    Parameters
    ----------
    path : path-like
        A file, or the folder of an OME-Zarr.
    image_size : tuple of int, optional
        Height and width of the image, for formats that do not store it: YOLO, Shapefile, and
        GeoJSON, GeoPackage and ImageJ ROIs from other programs.
    picture : str, optional
        File name or id of the image, for a COCO file with several.
    image : Image, array or path-like, optional
        The image itself, its values (H, W) or (H, W, C), or its file. Provides the size, and for
        GeoJSON, GeoPackage and Shapefile its place on the map.

    Returns
    -------
    MaskSet
        With the ids and class names in the file.

    Raises
    ------
    ImageError
        If the file is missing, damaged, of an unknown format or too large for memory, or the image
        cannot be read.
    AnymaskError
        If the content is not the masks of one image.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.txt").write_text("0 0 0 0.5 0 0.5 1 0 1")
    ...     load_masks(f"{folder}/a.txt", image=np.zeros((2, 4, 3), np.uint8)).to_labels()
    array([[1, 1, 0, 0],
           [1, 1, 0, 0]], dtype=uint8)
    """
    path = Path(path)
    facts = _facts_of(image, image_size)
    mask_formats()
    with reading(path, "masks"):
        file = MaskFile(path, picture=picture, **facts)
        if picture is not None:
            file = _parsed_before(file)
        return _read(_identify(file), file)


def _parsed_before(file: MaskFile) -> MaskFile:
    """Return a file with the masks of several images, parsed once for all of them.

    The last one is kept, until it changes or another is read.
    """
    global _last
    status = file.path.stat()
    mark = (file.path.absolute(), status.st_size, status.st_mtime_ns)
    if _last is not None and _last[0] == mark:
        return _last[1].with_facts_of(file)
    _last = (mark, file)
    return file


def load_dataset(
    path: str | os.PathLike[str],
    image_size: tuple[int, int] | None = None,
    *,
    image: Image | str | os.PathLike[str] | Any = None,
    image_of: Callable[[str], Image | None] | None = None,
) -> Iterator[tuple[str, MaskSet]]:
    """Read the masks of every image in a file: all of a COCO data set, otherwise the only one.

    Parameters
    ----------
    path : path-like
    image_size : tuple of int, optional
        As in `load_masks`.
    image : Image, array or path-like, optional
        As in `load_masks`, for a file with the masks of one image.
    image_of : callable, optional
        Returns the image of a name in the file, or None; for files with the masks of several.

    Yields
    ------
    name : str
        File name of the image if stored in the file, otherwise the file's own name without suffix.
    masks : MaskSet

    Raises
    ------
    AnymaskError
        As in `load_masks`.
    """
    path = Path(path)
    mask_formats()
    facts = _facts_of(image, image_size)
    with reading(path, "masks"):
        file = MaskFile(path, **facts)
        form = _identify(file)
        images = [(None, None)] if form.images_in is None else form.images_in(file)
    for key, name in images:
        stored = str(name) if name and isinstance(name, str) else stem_of(path)
        own = None if image_of is None else image_of(stored)
        with reading(path, "masks"):
            one = file.of_picture(key)
            if own is not None:
                told = MaskFile(path, picture=key, **_facts_of(own, image_size))
                one = file.with_facts_of(told)
            masks = _read(form, one)
        if key is None:  # the only image; its stored name may be a path on another machine
            stored = _without_folders(stored)
        yield stored, masks


def scale_of(path: Path) -> dict[str, Any]:
    """Read ``pixel_size``, ``unit`` and ``geo_reference`` of a result, for `save_masks`.

    Label images in TIFF, OME-Zarr and GeoJSON store them. For ``NAME.masks.json`` they are read
    from the ``NAME.labels.tif`` or ``NAME.labels.zarr`` beside it. What is unknown is left out.
    """
    if path.name.endswith(JSON):
        stem = path.with_name(path.name.removesuffix(JSON))
        labels_beside = (result_path(stem, ending) for ending in (LABELS, LABELS_ZARR))
        path = next((beside for beside in labels_beside if beside.exists()), path)
    suffix = path.suffix.lower()
    labels: Image | None = None
    with suppress(ImageError), reading(path, "masks"):
        for form in mask_formats().values():
            if form.scale is not None and (
                form.accepts(MaskFile(path)) if form.is_folder else suffix in form.suffixes
            ):
                labels = form.scale(path)
                break
    facts: dict[str, Any] = {}
    if labels is not None and labels.pixel_size is not None and labels.unit:
        facts |= {"pixel_size": labels.pixel_size, "unit": labels.unit}
    if labels is not None and (labels.geo or {}).get("transform"):
        facts["geo_reference"] = labels.geo
    return facts


def _facts_of(image: Any, image_size: tuple[int, int] | None) -> dict[str, Any]:
    """What a `MaskFile` is told of an image: size, place on a map, whether its file is turned."""
    if image is None:
        return {"image_size": image_size}
    if isinstance(image, (str, os.PathLike)):
        from anymask.io.read_images import read

        image = read(image)
    if isinstance(image, Image):
        place = place_of(image.geo)
        return {
            "image_size": image_size or (image.height, image.width),
            "transform": place["transform"],
            "image_crs": place["crs"],
            "is_turned": image.path is not None and is_turned(image.path),
        }
    shape = np.shape(image)
    if len(shape) not in (2, 3):
        raise ImageError(
            f"An array of shape {shape} is not an image; give one of shape (H, W) or (H, W, C)."
        )
    return {"image_size": image_size or (int(shape[0]), int(shape[1]))}


def _identify(file: MaskFile) -> MaskFormat:
    """Recognise the format of a file by its content.

    Raises
    ------
    ImageError
        If the format is unknown; the message says what the file is instead.
    """
    path, formats = file.path, mask_formats().values()
    if not file.is_folder and not file.start and file.suffix != ".txt":
        raise ImageError(f"{path} is empty (0 bytes); copy or save it again.")
    # Formats that go by their suffix alone, such as those of packages, are tried first.
    own = [form for form in formats if form.sniff is None and file.suffix in form.suffixes]
    form = next((form for form in (*own, *formats) if form.accepts(file)), None)
    if form is not None:
        return form
    if file.is_folder:
        raise ImageError(f"{path} is a folder but not OME-Zarr; name the files in it one by one.")
    if file.start.startswith(_JPEG):
        raise ImageError(
            f"{path} is a JPEG, whose compression changes ids; save label images as PNG or TIFF."
        )
    if file.members is not None:
        raise ImageError(
            f"{path} is a zip file without ImageJ ROIs or NumPy arrays; unpack it and give the "
            "file with the masks."
        )
    if file.text.startswith("<"):
        raise ImageError(f"{path} is XML, but not a Pascal VOC annotation.")
    if file.json is not None:
        raise ImageError(
            f"{path} is JSON, but does not contain masks as COCO, LabelMe or GeoJSON do."
        )
    known = ", ".join(form.title for form in formats if form.read is not None)
    raise ImageError(f"{path} has no masks in a known format; anymask reads {known}.")


def _read(form: MaskFormat, file: MaskFile) -> MaskSet:
    if form.is_table:
        raise ImageError(f"{file.path} is a table; it has measurements but no masks.")
    if form.read is None:
        raise ImageError(f"{file.path} is {form.title}, a format that can be written but not read.")
    return form.read(file)


def _without_folders(name: str) -> str:
    return name.replace("\\", "/").rsplit("/", 1)[-1]
