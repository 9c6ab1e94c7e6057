"""Write masks to files: one function for all formats."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from anymask.errors import AnymaskError, OutputError
from anymask.files import check_free, write_together
from anymask.images.image import Image
from anymask.io.dataset_images import image_beside
from anymask.io.registry import MaskFormat, format_named, format_of, image_suffixes
from anymask.io.write_context import check_same_size, context_for, lacked
from anymask.masks.mask_set import MaskSet

# Image suffixes that anymask does not read, but that occur in stored file names.
_UNREAD = (".gif", ".nd2", ".czi", ".svs")


def save_masks(
    masks: MaskSet | Any,
    path: str | os.PathLike[str],
    format: str | None = None,
    *,
    image: Image | str | os.PathLike[str] | Any = None,
    overwrite: bool = False,
    pixel_size: float | tuple[float, float] | None = None,
    unit: str | None = None,
    geo_reference: Mapping[str, Any] | None = None,
    classes: Sequence[str] | None = None,
    polygons: bool = False,
    simplify: float = 0.0,
    geo: bool | None = None,
    properties: Sequence[str] | None = None,
) -> list[Path]:
    """Write masks to a file.

    Parameters
    ----------
    masks : MaskSet, or (H, W) array of integers
        The masks, or a label image, whose ids are kept.
    path : path-like
        The file, or the folder for OME-Zarr. Parent folders are created.
    format : str, optional
        One of `anymask.io.FORMATS`: "coco", "npz", "labels" (TIFF), "png", "labels-npz", "zarr",
        "yolo", "voc", "labelme", "geojson", "imagej", "csv", "parquet", or one from an
        installed package. By default chosen by the suffix; ".json" is COCO.
    image : Image, array or path-like, optional
        The image: an `Image` provides its name, pixel size, geo-reference and values; an array
        only its values; a path only the name.
    overwrite : bool
        Replace existing files.
    pixel_size : float or tuple of float, optional
        Height and width of a pixel in `unit`; overrides that of the image.
    unit : str, optional
        "µm", "mm", ….
    geo_reference : mapping, optional
        As in `Image.geo`; overrides that of the image.
    classes : sequence of str, optional
        All classes in numbered order, for formats that number them. By default the classes that
        the data set already has, then those of the masks in alphabetical order.
    polygons : bool
        In COCO, polygons instead of run lengths.
    simplify : float
        Tolerance, in pixels, for leaving out corners of polygons. 0 keeps every corner and so every
        pixel; below 0.5 hardly any pixel changes.
    geo : bool, optional
        In GeoJSON, map coordinates (True) or pixels (False); by default map coordinates if the
        image has a geo-reference, whose reference system must have an EPSG code or WKT.
    properties : sequence of str, optional
        The columns of a table; see `anymask.masks.measure.PROPERTIES`.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    OutputError
        If the file exists and `overwrite` is false, it cannot be written, or the format cannot hold
        the masks. Nothing has then changed.
    ImageError
        If the image has another size than the masks.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from anymask.io import load_masks
    >>> labels = np.array([[0, 700, 700], [3, 3, 0]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = save_masks(labels, f"{folder}/cells.geojson")
    ...     load_masks(f"{folder}/cells.geojson").to_labels()
    array([[  0, 700, 700],
           [  3,   3,   0]], dtype=uint16)
    """
    path = Path(path)
    form = format_named(format) if format is not None else format_of(path)
    if not isinstance(masks, MaskSet):
        masks = MaskSet.from_labels(masks)
    if not 0 <= simplify < float("inf"):
        raise OutputError(f"simplify must be a distance in pixels, 0 or more, not {simplify}.")
    check_free(path, overwrite)
    if isinstance(image, Image):
        check_same_size(masks, image)
    context = context_for(
        image,
        path,
        pixel_size=pixel_size,
        unit=unit,
        geo_reference=geo_reference,
        classes=classes,
        properties=properties,
        polygons=polygons,
        simplify=simplify,
        geo=geo,
        overwrite=overwrite,
    )
    return form.save(path, masks, context)


def save_dataset(
    pictures: Iterable[tuple[str, MaskSet]],
    place: str | os.PathLike[str],
    format: str,
    *,
    images: Mapping[str, Any] | None = None,
    scales: Mapping[str, Mapping[str, Any]] | None = None,
    copy_images: bool = False,
    overwrite: bool = False,
    **options: Any,
) -> list[Path]:
    """Write the masks of many images as one data set.

    COCO is written as one file, YOLO as a folder with ``labels/`` and ``data.yaml``, and Pascal VOC
    as a folder with ``Annotations/`` and its companions. Classes have the same numbers in all
    images. Any other format has one file per image.

    Parameters
    ----------
    pictures : iterable of (str, MaskSet)
        File name of each image, which may include folders, and its masks.
    place : path-like
        A folder; for COCO a file, or a folder for ``annotations.json``.
    format : str
        As in `save_masks`.
    images : mapping, optional
        The images by these names, if available: each an `Image`, an array, the path of a file, or a
        function without parameters that returns one of these. YOLO and Pascal VOC keep copies with
        the labels.
    scales : mapping, optional
        ``pixel_size``, ``unit`` and ``geo_reference`` by these names, where the images lack them
        and `options` has no other.
    copy_images : bool
        Copy the images for COCO, to ``images/``, and LabelMe, beside the JSON, too.
    overwrite, **options
        As in `save_masks`.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    OutputError
        As in `save_masks`, or if two images have the same name.
    """
    place, form = Path(place), format_named(format)
    pictures, images = list(pictures), images or {}
    if options.get("classes") is None:
        options["classes"] = _classes_of(pictures)
    check_dataset_free([name for name, _ in pictures], place, form, overwrite)

    def image_of(name: str) -> Any:
        image = images.get(name, name)
        image = image() if callable(image) else image
        return _copied(image, name, place, form, overwrite) if copy_images else image

    if form.write_many is not None:
        path = dataset_file(place, form)
        options.pop("geo", None)
        context = context_for(None, path, overwrite=overwrite, **options)
        pairs = []
        for name, masks in pictures:
            image = image_of(name) if copy_images else name
            if isinstance(image, Path):
                name = image.relative_to(_images_folder(place, form)).as_posix()
            pairs.append((masks, replace(context, image_name=name)))
        return form.write_many(path, pairs)
    written: dict[Path, None] = {}
    paths = _paths_in(place, form, [name for name, _ in pictures])
    for path, (name, masks) in zip(paths, pictures, strict=True):
        image = image_of(name)
        given = {key: value for key, value in options.items() if value is not None}
        own = lacked(image if isinstance(image, Image) else None, (scales or {}).get(name, {}))
        own |= given
        try:
            files = save_masks(masks, path, format, image=image, overwrite=overwrite, **own)
        except AnymaskError as error:
            raise type(error)(f"{name}: {error}") from error
        written.update(dict.fromkeys(files))
    return list(written)


def check_dataset_free(
    names: Sequence[str], place: Path, form: MaskFormat, overwrite: bool
) -> None:
    """Refuse to write a data set over existing files unless `overwrite` is true.

    Raises
    ------
    OutputError
        If a file exists, or two images have the same name.
    """
    is_one_file = form.write_many is not None
    paths = [dataset_file(place, form)] if is_one_file else _paths_in(place, form, names)
    for path in paths:
        check_free(path, overwrite)


def _paths_in(folder: Path, form: MaskFormat, names: Sequence[str]) -> list[Path]:
    """A path for each image; images that would share one keep their suffixes."""
    paths = [path_in(folder, form, name) for name in names]
    taken = Counter(paths)
    paths = [
        path.with_name(Path(name).name + form.suffix) if taken[path] > 1 else path
        for path, name in zip(paths, names, strict=True)
    ]
    twice = next((path for path, times in Counter(paths).items() if times > 1), None)
    if twice is not None:
        raise OutputError(f"Two images would be written to {twice}; rename one of them.")
    return paths


def _copied(image: Any, name: str, place: Path, form: MaskFormat, overwrite: bool) -> Any:
    """Copy an image into a data set and return the path of the copy; a mere name stays."""
    if form.dataset_images is None or isinstance(image, str):
        return image
    stem = _images_folder(place, form) / _relative_stem(name)
    context = context_for(image, stem, overwrite=overwrite)
    copy_name, files = image_beside(context, stem)
    write_together(files)
    return image if copy_name is None else stem.with_name(copy_name)


def _images_folder(place: Path, form: MaskFormat) -> Path:
    """The folder of the images of a data set."""
    folder = dataset_file(place, form).parent if form.write_many is not None else place
    return folder / (form.dataset_images or "")


def dataset_file(place: Path, form: MaskFormat) -> Path:
    """The file of a data set: the place itself if it has a suffix of the format, else one in it."""
    named = place.suffix.lower() in form.suffixes
    return place if named else place / f"annotations{form.suffix}"


def path_in(folder: Path, form: MaskFormat, name: str) -> Path:
    """The path for the masks of one image in a data-set folder.

    Examples
    --------
    >>> path_in(Path("out"), format_named("yolo"), "day1/a.png").as_posix()
    'out/labels/day1/a.txt'
    """
    stem = _relative_stem(name)
    return folder / form.dataset_folder / stem.with_name(stem.name + form.suffix)


def _relative_stem(name: str) -> Path:
    """The name of an image without its suffix, and no way out of the data set."""
    relative = Path(*(part for part in Path(name).parts if part not in ("..", "/", "\\")))
    # A dot that does not begin an image suffix is part of the name.
    known = relative.suffix.lower() in (*image_suffixes(), *_UNREAD)
    return relative.with_name(relative.stem) if known else relative


def _classes_of(pictures: Iterable[tuple[str, MaskSet]]) -> list[str] | None:
    """The classes of all images, so that they get the same numbers in each."""
    names = {name for _, masks in pictures for name in masks.class_names or ()}
    return sorted(filter(None, names)) or None
