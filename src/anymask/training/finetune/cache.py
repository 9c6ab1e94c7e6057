"""Embeddings on disk, for a frozen encoder: each view is encoded once for all epochs and runs.

The name of a file contains hashes of the encoder's weights and of its input pixels, and the view,
so another model or a changed image never uses a stale file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from anymask.files import whole_file
from anymask.model.sam import ImageEmbedding, Sam
from anymask.training.finetune.training_images import TrainingImage, turned

_DTYPE = torch.float16  # embeddings are normalised and need precision more than range


class EmbeddingCache:
    """Embeddings of views, computed by one encoder.

    Parameters
    ----------
    folder : Path
        Can be shared by any number of models and data sets.
    sam : Sam
        Encodes missing views, with autocast to `dtype`.
    dtype : torch.dtype
        The dtype in which the encoder computes.
    pixels_of : callable
        Returns the resized pixels of an image.
    """

    def __init__(
        self,
        folder: Path,
        sam: Sam,
        dtype: torch.dtype,
        pixels_of: Callable[[TrainingImage], NDArray[np.uint8]],
    ) -> None:
        self.sam, self.dtype, self.pixels_of = sam, dtype, pixels_of
        self.encoder = encoder_hash(sam)
        name = str(dtype).removeprefix("torch.")
        self.folder = folder / f"{sam.config.name}-{name}-{self.encoder[:16]}"

    def path(self, image: TrainingImage, view: int) -> Path:
        """Return the file of the embedding of a view."""
        return self.folder / f"{image.pixels_hash[:32]}-{view}.safetensors"

    def missing(self, image: TrainingImage, views: int) -> list[int]:
        """Return which of the first `views` views are not encoded yet."""
        return [v for v in range(views) if not self.path(image, v).exists()]

    def encode(self, image: TrainingImage, pixels: NDArray[np.uint8], view: int) -> None:
        """Encode one view of an image from its resized pixels, and save it."""
        with torch.no_grad():
            embedding = encode([turned(pixels, view)], self.sam, self.dtype)
        named = {"embedding": embedding.embedding}
        named |= {f"skips.{i}": skip for i, skip in enumerate(embedding.skips)}
        tensors = {k: t.to("cpu", _DTYPE).contiguous() for k, t in named.items()}
        with whole_file(self.path(image, view)) as temporary:
            temporary.write_bytes(save(tensors))

    def read(self, views: Sequence[tuple[TrainingImage, int]]) -> ImageEmbedding:
        """Read the embeddings of a batch of views, in float32 on the model's device."""
        found = [self._read(image, view) for image, view in views]
        joined = [
            torch.cat([tensors[name] for tensors in found]).to(self.sam.device, torch.float32)
            for name in ("embedding", *(f"skips.{i}" for i in range(len(found[0]) - 1)))
        ]
        return ImageEmbedding(joined[0], tuple(joined[1:]))

    def _read(self, image: TrainingImage, view: int) -> dict[str, Tensor]:
        try:
            return load_file(self.path(image, view))
        except (OSError, SafetensorError):  # removed or damaged since it was written
            self.encode(image, self.pixels_of(image), view)
            return load_file(self.path(image, view))


def encode(pixels: Sequence[NDArray[np.uint8]], sam: Sam, dtype: torch.dtype) -> ImageEmbedding:
    """Encode resized (h, w, 3) images as one batch, with gradients if they are enabled."""
    inputs = [sam.preprocess(torch.from_numpy(p.copy()).permute(2, 0, 1)) for p in pixels]
    with torch.autocast(sam.device.type, dtype, enabled=dtype != torch.float32):
        embedding = sam.encode_image(torch.stack(inputs))  # (B, C, h, w)
    return ImageEmbedding(embedding.embedding.float(), tuple(s.float() for s in embedding.skips))


def embedding_bytes(sam: Sam) -> int:
    """Return the size of one cached view in bytes."""
    config = sam.config
    cells, dim = config.embedding_size**2, config.prompt_dim
    values = cells * dim
    if config.use_skips:  # C/4 at twice and C/8 at four times the resolution
        values += 4 * cells * dim // 4 + 16 * cells * dim // 8
    return values * torch.finfo(_DTYPE).bits // 8


def encoder_hash(sam: Sam) -> str:
    """Hash everything that an embedding depends on beside the pixels (SHA-256).

    That is the geometry and weights of the image encoder, and the normalisation of pixels.
    """
    config = sam.config.to_dict()
    facts = [config[k] for k in ("image_encoder", "image_size", "prompt_dim")]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    tensors: dict[str, Tensor] = {"mean": sam.pixel_mean, "std": sam.pixel_std}
    tensors |= sam.image_encoder.state_dict()
    tensors |= sam.beside_encoder()
    for name in sorted(tensors):
        flat = tensors[name].detach().cpu().contiguous().reshape(-1)
        digest.update(f"{name} {flat.dtype} ".encode())
        digest.update(flat.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
