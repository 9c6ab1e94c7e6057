"""`session.export`: writes the masks of a session in the formats of other programs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import AnymaskError, OutputError
from anymask.files import check_free, whole_file
from anymask.io.limits import losses
from anymask.io.mask_formats.label_tiff import write_stack, write_tiff
from anymask.io.registry import MaskFormat, format_named
from anymask.io.write_context import context_for
from anymask.io.write_masks import path_in, save_dataset, save_masks
from anymask.masks.mask_set import MaskSet
from anymask.session.images import Images
from anymask.session.layers import Layers
from anymask.session.records import DEFAULT_RECIPE, CancelToken, Event, LayerKey
from anymask.session.rendering import plane_of
from anymask.session.store.store import Store
from anymask.wording import counted


@dataclass
class Saved:
    """The result of an export.

    Attributes
    ----------
    files : list of Path
        The files written.
    losses : list of (str, str)
        Name of an image, and a sentence about what the format could not store.
    cancelled : bool
    """

    files: list[Path] = field(default_factory=list)
    losses: list[tuple[str, str]] = field(default_factory=list)
    cancelled: bool = False


class Export:
    """Writes masks; files are named after the images, and ids stay the same."""

    def __init__(self, store: Store, images: Images, layers: Layers) -> None:
        self._store, self._images, self._layers = store, images, layers

    def save(
        self,
        place: str | os.PathLike[str],
        formats: Sequence[str] = ("labels",),
        layers: Iterable[LayerKey] | None = None,
        *,
        overwrite: bool = False,
        progress: Callable[[int, int], None] | None = None,
        cancel: CancelToken | None = None,
        **options: Any,
    ) -> Saved:
        """Write layers, by default all that have masks. Slow.

        A stack becomes one TIFF of labels; in other formats, one file per plane.

        Parameters
        ----------
        place : path-like
            The folder; for COCO alone it may be a file.
        formats : sequence of str
            Names in `anymask.io.FORMATS`.
        layers : iterable of LayerKey, optional
        overwrite : bool
            Whether existing files may be replaced; images of the session never are.
        progress : callable, optional
            Called with the number of layers done and their total.
        cancel : CancelToken, optional
        **options
            Passed to `anymask.save_masks`: `polygons`, `simplify`, `geo`, `properties`.

        Raises
        ------
        OutputError
            If a file exists and may not be replaced, before anything is written; or if one
            cannot be written.
        """
        keys, forms = self._to_save(layers), [format_named(name) for name in formats]
        folder = Path(place)
        existing = self.existing(folder, formats, keys)
        images = {record.path.resolve() for record in self._images}
        if hit := [path for path in existing if path.resolve() in images]:
            raise OutputError(
                f"{hit[0]} is an image of this session and is never replaced; choose another "
                "folder."
            )
        if existing and not overwrite:
            more = f" and {len(existing) - 1} more files" if len(existing) > 1 else ""
            raise OutputError(
                f"{existing[0]}{more} exist already; choose another folder, or allow it to "
                "overwrite them." if more else
                f"{existing[0]} exists already; choose another folder, or allow it to be "
                "overwritten."
            )  # fmt: skip
        classes = [c.name for c in self._layers.classes]
        if classes:
            classes += sorted(self._other_classes(keys, set(classes)))
        options["classes"] = classes or None
        saved = Saved()
        numbers = {}
        try:
            for index, key in enumerate(keys):
                if progress is not None:
                    progress(index, len(keys))
                if cancel is not None and cancel.is_cancelled:
                    saved.cancelled = True
                    keys = keys[:index]
                    break
                numbers[key] = self._store.state.history(key).last
                for form in forms:
                    if not form.is_dataset:
                        self._save_layer(folder, key, form, overwrite, options, saved)
            for form in forms:
                if form.is_dataset:
                    self._save_dataset(folder, keys, form, overwrite, options, saved)
        finally:
            self._note_written(saved.files)
        if progress is not None:
            progress(len(keys), len(keys))
        if any(not form.is_table for form in forms) and keys and not self._store.read_only:
            self._store.record("saved", layers=[[list(key), numbers[key]] for key in keys])
        self._store.log(
            f"Saved {counted(len(keys), 'layer')} as {', '.join(formats)}: "
            f"{counted(len(saved.files), 'file')}."
        )
        self._store.tell(Event("saved"))
        return saved

    def existing(
        self,
        place: str | os.PathLike[str],
        formats: Sequence[str] = ("labels",),
        layers: Iterable[LayerKey] | None = None,
        *,
        own: bool = True,
    ) -> list[Path]:
        """Return the existing files that `save` would replace.

        Parameters
        ----------
        place, formats, layers
            As in `save`.
        own : bool
            Whether files count that this session wrote and nobody has changed since.
        """
        keys, folder, planned = self._to_save(layers), Path(place), []
        for form in map(format_named, formats):
            if form.name == "coco":
                planned.append(_coco_file(folder))
            elif form.is_dataset:
                names = [name for key in keys for name, _ in self._named_planes(key)]
                planned += [path_in(folder, form, name) for name in names]
            else:
                planned += [path for key in keys for path, _ in self._paths(folder, key, form)]
        there = [path for path in dict.fromkeys(planned) if os.path.lexists(path)]
        return there if own else [path for path in there if not self._is_own(path)]

    def _is_own(self, path: Path) -> bool:
        """Whether a file is as this session wrote it."""
        known = self._store.state.written.get(os.path.abspath(path))
        return known is not None and known == _state_of(path)

    def _note_written(self, files: Iterable[Path]) -> None:
        """Remember the files that were written, so that they can be told from the user's own."""
        facts = {os.path.abspath(path): _state_of(path) for path in files}
        written = [[path, *state] for path, state in facts.items() if state is not None]
        if written and not self._store.read_only:
            self._store.record("wrote", files=written)

    def save_binary(
        self,
        layer: LayerKey,
        choice: str | None,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        plane: int = 0,
    ) -> None:
        """Write `Layers.binarise` as a PNG or TIFF of 0 and 255.

        Raises
        ------
        OutputError
            If the file exists and `overwrite` is false, or cannot be written.
        """
        import imageio.v3 as imageio

        target = Path(path)
        check_free(target, overwrite)
        mask = self._layers.binarise(layer, choice, plane).astype(np.uint8) * 255
        with whole_file(target) as part:
            if target.suffix.lower() in (".tif", ".tiff"):
                write_tiff(part, mask, context_for(self._image_of(layer, plane), target))
            else:
                imageio.imwrite(part, mask)

    def save_labels(
        self,
        layer: LayerKey,
        labels: NDArray[np.unsignedinteger],
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
    ) -> None:
        """Write any labels (H, W) or (planes, H, W) of the size of a layer as TIFF.

        The file gets the pixel size and the place on the map of the layer's image.

        Raises
        ------
        OutputError
            If the file exists and `overwrite` is false, or cannot be written.
        """
        target = Path(path)
        check_free(target, overwrite)
        image = self._image_of(layer, 0)
        with whole_file(target) as part:
            context = context_for(image, target)
            if labels.ndim == 2:
                write_tiff(part, labels, context)
                return
            record = self._images[layer.image]
            step = None if isinstance(image, str) else self._images.load(layer.image).z_step
            stack = labels.reshape(*record.plane_axes.values(), *record.size)
            write_stack(part, stack, "".join(record.plane_axes) + "YX", context, step)

    def _to_save(self, layers: Iterable[LayerKey] | None) -> list[LayerKey]:
        if layers is not None:
            return list(layers)
        keys = [key for key in self._layers if self._layers.state(key) != "new"]
        if not keys:
            raise OutputError("There are no masks to save yet; segment or draw some first.")
        return keys

    def _other_classes(self, keys: Sequence[LayerKey], known: set[str]) -> set[str]:
        return {n for key in keys for n in self._layers.class_names(key).values()} - known

    def _named_planes(self, key: LayerKey) -> list[tuple[str, int]]:
        """Return file name and plane of each image of a layer, as data sets name them."""
        record = self._images[key.image]
        twins = [r for r in self._images if r.path.name == record.path.name]
        alone = len(record.recipes) == 1 and len(twins) == 1
        name = (
            record.path.name if alone else _file_name(self._layers.title(key)) + record.path.suffix
        )
        if record.planes == 1:
            return [(name, 0)]
        stem, suffix = os.path.splitext(name)
        return [(f"{stem}.{_plane_name(record, p)}{suffix}", p) for p in range(record.planes)]

    def _paths(
        self, folder: Path, key: LayerKey, form: MaskFormat
    ) -> list[tuple[Path, int | None]]:
        """Return the files of a layer, each with its plane; None stands for all planes."""
        record, title = self._images[key.image], _file_name(self._layers.title(key))
        if record.planes == 1:
            return [(folder / (title + form.ending), 0)]
        if form.name == "labels":
            return [(folder / (title + form.ending), None)]
        return [
            (folder / f"{title}.{_plane_name(record, p)}{form.ending}", p)
            for p in range(record.planes)
        ]

    def _save_layer(
        self,
        folder: Path,
        key: LayerKey,
        form: MaskFormat,
        overwrite: bool,
        options: dict[str, Any],
        saved: Saved,
    ) -> None:
        for path, plane in self._paths(folder, key, form):
            if plane is None:
                labels = np.array(self._layers.labels(key))
                self.save_labels(key, labels, path, overwrite=overwrite)
                saved.files.append(path)
                continue
            masks = self._layers.masks(key, plane)
            image = self._image_of(key, plane)
            saved.losses += [
                (self._layers.title(key), sentence) for sentence in losses(masks, form)
            ]
            saved.files += save_masks(
                masks, path, form.name, image=image, overwrite=overwrite, **options
            )

    def _save_dataset(
        self,
        folder: Path,
        keys: Sequence[LayerKey],
        form: MaskFormat,
        overwrite: bool,
        options: dict[str, Any],
        saved: Saved,
    ) -> None:
        images: list[tuple[str, MaskSet]] = []
        pixels: dict[str, Callable[[], Any]] = {}
        for key in keys:
            for name, plane in self._named_planes(key):
                masks = self._layers.masks(key, plane)
                images.append((name, masks))
                pixels[name] = partial(self._seen, key, plane)
                saved.losses += [(name, sentence) for sentence in losses(masks, form)]
        place = _coco_file(folder) if form.name == "coco" else folder
        saved.files += save_dataset(
            images, place, form.name, images=pixels, overwrite=overwrite, **options
        )

    def _seen(self, key: LayerKey, plane: int) -> Any:
        """What a data set shows of a layer: the image's file, or else what the model was shown.

        Only the name if the file is missing.
        """
        record = self._images[key.image]
        default = record.recipe(key.recipe).source == DEFAULT_RECIPE.source
        if default and record.planes == 1:
            return record.path
        try:
            return self._images.rgb(key, plane)
        except AnymaskError as error:
            self._store.log(str(error))
            return record.path.name

    def _image_of(self, key: LayerKey, plane: int) -> Any:
        """Load the image for measurements and geo-reference; its file name if it is missing."""
        try:
            return plane_of(self._images.load(key.image), plane)
        except AnymaskError as error:
            self._store.log(str(error))
            return self._images[key.image].path.name


def _file_name(title: str) -> str:
    """Replace characters in a title that cannot be part of a file name."""
    return re.sub(r"[/\\:\0]", "_", title).lstrip(".") or "image"


def _state_of(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """Return size and time of a file; None if it is not there."""
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return facts.st_size, facts.st_mtime_ns


def _coco_file(place: Path) -> Path:
    return place if place.suffix.lower() == ".json" else place / "annotations.json"


def _plane_name(record: Any, plane: int) -> str:
    axes = [axis for axis in "TZ" if axis in record.axes]
    letter = axes[0].lower() if len(axes) == 1 else "p"
    return f"{letter}{plane:0{len(str(record.planes - 1))}d}"
