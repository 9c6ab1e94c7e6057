"""Masks to files: one call for every format."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from anymask.errors import AnymaskError, OutputError
from anymask.files import check_free
from anymask.images.image import Image
from anymask.io.registry import MaskFormat, format_named, format_of, image_suffixes
from anymask.io.write_context import check_same_size, context_for
from anymask.masks.mask_set import MaskSet

# Endings of images that other programs read and anymask does not, in names that files hold.
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
        The masks, or a label image whose ids stay as they are.
    path : path-like
        The file; a folder for OME-Zarr. Folders above it are made.
    format : str, optional
        One of `anymask.io.FORMATS`: "coco", "npz", "labels" (TIFF), "png", "labels-npz", "zarr",
        "yolo", "voc", "labelme", "geojson", "imagej", "csv", "parquet", or one that an installed
        package adds. By default the one of the suffix; ".json" is COCO.
    image : Image, array or path-like, optional
        The image: an `Image` brings its name, pixel size, geo-reference and values, an array its
        values, and a path only the name.
    overwrite : bool
        Replace existing files.
    pixel_size : float or tuple of float, optional
        Height and width of a pixel in `unit`; overrides that of the image.
    unit : str, optional
        "µm", "mm", ….
    classes : sequence of str, optional
        All classes in the order of their numbers, for formats that number them. By default those
        that the data set has already, then those of the masks in alphabetical order.
    polygons : bool
        In COCO, polygons instead of run lengths.
    simplify : float
        Leave out corners of polygons that are no farther than this many pixels from the rest.
        0 keeps every corner and so every pixel; below 0.5 hardly one changes.
    geo : bool, optional
        In GeoJSON, map coordinates (True) or pixels (False); by default map coordinates if the
        image has a geo-reference.
    properties : sequence of str, optional
        The columns of a table; see `anymask.masks.measure.PROPERTIES`.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    OutputError
        If the file exists and may not be replaced, cannot be written, or the format cannot hold
        the masks; then nothing has changed.
    ImageError
        If the image is of another size than the masks.

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
        raise OutputError(f"simplify is a distance in pixels from 0 on, not {simplify}.")
    check_free(path, overwrite)
    if isinstance(image, Image):
        check_same_size(masks, image)
    context = context_for(
        image,
        path,
        pixel_size=pixel_size,
        unit=unit,
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
    images: Mapping[str, Image] | None = None,
    scales: Mapping[str, Mapping[str, Any]] | None = None,
    overwrite: bool = False,
    **options: Any,
) -> list[Path]:
    """Write the masks of many images as one data set.

    COCO becomes one file. YOLO becomes a folder with ``labels/`` and ``data.yaml``, Pascal VOC one
    with ``Annotations/`` and what belongs to it; classes have the same numbers for all images.
    Any other format has a file per image.

    Parameters
    ----------
    pictures : iterable of (str, MaskSet)
        File name of each image, which may have folders before it, and its masks.
    place : path-like
        A folder; for COCO a file, or a folder for ``annotations.json``.
    format : str
        As in `save_masks`.
    images : mapping, optional
        The images themselves by these names, where they are known.
    scales : mapping, optional
        ``pixel_size`` and ``unit`` by these names, for images that are not in `images`, where
        `options` have none.
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
    if form.write_many is not None:
        path = dataset_file(place, form)
        check_free(path, overwrite)
        options.pop("geo", None)
        context = context_for(None, path, overwrite=overwrite, **options)
        pairs = [(masks, replace(context, image_name=name)) for name, masks in pictures]
        return form.write_many(path, pairs)
    paths = _paths_in(place, form, [name for name, _ in pictures])
    for path in paths:
        check_free(path, overwrite)
    written: dict[Path, None] = {}
    for path, (name, masks) in zip(paths, pictures, strict=True):
        image = images.get(name, name)
        own = dict(options)
        if options.get("pixel_size") is None and name not in images:
            own.update((scales or {}).get(name, {}))
        try:
            files = save_masks(masks, path, format, image=image, overwrite=overwrite, **own)
        except AnymaskError as error:
            raise type(error)(f"{name}: {error}") from error
        written.update(dict.fromkeys(files))
    return list(written)


def _paths_in(folder: Path, form: MaskFormat, names: Sequence[str]) -> list[Path]:
    """A path for each image; those that would share one keep their suffixes."""
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


def dataset_file(place: Path, form: MaskFormat) -> Path:
    """The one file of a data set: the place itself if its suffix says so, else one in it."""
    named = place.suffix.lower() in form.suffixes
    return place if named else place / f"annotations{form.suffix}"


def path_in(folder: Path, form: MaskFormat, name: str) -> Path:
    """Where a data set in a folder has the masks of one image.

    Examples
    --------
    >>> path_in(Path("out"), format_named("yolo"), "day1/a.png").as_posix()
    'out/labels/day1/a.txt'
    """
    relative = Path(*(part for part in Path(name).parts if part not in ("..", "/", "\\")))
    # Any dot that does not begin the ending of an image is a part of the name.
    known = relative.suffix.lower() in (*image_suffixes(), *_UNREAD)
    stem = relative.stem if known else relative.name
    return folder / form.dataset_folder / relative.with_name(stem + form.suffix)


def _classes_of(pictures: Iterable[tuple[str, MaskSet]]) -> list[str] | None:
    """Classes of all images, so that they have the same numbers in each."""
    names = {name for _, masks in pictures for name in masks.class_names or ()}
    return sorted(filter(None, names)) or None
