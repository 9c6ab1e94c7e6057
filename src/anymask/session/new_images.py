"""Adding images to a session: they are read, named, and get the pseudo-RGBs of their kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from anymask.errors import AnymaskError
from anymask.images.image import Image
from anymask.images.recipes import Recipe
from anymask.io.listing import list_images
from anymask.io.registry import image_format_of_folder
from anymask.session.image_files import (
    Added,
    Failure,
    ImageFiles,
    fingerprint,
    needs_header,
    read_source,
)
from anymask.session.records import DEFAULT_RECIPE, CancelToken, Event, ImageRecord
from anymask.session.rendering import check_recipe
from anymask.session.store.store import Store


class Adding:
    """Adds files, folders and patterns to the images of a session."""

    def __init__(self, store: Store, files: ImageFiles) -> None:
        self._store, self._files = store, files

    def _records(self) -> list[ImageRecord]:
        return list(self._store.state.images.values())

    def add(
        self,
        places: Sequence[Path],
        header: Path | None,
        read_options: dict[str, Any],
        progress: Callable[[int, int], None] | None,
        cancel: CancelToken | None,
    ) -> Added:
        """Add images; see `Images.add`."""
        added = Added()
        files = [file for place in places for file in self._listed(place, header, added)]
        for index, path in enumerate(files):
            if cancel is not None and cancel.is_cancelled:
                break
            if progress is not None:
                progress(index, len(files))
            self._add(path.absolute(), header, read_options, added)
        if progress is not None:
            progress(len(files), len(files))
        for failure in added.failed:
            self._store.log(failure.sentence)
        if added.ids:
            self._store.tell(Event("images"))
        return added

    def _listed(self, place: Path, header: Path | None, added: Added) -> list[Path]:
        """Return the images at a place; a folder with the slices of a series is one image."""
        try:
            if header is not None or image_format_of_folder(place) is not None:
                return [place]
            return list_images(place)
        except AnymaskError as error:
            added.failed.append(Failure(place, str(error)))
            return []

    def _add(
        self, path: Path, header: Path | None, read_options: dict[str, Any], added: Added
    ) -> None:
        for record in self._records():
            if record.path == path and dict(record.read_options or {}) == read_options:
                added.already.append(record.id)
                return
        try:
            image = read_source(path, header, read_options)
            facts = fingerprint(image, path, header)
        except AnymaskError as error:
            if path.is_dir() and not read_options and image_format_of_folder(path) is not None:
                # Several series, or slices at one place: no volume, but images all the same.
                self._store.log(f"{error} Its slices were added as images of their own.")
                for one in list_images(path):
                    self._add(one, header, read_options, added)
                return
            added.failed.append(Failure(path, str(error), needs_header(path, error)))
            return
        except OSError as error:
            added.failed.append(Failure(path, f"{path} cannot be read: {error.strerror}."))
            return
        store = self._store
        with store.mutex:
            record = ImageRecord(
                f"i{store.state.next_image}",
                self._free_name(path, image.name),
                path,
                image.axes,
                tuple(map(int, image.shape)),
                image.dtype.name,
                facts,
                header,
                read_options,
                () if image.wavelengths is None else tuple(map(float, image.wavelengths)),
                self._shared_recipes(image),
            )
            store.record("images.add", images=[record.to_json(store.folder)])
            self._files.keep(record.id, image)
        added.ids.append(record.id)

    def _shared_recipes(self, image: Image) -> tuple[Recipe, ...]:
        """Return the pseudo-RGBs that all images of its kind have and that fit; else the default.

        Images of a kind have the same bands; without such images, all others count.
        """
        nm = () if image.wavelengths is None else tuple(map(float, image.wavelengths))
        bands = math.prod(
            n for axis, n in zip(image.axes, image.shape, strict=True) if axis in "CS"
        )
        others = self._records()
        kind = [each.recipes for each in others if (each.bands, each.wavelengths) == (bands, nm)]
        known = kind or [each.recipes for each in others]
        shared = [how for how in known[0] if all(how in each for each in known)] if known else []
        fitting = []
        for how in shared:
            try:
                check_recipe(image, how)
            except AnymaskError:
                continue
            fitting.append(how)
        return tuple(fitting) or (DEFAULT_RECIPE,)

    def _free_name(self, path: Path, stem: str) -> str:
        """Return an unused name: the stem, the file name, or one with the folder in front."""
        taken = {record.name.casefold() for record in self._records()}
        stem = stem or path.stem
        for name in (stem, path.name, f"{path.parent.name}_{stem}"):
            if name and name.casefold() not in taken:
                return name
        number = 2
        while f"{stem}-{number}".casefold() in taken:
            number += 1
        return f"{stem}-{number}"
