"""Score maps: the logits of one mask, kept so that the threshold can be chosen afterwards.

This module does not need torch, so a saved map can be thresholded quickly.
"""

from __future__ import annotations

import json
import math
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from anymask.errors import ImageError, OutputError, PromptError
from anymask.files import whole_file
from anymask.images.geotiff_tags import geo_tags
from anymask.masks.objects import ObjectCrop

# Full-size logits computed at a time: some megabytes, whatever the image size.
_VALUES_AT_ONCE = 2**22
# In TIFF files, logits are rounded to multiples of this, which makes files several times smaller.
_TIFF_STEP = 1 / 256
_MAX_BYTES = 2**31
_VERSION = 1


@dataclass(frozen=True, eq=False, repr=False)
class ScoreMap:
    """How confident a model is of each pixel of an image, for one prompt.

    Parameters
    ----------
    logits : (h, w) float32 array
        As returned by the mask decoder, or at the size of the image.
    image_size : tuple of int
        Height and width of the image.
    input_size : tuple of int, optional
        Height and width of the image as resized for the encoder, without padding; None for
        logits at the size of the image.
    encoder_size : int, optional
        Side of the square that the encoder sees.
    predicted_iou : float
        The model's own estimate of the IoU of the mask at threshold 0; NaN if unknown.

    Raises
    ------
    ImageError
        If the size of the logits does not fit.

    Examples
    --------
    >>> scores = ScoreMap(np.array([[-2.0, 1.0], [0.5, 3.0]], np.float32), (2, 2))
    >>> scores.mask().astype(int)
    array([[0, 1],
           [1, 1]])
    >>> scores.mask(0.8).astype(int)
    array([[0, 1],
           [0, 1]])
    """

    logits: NDArray[np.float32]
    image_size: tuple[int, int]
    input_size: tuple[int, int] | None = None
    encoder_size: int | None = None
    predicted_iou: float = math.nan

    def __post_init__(self) -> None:
        logits, sides = np.asarray(self.logits), [*self.image_size]
        fits = logits.ndim == 2 and logits.dtype.kind == "f" and logits.size > 0 and min(sides) > 0
        if self.input_size is None or self.encoder_size is None:
            fits = fits and logits.shape == tuple(self.image_size)
        else:
            fits = fits and 0 < min(self.input_size) <= max(self.input_size) <= self.encoder_size
        if not fits:
            raise ImageError(
                f"Logits of {logits.dtype} and shape {logits.shape} are not a score map of an "
                f"image {self.image_size[1]} wide and {self.image_size[0]} high."
            )
        object.__setattr__(self, "logits", logits.astype(np.float32, copy=False))

    def __repr__(self) -> str:
        return f"ScoreMap(of an image of {self.image_size[1]}×{self.image_size[0]} pixels)"

    def mask(
        self, threshold: float = 0.0, *, probability: float | None = None
    ) -> NDArray[np.bool_]:
        """Return the pixels whose score is above a threshold.

        Parameters
        ----------
        threshold : float
            A logit. At 0 the model is undecided; higher thresholds give smaller masks.
        probability : float, optional
            The threshold as a probability between 0 and 1, instead of a logit.

        Returns
        -------
        (H, W) bool array

        Raises
        ------
        PromptError
            If the threshold is not a number, or the probability not between 0 and 1.
        """
        if probability is not None:
            if not 0 < probability < 1:
                raise PromptError(
                    f"probability is {probability}; give a number between 0 and 1, such as 0.5."
                )
            threshold = math.log(probability) - math.log1p(-probability)
        if not math.isfinite(threshold):
            raise PromptError(f"threshold is {threshold}; give a logit, such as 0.")
        mask = np.empty(self.image_size, np.bool_)
        for rows, logits in self._strips():
            np.greater(logits, threshold, out=mask[rows])
        return mask

    def crop(self, threshold: float = 0.0) -> ObjectCrop | None:
        """Return the pixels whose score is above a threshold, cropped to their box.

        The same pixels as those of `mask`, in the time of the box, not of the image.

        Returns
        -------
        ObjectCrop or None
            None if there is no such pixel.
        """
        down, across = self._enlargements()
        above = self.logits > threshold
        # A weighted mean is above only where one of the logits with a weight is.
        rows = np.flatnonzero(down @ above.any(1).astype(np.float32))
        columns = np.flatnonzero(across @ above.any(0).astype(np.float32))
        if not len(rows):
            return None
        down, across = down[rows[0] : rows[-1] + 1], across[columns[0] : columns[-1] + 1]
        pixels = down @ np.ascontiguousarray((across @ self.logits.T).T) > threshold
        tall, wide = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
        if not len(tall):
            return None
        part = pixels[tall[0] : tall[-1] + 1, wide[0] : wide[-1] + 1]
        return ObjectCrop(part, int(rows[0] + tall[0]), int(columns[0] + wide[0]))

    def full_size(self) -> NDArray[np.float32]:
        """Return the logits at the size of the image, (H, W)."""
        full = np.empty(self.image_size, np.float32)
        for rows, logits in self._strips():
            full[rows] = logits
        return full

    def probabilities(self) -> NDArray[np.float32]:
        """Return the scores at the size of the image as probabilities from 0 to 1, (H, W)."""
        scores = self.full_size()
        # In place, because the image may be large; above 80, exp overflows float32.
        np.exp(-np.clip(scores, -80, 80, out=scores), out=scores)
        return np.reciprocal(np.add(scores, 1, out=scores), out=scores)

    def save(self, path: str | os.PathLike[str], *, image: Any = None) -> None:
        """Save the map for :meth:`load`.

        Parameters
        ----------
        path
            ``.npz`` stores the logits from the decoder, exact and small. ``.tif`` stores them at
            the size of the image, as float32 rounded to 1/256, for other programs.
        image : Image or array, optional
            The image; a ``.tif`` gets the place on a map of an `Image`.

        Raises
        ------
        OutputError
            If the suffix is another one, or the file cannot be written.
        """
        target = Path(path)
        suffix = target.suffix.lower()
        if suffix not in (".npz", ".tif", ".tiff"):
            raise OutputError(
                f"Cannot save a score map as {target}; its name must end in .npz (exact) or .tif "
                "(in the image's size)."
            )
        with whole_file(target) as temporary:
            if suffix == ".npz":
                self._write_npz(temporary)
            else:
                self._write_tiff(temporary, image)

    def _write_npz(self, path: Path) -> None:
        frame = (*(self.input_size or (0, 0)), self.encoder_size or 0)
        with path.open("wb") as file:
            np.savez_compressed(
                file,
                anymask_score_map=np.int64(_VERSION),
                logits=self.logits,
                image_size=np.array(self.image_size, np.int64),
                frame=np.array(frame, np.int64),
                predicted_iou=np.float64(self.predicted_iou),
            )

    def _write_tiff(self, path: Path, image: Any) -> None:
        import tifffile

        geo, unit = getattr(image, "geo", None) or {}, getattr(image, "unit", None)

        known = not math.isnan(self.predicted_iou)
        facts = {
            "anymask_score_map": _VERSION,
            "predicted_iou": self.predicted_iou if known else None,
        }
        tifffile.imwrite(
            path,
            np.rint(self.full_size() / np.float32(_TIFF_STEP)) * np.float32(_TIFF_STEP),
            photometric="minisblack",
            compression="zlib",
            description=json.dumps(facts),
            metadata=None,
            extratags=geo_tags(geo.get("transform"), geo.get("crs"), unit, geo.get("geokeys")),
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ScoreMap:
        """Load a saved map.

        Parameters
        ----------
        path
            A file from :meth:`save`, or any TIFF file with one float channel.

        Raises
        ------
        ImageError
            If the file is missing, damaged or not a score map.
        """
        source = Path(path)
        if not source.is_file():
            raise ImageError(f"There is no score map {source}; save one with ScoreMap.save.")
        try:
            return _read_npz(source) if zipfile.is_zipfile(source) else _read_tiff(source)
        except ImageError as error:
            raise ImageError(f"{source} is not a score map: {error}") from None
        except Exception as error:
            # zipfile, zlib, NumPy and tifffile raise many types of errors on damaged files.
            raise ImageError(
                f"{source} is damaged or not a score map; predict it again and save it with "
                "ScoreMap.save."
            ) from error

    def _strips(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Full-size logits a few rows at a time."""
        height, width = self.image_size
        if self.input_size is None:
            yield slice(0, height), self.logits
            return
        down, across = self._enlargements()
        wide = np.ascontiguousarray((across @ self.logits.T).T)  # (h, W)
        step = max(1, _VALUES_AT_ONCE // width)
        for start in range(0, height, step):
            rows = slice(start, min(start + step, height))
            yield rows, down[rows] @ wide

    def _enlargements(self) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
        """The matrices from rows and columns of logits to those of the image."""
        (height, width), (low_height, low_width) = self.image_size, self.logits.shape
        if self.input_size is None or self.encoder_size is None:
            return (
                sparse.identity(height, np.float32, "csr"),
                sparse.identity(width, np.float32, "csr"),
            )
        return (
            _enlargement(low_height, self.encoder_size, self.input_size[0], height),
            _enlargement(low_width, self.encoder_size, self.input_size[1], width),
        )


def _enlargement(low: int, encoder: int, resized: int, size: int) -> sparse.csr_matrix:
    """Resize `low` logits to `encoder` pixels, crop those to `resized`, and resize to `size`."""
    return (_bilinear(resized, size) @ _bilinear(low, encoder)[:resized]).astype(np.float32)


def _bilinear(size_in: int, size_out: int) -> sparse.csr_matrix:
    """Matrix (size_out, size_in) of a bilinear resize along one axis, with pixels as cells."""
    place = np.maximum((np.arange(size_out) + 0.5) * (size_in / size_out) - 0.5, 0)
    low = np.minimum(place.astype(np.int64), size_in - 1)
    high = np.minimum(low + 1, size_in - 1)
    share = place - low
    rows = np.arange(size_out)
    return sparse.csr_matrix(
        (
            np.concatenate([1 - share, share]),
            (np.concatenate([rows, rows]), np.concatenate([low, high])),
        ),
        shape=(size_out, size_in),
    )


def _read_npz(path: Path) -> ScoreMap:
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > _MAX_BYTES:
            raise ImageError("its arrays would take more than 2 GiB of memory.")
    with np.load(path, allow_pickle=False) as arrays:
        if int(arrays["anymask_score_map"]) != _VERSION:
            raise ImageError("it comes from another version of anymask.")
        height, width = (int(side) for side in arrays["image_size"])
        *input_size, encoder_size = (int(side) for side in arrays["frame"])
        return ScoreMap(
            arrays["logits"],
            (height, width),
            (input_size[0], input_size[1]) if encoder_size else None,
            encoder_size or None,
            float(arrays["predicted_iou"]),
        )


def _read_tiff(path: Path) -> ScoreMap:
    import tifffile

    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        if len(page.shape) != 2 or page.dtype is None or page.dtype.kind != "f":
            raise ImageError(f"it is {page.dtype} of shape {page.shape}, not one float channel.")
        if page.nbytes > _MAX_BYTES:
            raise ImageError("it would take more than 2 GiB of memory.")
        logits = page.asarray()
        description = page.description
    try:
        predicted_iou = json.loads(description)["predicted_iou"]
    except (ValueError, TypeError, KeyError):
        predicted_iou = None
    iou = math.nan if predicted_iou is None else float(predicted_iou)
    return ScoreMap(logits, (logits.shape[0], logits.shape[1]), predicted_iou=iou)
