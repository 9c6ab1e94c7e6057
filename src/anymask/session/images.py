"""`session.images`: the images of a session, their pseudo-RGBs and pixels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, SupportsIndex, overload

import numpy as np
from numpy.typing import NDArray

from anymask.errors import AnymaskError
from anymask.images.image import Image
from anymask.images.recipes import Recipe, recipe
from anymask.session.errors import EditedError, SessionError
from anymask.session.image_files import Added, ImageFiles, find_moved
from anymask.session.kept_pixels import KeptPixels
from anymask.session.new_images import Adding
from anymask.session.records import (
    CancelToken,
    Event,
    ImageId,
    ImageRecord,
    LayerKey,
    RecipeAdded,
    State,
)
from anymask.session.rendering import check_recipe
from anymask.session.store.store import Store
from anymask.session.visible_region import Region
from anymask.wording import counted


class Images:
    """The images of a session in order: a sequence of `ImageRecord`.

    ``images[0]`` is the first image, ``images["i1"]`` the one with that id.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._files = ImageFiles(store)
        self._adding = Adding(store, self._files)
        self._rendered = KeptPixels(store, self._files)

    def _records(self) -> tuple[ImageRecord, ...]:
        return tuple(self._store.state.images.values())

    def __len__(self) -> int:
        return len(self._store.state.images)

    def __iter__(self) -> Iterator[ImageRecord]:
        return iter(self._records())

    def __contains__(self, image: object) -> bool:
        return image in self._store.state.images if isinstance(image, str) else (
            image in self._records()
        )  # fmt: skip

    @overload
    def __getitem__(self, which: ImageId | SupportsIndex) -> ImageRecord: ...
    @overload
    def __getitem__(self, which: slice) -> tuple[ImageRecord, ...]: ...
    def __getitem__(
        self, which: ImageId | SupportsIndex | slice
    ) -> ImageRecord | tuple[ImageRecord, ...]:
        """Return an image by its id or index.

        Raises
        ------
        SessionError
            If there is no image with that id.
        IndexError
            If the index is out of range.
        """
        return self._store.state.image(which) if isinstance(which, str) else self._records()[which]

    @property
    def ids(self) -> list[ImageId]:
        """The ids of the images, in order."""
        return list(self._store.state.images)

    @property
    def search_folders(self) -> list[Path]:
        """Folders to search for moved files; append your own."""
        return self._files.search_folders

    def add(
        self,
        paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        header: str | os.PathLike[str] | None = None,
        *,
        progress: Callable[[int, int], None] | None = None,
        cancel: CancelToken | None = None,
        **read_options: Any,
    ) -> Added:
        """Add files, folders and patterns; unreadable files do not stop the others.

        Slow: reads each file once, to recognise it later by its content. A folder with the slices
        of one DICOM series becomes one stack.

        Parameters
        ----------
        paths : path-like or several
        header : path-like, optional
            ENVI header, if `paths` is one data file.
        progress : callable, optional
            Called with the number of files done and their total.
        cancel : CancelToken, optional
        **read_options
            Further options for `anymask.read`.
        """
        places = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
        head = None if header is None else Path(header).absolute()
        return self._adding.add(list(map(Path, places)), head, read_options, progress, cancel)

    def remove(self, ids: Iterable[ImageId]) -> None:
        """Remove images and their layers from the session; the image files are not touched."""
        store = self._store
        gone = [self[image].id for image in ids]
        with store.mutex:
            keys = [key for key in store.state.layer_keys() if key.image in gone]
            store.record("images.remove", ids=gone)
            for image in gone:
                self._files.forget(image)
            store.forget(keys)
        store.tell(Event("images"))

    def order(self, ids: Sequence[ImageId]) -> None:
        """Put these images first, in this order; the others follow."""
        self._store.record("images.order", ids=list(ids))
        self._store.tell(Event("images"))

    def state(self, image: ImageId) -> State:
        """Return the state of the layer that needs most attention: "edited" before "segmented"."""
        layers = [LayerKey(image, how.name) for how in self[image].recipes]
        states = [self._store.state.layer_state(key) for key in layers]
        order: tuple[State, ...] = ("edited", "segmented", "saved")
        return next((s for s in order if s in states), "new")

    def add_recipe(
        self,
        *source: str | Recipe,
        name: str | None = None,
        images: Iterable[ImageId] | None = None,
    ) -> Recipe:
        """Add a pseudo-RGB to images, if it fits all of them. Slow: opens the images.

        Parameters
        ----------
        *source : str or Recipe
            What `anymask.recipe` takes.
        name : str, optional
        images : iterable of str, optional
            All by default.

        Raises
        ------
        ExpressionError, ImageError
            If it does not fit one of the images; then it is added to none.
        EditedError
            If layers with that name were segmented with other expressions.
        """
        how = source[0] if isinstance(source[0], Recipe) else recipe(*map(str, source), name=name)
        ids = self.ids if images is None else [self[image].id for image in images]
        for image in ids:
            check_recipe(self.load(image), how)
        self._note_recipe(how, ids)
        return how

    def add_recipe_where_it_fits(
        self,
        *source: str | Recipe,
        name: str | None = None,
        progress: Callable[[int, int], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> RecipeAdded:
        """Add a pseudo-RGB to all images that it fits. Slow: opens the images.

        Parameters
        ----------
        *source, name
            As in `add_recipe`.
        progress : callable, optional
            Called with the number of images checked and their total.
        cancel : CancelToken, optional
            If it is cancelled, the pseudo-RGB is added to no image.

        Raises
        ------
        ExpressionError, ImageError, SessionError
            If it fits none of the images.
        EditedError
            If layers with that name were segmented with other expressions.
        """
        how = source[0] if isinstance(source[0], Recipe) else recipe(*map(str, source), name=name)
        fitting: list[ImageId] = []
        refused: list[tuple[ImageId, AnymaskError]] = []
        for index, image in enumerate(ids := self.ids):
            if progress is not None:
                progress(index, len(ids))
            if cancel is not None and cancel.is_cancelled:
                return RecipeAdded(how, (), ())
            try:
                check_recipe(self.load(image), how)
            except AnymaskError as error:
                refused.append((image, error))
            else:
                fitting.append(image)
        if refused and not fitting:
            raise refused[0][1]
        self._note_recipe(how, fitting)
        told = tuple((image, str(why)) for image, why in refused if image in self)
        for image, sentence in told:
            self._store.log(f"{how.name} was not added to {self[image].name}: {sentence}")
        return RecipeAdded(how, tuple(fitting), told)

    def _note_recipe(self, how: Recipe, ids: list[ImageId]) -> None:
        """Add a pseudo-RGB that fits, unless its name stands for other masks."""
        store = self._store
        with store.mutex:
            ids = [image for image in ids if image in self]  # others were removed meanwhile
            used = []
            for image in ids:
                key = LayerKey(image, how.name)
                same = [known for known in self[image].recipes if known.name == how.name]
                if same and same[0].source != how.source and store.state.layer_state(key) != "new":
                    used.append(key)
            if used:
                raise EditedError(
                    f"{counted(len(used), 'image')} already {'has' if len(used) == 1 else 'have'} "
                    f"masks under the name {how.name!r}; give the new pseudo-RGB another name.",
                    used,
                )
            store.record("recipe.add", recipe=[how.name, list(how.source)], images=ids)
        store.tell(Event("recipes"))

    def remove_recipe(
        self, name: str, images: Iterable[ImageId] | None = None, *, force: bool = False
    ) -> None:
        """Remove a pseudo-RGB and its layers from images (all by default).

        Raises
        ------
        EditedError
            If one of the layers was edited and `force` is false.
        SessionError
            If it is the only pseudo-RGB of an image.
        """
        wanted = self.ids if images is None else list(images)
        ids = [i for i in wanted if any(how.name == name for how in self[i].recipes)]
        bare = [self[i].name for i in ids if len(self[i].recipes) == 1]
        if bare:
            raise SessionError(
                f"{name!r} is the only pseudo-RGB of {bare[0]}; add another one first."
            )
        store = self._store
        keys = [LayerKey(image, name) for image in ids]
        if not force:
            store.state.refuse_edited(keys, "removed")
        with store.mutex:
            store.record("recipe.remove", name=name, images=ids)
            store.forget(keys)
        store.tell(Event("recipes"))

    def is_missing(self, image: ImageId) -> bool:
        """Whether the file of an image is missing."""
        return not self[image].path.exists()

    def load(self, image: ImageId) -> Image:
        """Read an image; the last few stay in memory. Slow.

        A moved file is searched for beside the session and in `search_folders`.

        Raises
        ------
        SessionError
            If it is not found, or was replaced by an image of a different shape.
        ImageError
            If it cannot be read.
        """
        return self._files.load(image)

    def relocate(self, image: ImageId, path: str | os.PathLike[str]) -> None:
        """Set the new place of an image file. Slow: compares the content.

        Raises
        ------
        SessionError
            If it is a different image.
        """
        self._files.relocate(image, Path(path).absolute())
        self._store.tell(Event("images", image))

    def search(self, folder: str | os.PathLike[str]) -> list[ImageId]:
        """Search a folder for all missing files; return the ids of images found. Slow."""
        found = []
        for record in self:
            if not record.path.exists():
                path = find_moved(record, [Path(folder)])
                if path is not None:
                    self._files.note_moved(record, path)
                    found.append(record.id)
        if found:
            self._store.tell(Event("images"))
        return found

    def rgb(self, layer: LayerKey, plane: int = 0) -> NDArray[np.uint8]:
        """Render an image with a pseudo-RGB, (H, W, 3) uint8. Slow; the last few are cached."""
        return self._rendered.rgb(layer, plane)

    def rgb_part(self, layer: LayerKey, plane: int, region: Region) -> NDArray[np.uint8]:
        """Render a region of `rgb`, reduced by the region's step. Slow.

        For images with more than 64 million pixels, only the region is read; if such an image is
        not 8-bit, the contrast is that of the region.
        """
        return self._rendered.rgb_part(layer, plane, region)

    def rgb_hash(self, layer: LayerKey) -> str:
        """Hash what determines the pixels of `rgb`: file content, options and pseudo-RGB."""
        return self._rendered.rgb_hash(layer)

    def thumbnail(self, image: ImageId, side: int = 96) -> NDArray[np.uint8]:
        """Render a thumbnail (h, w, 3) with the first pseudo-RGB. Slow the first time."""
        return self._rendered.thumbnail(image, side)
