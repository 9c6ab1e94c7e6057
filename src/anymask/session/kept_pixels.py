"""The pixels of a session's images as the model and the window see them; the last few are kept."""

from __future__ import annotations

import hashlib
import json
import math
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from anymask.files import whole_file
from anymask.images.recipes import Recipe
from anymask.session.image_files import ImageFiles
from anymask.session.records import ImageId, LayerKey
from anymask.session.rendering import plane_of, render
from anymask.session.store.folder import inside
from anymask.session.store.store import Store
from anymask.session.visible_region import Region

# RGB images in memory: the current one and its neighbours.
_MOST_IN_MEMORY = 4
# Images with at most this many pixels are rendered whole and kept.
_MOST_PIXELS = 2**26


class KeptPixels:
    """Images of a session rendered with their pseudo-RGBs."""

    def __init__(self, store: Store, files: ImageFiles) -> None:
        self._store, self._files = store, files
        self._kept: OrderedDict[tuple[LayerKey, Recipe, int], NDArray[np.uint8]] = OrderedDict()

    def rgb(self, layer: LayerKey, plane: int = 0) -> NDArray[np.uint8]:
        """Render an image with a pseudo-RGB, (H, W, 3) uint8. Slow; the last few are cached."""
        how = self._store.state.image(layer.image).recipe(layer.recipe)
        wanted = (layer, how, plane)
        with self._store.mutex:
            if wanted in self._kept:
                self._kept.move_to_end(wanted)
                return self._kept[wanted]
        pixels = render(self._files.load(layer.image), how, plane)
        with self._store.mutex:
            self._kept[wanted] = pixels
            while len(self._kept) > _MOST_IN_MEMORY:
                self._kept.popitem(last=False)
        return pixels

    def rgb_part(self, layer: LayerKey, plane: int, region: Region) -> NDArray[np.uint8]:
        """Render a region of `rgb`, reduced by the region's step. Slow.

        For images with more than 64 million pixels, only the region is read; if such an image is
        not 8-bit, the contrast is that of the region.
        """
        record = self._store.state.image(layer.image)
        if math.prod(record.size) <= _MOST_PIXELS:
            pixels = self.rgb(layer, plane)[region.window]
        else:
            part = plane_of(self._files.load(layer.image), plane).region(
                region.top, region.left, region.height, region.width
            )
            pixels = render(part, record.recipe(layer.recipe))
        if region.step > 1:
            from PIL import Image as Pillow

            pixels = np.asarray(Pillow.fromarray(np.ascontiguousarray(pixels)).reduce(region.step))
        return np.ascontiguousarray(pixels)

    def rgb_hash(self, layer: LayerKey) -> str:
        """Hash what determines the pixels of `rgb`: file content, options and pseudo-RGB."""
        record = self._store.state.image(layer.image)
        facts = [
            record.fingerprint.get("sha256"),
            list(record.recipe(layer.recipe).source),
            sorted((record.read_options or {}).items()),
        ]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]

    def thumbnail(self, image: ImageId, side: int = 96) -> NDArray[np.uint8]:
        """Render a thumbnail (h, w, 3) with the first pseudo-RGB. Slow the first time."""
        from PIL import Image as Pillow

        record = self._store.state.image(image)
        layer = LayerKey(image, record.recipes[0].name)
        # Named after the pixels, because the expressions of a pseudo-RGB may change.
        path = inside(self._store.folder, f"thumbnails/{self.rgb_hash(layer)}-{side}.png")
        if path.is_file():
            try:
                with Pillow.open(path) as kept:
                    return np.asarray(kept.convert("RGB"))
            except OSError:
                pass  # damaged; made again
        small = Pillow.fromarray(self.rgb(layer, record.planes // 2))
        small.thumbnail((side, side), reducing_gap=2.0)
        if not self._store.read_only:
            with whole_file(path) as part:
                small.save(part)
        return np.asarray(small)
