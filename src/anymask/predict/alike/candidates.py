"""What might be an object of the kind: everything in an image, at low thresholds, described.

Candidates depend on the image and the model, not on the examples, so they are found once. A folder
keeps them for the next time.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.files import whole_file
from anymask.masks.distinct import distinct
from anymask.masks.mask_set import MaskSet
from anymask.model.arrays import arrays_of
from anymask.predict.alike.describing import Descriptions, describe
from anymask.predict.embeddings import model_hash
from anymask.predict.everything.found_once import find
from anymask.predict.predictor import SamPredictor

if TYPE_CHECKING:
    from anymask.model.sam import Sam

OnPoints = Callable[[int, int], None]
"""Called with the number of points done and the number in all."""

# How far below the model's own thresholds candidates may be.
_BELOW = 0.25
# Candidates that overlap by more are one and the same, and smaller ones are noise.
_SAME, _MIN_AREA = 0.8, 12
_VERSION = 1
# Candidates of an image take about a megabyte.
_MOST_IN_MEMORY = 32


@dataclass(frozen=True, eq=False)
class Candidates:
    """The candidates of an image.

    Attributes
    ----------
    key : str
        Hash of the image, the model and the options.
    masks : MaskSet
    described : Descriptions or None
        None if there are no masks.
    """

    key: str
    masks: MaskSet
    described: Descriptions | None

    @property
    def scores(self) -> NDArray[np.float64]:
        """Predicted IoU and stability, (N, 2)."""
        return np.stack([self.masks.predicted_iou, self.masks.stability_score], 1)


class CandidateFinder:
    """Finds and describes the candidates of images.

    Parameters
    ----------
    model : Sam
    folder : path, optional
        Where candidates are kept; those of the last images also stay in memory.
    points_per_side : int
        As in `SamAutomaticMaskGenerator`.
    """

    def __init__(
        self,
        model: Sam,
        folder: str | os.PathLike[str] | None = None,
        points_per_side: int = 32,
    ) -> None:
        self.predictor = SamPredictor(model)
        self._folder = None if folder is None else Path(folder)
        self._points_per_side = points_per_side
        self._model_hash = ""
        self._in_memory: OrderedDict[str, Candidates] = OrderedDict()
        self._encoded = ""

    def key(self, pixels: NDArray[np.uint8], spectrum: NDArray[np.float32] | None = None) -> str:
        """Return the hash of all that the candidates of an image depend on."""
        self._model_hash = self._model_hash or model_hash(self.predictor.model)
        facts = (_VERSION, self._model_hash, self._points_per_side, pixels.shape)
        digest = hashlib.sha256(repr(facts).encode())
        digest.update(np.ascontiguousarray(pixels).data)
        if spectrum is not None:
            digest.update(np.ascontiguousarray(spectrum).data)
        return digest.hexdigest()

    def find(
        self,
        pixels: NDArray[np.uint8],
        spectrum: NDArray[np.float32] | None = None,
        progress: OnPoints | None = None,
    ) -> Candidates:
        """Find and describe the candidates of an image, or read them.

        Parameters
        ----------
        pixels : (H, W, 3) uint8 array
            RGB.
        spectrum : (H, W, B) float32 array, optional
            Further values of each pixel.
        progress : callable, optional
            Called with the points done and their total.
        """
        key = self.key(pixels, spectrum)
        if key in self._in_memory:
            self._in_memory.move_to_end(key)
            return self._in_memory[key]
        path = None if self._folder is None else self._folder / f"{key[:32]}.npz"
        found = None if path is None else _read(path, key)
        if found is None:
            masks = self._everything(pixels, progress)
            described = self.describe(masks, pixels, key, spectrum) if len(masks) else None
            found = Candidates(key, masks, described)
            if path is not None:
                _write(path, found)
        self._in_memory[key] = found
        if len(self._in_memory) > _MOST_IN_MEMORY:
            self._in_memory.popitem(last=False)
        return found

    def describe(
        self,
        masks: MaskSet,
        pixels: NDArray[np.uint8],
        key: str,
        spectrum: NDArray[np.float32] | None = None,
    ) -> Descriptions:
        """Describe masks of an image whose `key` is known; at least one, none of them empty."""
        self.encode(pixels, key)
        features, config = self.predictor.image_features, self.predictor.model.config
        assert features is not None
        assert self.predictor.input_size is not None
        arrays = arrays_of(self.predictor.model)
        # In float32, because an encoder may work in a format that NumPy lacks.
        wide = [arrays.of(each, "float32") for each in (features.embedding, *features.skips)]
        maps = [arrays.numpy(each)[0] for each in wide]
        height, width = self.predictor.input_size
        covered = (height / config.image_size, width / config.image_size)
        return describe(masks, pixels, maps, covered, spectrum)

    def encode(self, pixels: NDArray[np.uint8], key: str) -> None:
        """Set an image in the predictor, unless it is the one that is set."""
        if self._encoded != key:
            self.predictor.set_image(pixels)
            self._encoded = key

    def _everything(self, pixels: NDArray[np.uint8], progress: OnPoints | None) -> MaskSet:
        own = self.predictor.model.config.everything
        loosest = replace(
            own,
            pred_iou_thresh=max(0.0, own.pred_iou_thresh - _BELOW),
            stability_score_thresh=max(0.0, own.stability_score_thresh - _BELOW),
        )
        masks = find(
            self.predictor.model,
            pixels,
            loosest,
            progress=progress,
            points_per_side=self._points_per_side,
        )
        masks = masks.filter(min_area=_MIN_AREA)
        return masks.select(distinct(masks, masks.predicted_iou, _SAME, "mask"))


def _write(path: Path, found: Candidates) -> None:
    masks = found.masks
    arrays: dict[str, Any] = {
        "key": np.array(found.key),
        "image_size": np.array(masks.image_size),
        "lengths": np.array([len(counts) for counts in masks.counts], np.int64),
        "counts": np.concatenate([*masks.counts, np.zeros(0, np.uint32)]).astype(np.uint32),
        "scores": found.scores,
        "point_coords": masks.point_coords,
    }
    if found.described is not None:
        arrays |= {f"group {name}": each for name, each in found.described.groups.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _read(path: Path, key: str) -> Candidates | None:
    """Read candidates; None if there are none, or the file is damaged."""
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if str(arrays["key"]) != key:
                return None
            ends = np.cumsum(arrays["lengths"])[:-1]
            pieces = np.split(arrays["counts"], ends) if len(arrays["lengths"]) else []
            height, width = map(int, arrays["image_size"])
            scores = arrays["scores"]
            masks = MaskSet.from_counts(
                (height, width),
                pieces,
                predicted_iou=scores[:, 0],
                stability_score=scores[:, 1],
                point_coords=arrays["point_coords"],
            )
            names = [name for name in arrays.files if name.startswith("group ")]
            groups = {name.removeprefix("group "): arrays[name] for name in names}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    return Candidates(key, masks, Descriptions(groups) if groups else None)
