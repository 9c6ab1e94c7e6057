"""How the images of a session are seen: their pseudo-RGBs, pictures and thumbnails."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anymask.files import whole_file
from anymask.images.recipes import Recipe, recipe
from anymask.session.errors import EditedError, SessionError
from anymask.session.images import SessionImages
from anymask.session.journal import inside
from anymask.session.records import Event, ImageId, LayerKey
from anymask.session.regions import Region
from anymask.session.rendering import check_recipe, plane_of, render

# Pictures of up to so many pixels are made whole and kept.
_WHOLE = 2**26


class SessionPictures(SessionImages):
    """Pseudo-RGBs, and the pictures that they give."""

    def __init__(self, folder: Path, *, read_only: bool) -> None:
        super().__init__(folder, read_only=read_only)
        self._pictures: OrderedDict[tuple[LayerKey, Recipe, int], NDArray[np.uint8]] = OrderedDict()

    def recipes(self, image: ImageId) -> tuple[Recipe, ...]:
        """The pseudo-RGBs of an image."""
        return self.image(image).recipes

    def add_recipe(
        self,
        *source: str | Recipe,
        name: str | None = None,
        images: Iterable[ImageId] | None = None,
    ) -> Recipe:
        """Give a pseudo-RGB to images, after looking whether it fits each.

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
            If it does not fit one of the images; then none has it.
        EditedError
            If layers under that name have been segmented with other expressions.
        """
        how = source[0] if isinstance(source[0], Recipe) else recipe(*map(str, source), name=name)
        ids = [r.id for r in self.images] if images is None else [self.image(i).id for i in images]
        used = []
        for image in ids:
            same = [r for r in self.image(image).recipes if r.name == how.name]
            key = LayerKey(image, how.name)
            if same and same[0].source != how.source and self.layer_state(key) != "new":
                used.append(key)
            check_recipe(self.load(image), how)
        if used:
            raise EditedError(
                f"There are masks under the name {how.name!r} already, in {len(used)} images; give "
                "the new pseudo-RGB another name.",
                used,
            )
        self._record("recipe.add", recipe=[how.name, list(how.source)], images=ids)
        self._tell(Event("recipes"))
        return how

    def remove_recipe(
        self, name: str, images: Iterable[ImageId] | None = None, *, force: bool = False
    ) -> None:
        """Take a pseudo-RGB from images, with its layers.

        Raises
        ------
        EditedError
            If one of the layers was edited and `force` is false.
        SessionError
            If an image would have none left.
        """
        wanted = [r.id for r in self.images] if images is None else list(images)
        ids = [i for i in wanted if any(how.name == name for how in self.image(i).recipes)]
        bare = [self.image(i).name for i in ids if len(self.image(i).recipes) == 1]
        if bare:
            raise SessionError(
                f"{name!r} is all that {bare[0]} is shown by; add another one first."
            )
        keys = [LayerKey(image, name) for image in ids]
        self._refuse_edited([] if force else keys, "removed")
        with self._mutex:
            self._record("recipe.remove", name=name, images=ids)
            for key in keys:
                self._layers.pop(key, None)
        self._tell(Event("recipes"))

    def all_layers(self) -> list[LayerKey]:
        """A layer for every pseudo-RGB of every image, in order."""
        return self._state.layer_keys()

    def edited_layers(self, layers: Iterable[LayerKey] | None = None) -> list[LayerKey]:
        """Those of some layers (all by default) that were edited by hand."""
        keys = self.all_layers() if layers is None else layers
        return [key for key in keys if self._state.history(key).is_edited]

    def _refuse_edited(self, layers: Iterable[LayerKey], what: str) -> None:
        edited = self.edited_layers(layers)
        if edited:
            names = ", ".join(self.title(key) for key in edited[:3])
            more = f" and {len(edited) - 3} more" if len(edited) > 3 else ""
            raise EditedError(
                f"Masks that were edited by hand would be {what}: {names}{more}; allow it, or "
                "leave them out.",
                edited,
            )

    def rgb(self, layer: LayerKey, plane: int = 0) -> NDArray[np.uint8]:
        """An image through a pseudo-RGB, (H, W, 3) uint8. Slow; the last few stay in memory."""
        how = self.image(layer.image).recipe(layer.recipe)
        wanted = (layer, how, plane)
        with self._mutex:
            if wanted in self._pictures:
                self._pictures.move_to_end(wanted)
                return self._pictures[wanted]
        picture = render(self.load(layer.image), how, plane)
        with self._mutex:
            self._hold(self._pictures, wanted, picture)
        return picture

    def rgb_part(self, layer: LayerKey, plane: int, region: Region) -> NDArray[np.uint8]:
        """A region of what `rgb` gives, reduced by its step. Slow.

        Of pictures of more than 64 million pixels nothing else is read; where these are not 8-bit,
        the region has its own contrast.
        """
        record = self.image(layer.image)
        if math.prod(record.size) <= _WHOLE:
            pixels = self.rgb(layer, plane)[region.window]
        else:
            part = plane_of(self.load(layer.image), plane).region(
                region.top, region.left, region.height, region.width
            )
            pixels = render(part, record.recipe(layer.recipe))
        if region.step > 1:
            from PIL import Image as Pillow

            pixels = np.asarray(Pillow.fromarray(np.ascontiguousarray(pixels)).reduce(region.step))
        return np.ascontiguousarray(pixels)

    def thumbnail(self, image: ImageId, side: int = 96) -> NDArray[np.uint8]:
        """A small picture of an image, kept in the session. Slow the first time."""
        from PIL import Image as Pillow

        record = self.image(image)
        digest = str(record.fingerprint.get("sha256"))[:24]
        path = inside(self.folder, f"thumbnails/{digest}-{record.recipes[0].name}-{side}.png")
        if path.is_file():
            try:
                with Pillow.open(path) as kept:
                    return np.asarray(kept.convert("RGB"))
            except OSError:
                pass
        full = self.rgb(LayerKey(image, record.recipes[0].name), record.planes // 2)
        small = Pillow.fromarray(full)
        small.thumbnail((side, side), reducing_gap=2.0)
        if not self.read_only:
            with whole_file(path) as part:
                small.save(part)
        return np.asarray(small)
