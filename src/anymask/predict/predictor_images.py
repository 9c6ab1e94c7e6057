"""The images of a predictor: encode them, select one, store them in files.

This is the half of ``SamPredictor`` for images; the other half, in ``predictor.py``, is for
prompts.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError, PromptError
from anymask.images.image import Image
from anymask.images.normalize import check_rgb, rgb_of
from anymask.images.resize import resize_for
from anymask.model.arrays import arrays_of, without_gradients
from anymask.model.embedding import ImageEmbedding
from anymask.predict.embeddings import (
    EncodedImage,
    assigned_embedding,
    image_hash,
    read_embedding,
    write_embedding,
)
from anymask.predict.full_size import logits_frame

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from anymask.model.arrays import Arrays
    from anymask.model.sam import Sam


class PredictorImages:
    """The images of a predictor, one of which is selected."""

    def __init__(self, sam_model: Sam, *, keep_clicked: bool | None = None) -> None:
        self.model = sam_model
        own = sam_model.config.keep_clicked
        self.keep_clicked = own if keep_clicked is None else keep_clicked
        config = sam_model.config
        self.transform = resize_for(config.image_size, config.stretches)
        self.reset_image()

    @property
    def _arrays(self) -> Arrays:
        return arrays_of(self.model)

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return self.model.device

    def reset_image(self) -> None:
        """Forget all images."""
        self.is_image_set = False
        self._features: ImageEmbedding | None = None
        self.original_size: tuple[int, int] | None = None
        self.input_size: tuple[int, int] | None = None
        self._encoded: list[EncodedImage] = []
        self._selected = 0

    @property
    def features(self) -> Tensor | None:
        """Embedding of the selected image, 1×C×h×w; None if no image is set.

        An embedding that was stored elsewhere, also C×h×w, can be assigned. As with Meta's class,
        `original_size`, `input_size` and `is_image_set` are then to be assigned too.

        Raises
        ------
        ImageError
            If a tensor is assigned that is no embedding of this model. The shipped model's decoder
            also needs finer features: assign the tensor that `features` returned while they are
            known, or use :meth:`save_embedding` and :meth:`load_embedding`.
        """
        return None if self._features is None else self._features.embedding

    @features.setter
    def features(self, embedding: Tensor | None) -> None:
        if embedding is not None and self.features is embedding:
            return
        self._features = None if embedding is None else assigned_embedding(embedding, self.model)
        self._encoded, self._selected = [], 0

    @property
    def image_features(self) -> ImageEmbedding | None:
        """All that the decoder needs of the selected image: `features`, and finer maps if any."""
        return self._features

    def set_image(self, image: NDArray[np.uint8] | Image, image_format: str = "RGB") -> None:
        """Encode an image for later calls of :meth:`predict`.

        Parameters
        ----------
        image
            ``uint8`` array H×W×3, values 0 to 255; or an :class:`anymask.Image`, shown as
            :func:`anymask.to_rgb` does by default. For any other array, see there.
        image_format
            Order of the channels of an array, ``"RGB"`` or ``"BGR"``.

        Raises
        ------
        ImageError
            If the array is not such an image. A previously set image stays.
        """
        self.set_images([image], image_format)

    def set_images(
        self,
        images: Sequence[NDArray[np.uint8] | Image],
        image_format: str = "RGB",
        *,
        batch_size: int = 1,
    ) -> None:
        """Encode several images of any sizes and select the first; :meth:`select` changes that.

        Parameters
        ----------
        images
            Each as in :meth:`set_image`.
        image_format
            Order of the channels of all images, ``"RGB"`` or ``"BGR"``.
        batch_size
            Images per pass through the encoder. More than one is faster on a GPU with enough
            memory; results then differ only by rounding.

        Raises
        ------
        ImageError
            If there is no image, or one is not a ``uint8`` image H×W×3.

        Examples
        --------
        >>> import numpy as np
        >>> from anymask import SamPredictor, load
        >>> predictor = SamPredictor(load())
        >>> predictor.set_images([np.zeros((60, 80, 3), np.uint8), np.zeros((50, 50, 3), np.uint8)])
        >>> for i in range(2):
        ...     predictor.select(i)
        ...     masks, _, _ = predictor.predict(box=np.array([10, 10, 40, 40]))
        ...     print(masks.shape)
        (3, 60, 80)
        (3, 50, 50)
        """
        if len(images) == 0:
            raise ImageError("There is no image to set; give at least one.")
        if batch_size < 1:
            raise ImageError(f"batch_size is {batch_size}; it must be at least 1.")
        resized, pixels = [], []
        for number, image in enumerate(images):
            try:
                picture, whole = self._resize(image, image_format)
            except ImageError as error:
                if len(images) == 1:
                    raise
                raise ImageError(f"Of {len(images)} images, number {number}: {error}") from error
            resized.append(picture)
            pixels.append(whole)
        sizes = [(whole.shape[0], whole.shape[1]) for whole in pixels]
        self._encode(resized, sizes, batch_size, pixels)

    def set_torch_image(
        self, transformed_image: Tensor, original_image_size: tuple[int, ...]
    ) -> None:
        """Encode an image that has already been resized.

        Parameters
        ----------
        transformed_image
            1×3×h×w, values 0 to 255, with the longer side as long as the model's input.
        original_image_size
            Height and width of the image before resizing; masks have this size.

        Raises
        ------
        ImageError
            If the tensor has another shape.
        """
        shape, side = tuple(transformed_image.shape), self.model.config.image_size
        if len(shape) != 4 or shape[:2] != (1, 3) or max(shape[2:]) != side or min(shape[2:]) < 1:
            raise ImageError(
                f"The transformed image has the shape {shape}; give 1×3×h×w with a longer side of "
                f"{side}, as predictor.transform.apply_image_torch makes it."
            )
        height, width = original_image_size
        self._encode([transformed_image], [(int(height), int(width))], 1, [None])

    def _resize(
        self, image: NDArray[np.uint8] | Image, image_format: str
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return an image as 1×3×h×w in the encoder's size, and as H×W×3, in the model's order."""
        if image_format not in ("RGB", "BGR"):
            raise ImageError(f"image_format is {image_format!r}; it must be 'RGB' or 'BGR'.")
        rgb: NDArray[np.uint8] = rgb_of(image)
        check_rgb(rgb)
        if ("RGB" if isinstance(image, Image) else image_format) != self.model.image_format:
            rgb = rgb[..., ::-1]
        return self.transform.apply_image(rgb).transpose(2, 0, 1)[None], rgb

    @without_gradients
    def _encode(
        self,
        resized: Sequence[Any],
        original_sizes: list[tuple[int, int]],
        batch_size: int,
        pixels: Sequence[NDArray[np.uint8] | None],
    ) -> None:
        """Encode 1×3×h×w images, NumPy arrays or tensors, and select the first."""
        arrays = self._arrays
        encoded: list[EncodedImage] = []
        for start in range(0, len(resized), batch_size):
            part = resized[start : start + batch_size]
            # All are padded to the same square, so that sizes may differ.
            batch = arrays.joined([self.model.preprocess(arrays.of(picture)) for picture in part])
            features = self.model.encode_image(batch)
            for i, picture in enumerate(part):
                height, width = original_sizes[start + i]
                encoded.append(
                    EncodedImage(
                        features.image(i),
                        (height, width),
                        (picture.shape[2], picture.shape[3]),
                        image_hash(picture, (height, width)),
                        pixels[start + i],
                    )
                )
        self._encoded = encoded
        self.select(0)

    def select(self, index: int) -> None:
        """Select which of the images given to :meth:`set_images` is prompted.

        Raises
        ------
        PromptError
            If there is no image with this index; indices start at 0.
        """
        if not 0 <= index < len(self._encoded):
            raise PromptError(
                f"There is no image {index} to select: {len(self._encoded)} are set, counted from "
                "0; give them to set_images first."
            )
        image = self._encoded[index]
        self._selected = index
        self._features = image.features
        self.original_size, self.input_size = image.original_size, image.input_size
        self.is_image_set = True

    def get_image_embedding(self) -> Tensor:
        """Return the embedding of the selected image, 1×C×h×w (1×256×64×64 for Meta's models).

        Raises
        ------
        PromptError
            No image is set.
        """
        return self._image()[0].embedding

    def save_embedding(self, path: str | os.PathLike[str]) -> None:
        """Save the embedding of the selected image, for :meth:`load_embedding` with the same model.

        Parameters
        ----------
        path
            A safetensors file to write; it appears whole or not at all.

        Raises
        ------
        PromptError
            No image is set.
        OutputError
            The file cannot be written.
        """
        self._image()
        if not self._encoded:
            raise PromptError(
                "The image of an embedding that was assigned is not known, so it cannot be saved "
                "with the embedding; call set_image(image) first."
            )
        write_embedding(path, self._encoded[self._selected], self.model)

    def load_embedding(
        self,
        path: str | os.PathLike[str],
        image: NDArray[np.uint8] | None = None,
        image_format: str = "RGB",
    ) -> None:
        """Set an image from a file of :meth:`save_embedding`, without encoding it.

        Parameters
        ----------
        path
            The file.
        image
            The ``uint8`` H×W×3 image that the file should belong to; if given, the embedding of
            another image is refused.
        image_format
            Order of the channels of ``image``, ``"RGB"`` or ``"BGR"``.

        Raises
        ------
        ImageError
            If the file is missing or damaged, or was made with another model or from another image.
            A previously set image stays.
        """
        expected = pixels = None
        if image is not None:
            picture, pixels = self._resize(image, image_format)
            expected = image_hash(picture, (pixels.shape[0], pixels.shape[1]))
        self._encoded = [replace(read_embedding(path, self.model, expected), pixels=pixels)]
        self.select(0)

    @property
    def logits_frame(self) -> tuple[tuple[int, int], int]:
        """How low-resolution logits of the selected image are enlarged; see `logits_frame`.

        Raises
        ------
        PromptError
            No image is set.
        """
        _, _, input_size = self._image()
        return logits_frame(self.model.config, input_size)

    def _image(self) -> tuple[ImageEmbedding, tuple[int, int], tuple[int, int]]:
        """Features, original size and input size of the selected image."""
        if self._features is None or self.original_size is None or self.input_size is None:
            raise PromptError("No image is set to predict masks of; call set_image(image) first.")
        (height, width), (input_height, input_width) = self.original_size, self.input_size
        return self._features, (int(height), int(width)), (int(input_height), int(input_width))
