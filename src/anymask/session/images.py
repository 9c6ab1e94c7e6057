"""The images of a session and their pseudo-RGBs."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from anymask.errors import AnymaskError
from anymask.images.image import Image
from anymask.images.recipes import Recipe
from anymask.io.listing import list_images
from anymask.session.errors import SessionError
from anymask.session.history import SessionHistory
from anymask.session.records import (
    DEFAULT_RECIPE,
    CancelToken,
    Event,
    ImageId,
    ImageRecord,
    LayerKey,
    State,
)
from anymask.session.rendering import check_recipe
from anymask.session.sources import (
    Failure,
    find_moved,
    fingerprint,
    is_unchanged,
    needs_header,
    open_source,
    read_source,
)

# Images and pictures held in memory: the current one and its neighbours.
_HELD = 4


@dataclass
class Added:
    """What became of files that were added.

    Attributes
    ----------
    ids : list of str
        The new images.
    failed : list of Failure
    already : list of str
        Images that the session had already.
    """

    ids: list[ImageId] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    already: list[ImageId] = field(default_factory=list)


class SessionImages(SessionHistory):
    """Adding, finding and showing images."""

    def __init__(self, folder: Path, *, read_only: bool) -> None:
        super().__init__(folder, read_only=read_only)
        self._images: OrderedDict[ImageId, Image] = OrderedDict()
        self.search_folders: list[Path] = []

    @property
    def images(self) -> tuple[ImageRecord, ...]:
        """The images in order."""
        return tuple(self._state.images.values())

    def image(self, image: ImageId) -> ImageRecord:
        """The record of an image."""
        return self._state.image(image)

    def add_images(
        self,
        paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        header: str | os.PathLike[str] | None = None,
        *,
        progress: Callable[[int, int], None] | None = None,
        cancel: CancelToken | None = None,
        **read_options: Any,
    ) -> Added:
        """Add files, folders and patterns; one that cannot be read leaves the others.

        Slow: reads the files once to know their content.

        Parameters
        ----------
        paths : path-like or several
        header : path-like, optional
            The ENVI header of the one data file given.
        progress : callable, optional
            Called with the files done and the files in all.
        cancel : CancelToken, optional
        **read_options
            Further options of `anymask.read`.
        """
        given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
        added, files = Added(), []
        for place in given:
            try:
                files += [Path(place)] if header is not None else list_images(place)
            except AnymaskError as error:
                added.failed.append(Failure(Path(place), str(error)))
        for index, path in enumerate(files):
            if cancel is not None and cancel.is_cancelled:
                break
            if progress is not None:
                progress(index, len(files))
            self._add(path.absolute(), header, read_options, added)
        if progress is not None:
            progress(len(files), len(files))
        for failure in added.failed:
            self.log(failure.sentence)
        if added.ids:
            self._tell(Event("images"))
        return added

    def _add(self, path: Path, header: Any, read_options: dict[str, Any], added: Added) -> None:
        for record in self.images:
            if record.path == path and dict(record.read_options or {}) == read_options:
                added.already.append(record.id)
                return
        head = None if header is None else Path(header).absolute()
        try:
            image = read_source(path, head, read_options)
            facts = fingerprint(image, path, head)
        except AnymaskError as error:
            added.failed.append(Failure(path, str(error), needs_header(path, error)))
            return
        except OSError as error:
            added.failed.append(Failure(path, f"{path} cannot be read: {error.strerror}."))
            return
        with self._mutex:
            record = ImageRecord(
                f"i{self._state.next_image}",
                self._free_name(path, image.name),
                path,
                image.axes,
                tuple(map(int, image.shape)),
                image.dtype.name,
                facts,
                head,
                read_options,
                () if image.wavelengths is None else tuple(map(float, image.wavelengths)),
                self._shared_recipes(image),
            )
            self._record("images.add", images=[record.to_json(self.folder)])
            self._hold(self._images, record.id, image)
        added.ids.append(record.id)

    def _shared_recipes(self, image: Image) -> tuple[Recipe, ...]:
        """The pseudo-RGBs that all other images have, as far as they fit; else the default."""
        known = [record.recipes for record in self.images]
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
        """A name that no image has: the stem, the file name, or one with the folder before it."""
        taken = {record.name.casefold() for record in self.images}
        stem = stem or path.stem
        for name in (stem, path.name, f"{path.parent.name}_{stem}"):
            if name and name.casefold() not in taken:
                return name
        number = 2
        while f"{stem}-{number}".casefold() in taken:
            number += 1
        return f"{stem}-{number}"

    def remove_images(self, ids: Iterable[ImageId]) -> None:
        """Take images out of the session, with their layers; their files stay where they are."""
        gone = [self.image(image).id for image in ids]
        with self._mutex:
            self._record("images.remove", ids=gone)
            for image in gone:
                self._images.pop(image, None)
                for key in [key for key in self._layers if key.image == image]:
                    del self._layers[key]
        self._tell(Event("images"))

    def order_images(self, ids: Sequence[ImageId]) -> None:
        """Put images in this order; those not named follow."""
        self._record("images.order", ids=list(ids))
        self._tell(Event("images"))

    def layer_state(self, key: LayerKey) -> State:
        """Whether a layer is new, segmented, edited, or saved as it is."""
        history = self._state.history(key)
        if not history.done:
            return "new"
        if history.saved >= history.last:
            return "saved"
        return "edited" if history.is_edited else "segmented"

    def state(self, of: ImageId | LayerKey) -> State:
        """State of a layer, or of an image: of its layers the one that needs most attention."""
        if isinstance(of, LayerKey):
            return self.layer_state(of)
        states = [self.layer_state(LayerKey(of, how.name)) for how in self.image(of).recipes]
        order: tuple[State, ...] = ("edited", "segmented", "saved")
        return next((s for s in order if s in states), "new")

    def is_missing(self, image: ImageId) -> bool:
        """Whether an image's file is not where it was."""
        return not self.image(image).path.exists()

    def load(self, image: ImageId) -> Image:
        """Read an image; the last few stay in memory. Slow.

        A file that moved is looked for beside the session and in `search_folders`.

        Raises
        ------
        SessionError
            If it is not found, or its content is another and of another size.
        ImageError
            If it cannot be read.
        """
        with self._mutex:
            if image in self._images:
                self._images.move_to_end(image)
                return self._images[image]
            record = self.image(image)
        if not record.path.exists():
            found = find_moved(record, [*self.search_folders, self.folder.parent])
            if found is None:
                raise SessionError(
                    f"{record.name}: {record.path} is gone and was not found in "
                    f"{self.folder.parent}; say where it is now."
                )
            self._say(f"{record.name} was found again at {found}.")
            record = self._moved(record, found)
        picture = open_source(record)
        if not is_unchanged(record):
            record = self._rehashed(record, picture)
        with self._mutex:
            self._hold(self._images, image, picture)
        return picture

    def _rehashed(self, record: ImageRecord, picture: Image) -> ImageRecord:
        """Look whether files with another time or place have the content they had."""
        facts = fingerprint(picture, record.path, record.header)
        if facts["sha256"] != record.fingerprint.get("sha256"):
            if tuple(picture.shape) != record.shape or picture.axes != record.axes:
                raise SessionError(
                    f"{record.path} is another image than {record.name} was (now {picture.axes} "
                    f"{picture.shape}, before {record.axes} {record.shape}); put the file back, "
                    "or add this one as a new image."
                )
            self._say(f"{record.path} has changed since it was added; its masks may not fit it.")
        return self._change_image(replace(record, fingerprint=facts))

    def _moved(self, record: ImageRecord, path: Path) -> ImageRecord:
        header = record.header
        if header is not None and not header.exists():
            header = path.parent / header.name
        return self._change_image(replace(record, path=path.absolute(), header=header))

    def _change_image(self, record: ImageRecord) -> ImageRecord:
        if self.read_only:
            self._state.images[record.id] = record
        else:
            self._record("image.changed", image=record.to_json(self.folder))
        return record

    def _say(self, sentence: str) -> None:
        self.messages.append(sentence)
        self.log(sentence)

    def relocate(self, image: ImageId, path: str | os.PathLike[str]) -> None:
        """Say where the file of an image is now. Slow: its content is compared.

        Raises
        ------
        SessionError
            If it is another image.
        """
        record, place = self.image(image), Path(path).absolute()
        moved = replace(record, path=place)
        if record.header is not None and not record.header.exists():
            moved = replace(moved, header=place.parent / record.header.name)
        picture = open_source(moved)
        facts = fingerprint(picture, place, moved.header)
        if facts["sha256"] != record.fingerprint.get("sha256"):
            raise SessionError(
                f"{place} is not the file that {record.name} was made from; its content is another."
            )
        self._change_image(replace(moved, fingerprint=facts))
        self._tell(Event("images", image))

    def search_in(self, folder: str | os.PathLike[str]) -> list[ImageId]:
        """Look in a folder for all files that are missing; return the images found. Slow."""
        found = []
        for record in self.images:
            if not record.path.exists():
                path = find_moved(record, [Path(folder)])
                if path is not None:
                    self._moved(record, path)
                    self._say(f"{record.name} was found again at {path}.")
                    found.append(record.id)
        if found:
            self._tell(Event("images"))
        return found

    def _hold(self, held: OrderedDict[Any, Any], key: Any, value: Any) -> None:
        held[key] = value
        held.move_to_end(key)
        while len(held) > _HELD:
            held.popitem(last=False)
