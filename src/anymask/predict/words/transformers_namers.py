"""CLIP and SigLIP through `transformers`: how well words fit images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from anymask.errors import CheckpointError

KINDS = ("clip", "siglip")
"""The kinds of model, as `config.json` names them; SigLIP 2 of fixed size is a "siglip"."""


class Namer:
    """A model that compares images with words.

    Parameters
    ----------
    images, tokenizer, model : objects of transformers
    kind : str
        One of `KINDS`.
    """

    def __init__(self, images: Any, tokenizer: Any, model: Any, kind: str) -> None:
        self._images, self._tokenizer, self._model, self._kind = images, tokenizer, model, kind

    @torch.inference_mode()
    def scores(
        self, images: Sequence[NDArray[np.uint8]], words: Sequence[str]
    ) -> NDArray[np.float64]:
        """Return how well K words fit N images, (N, K), from 0 to 1."""
        text = [f"a photo of a {word}" for word in words]
        # SigLIP was trained on texts that are padded to one length.
        padding = "max_length" if self._kind == "siglip" else True
        tokens = self._tokenizer(text, padding=padding, truncation=True, return_tensors="pt")
        seen = self._images(list(images), return_tensors="pt", input_data_format="channels_last")
        found = self._model(**tokens.to(self._model.device), **seen.to(self._model.device))
        logits = found.logits_per_image.float()
        fits = logits.softmax(1) if self._kind == "clip" else logits.sigmoid()
        scores: NDArray[np.float64] = fits.cpu().numpy().astype(np.float64)
        return scores


def open_namer(folder: Path, kind: str, device: str) -> Namer:
    """Load a model from a folder in Hugging Face's layout.

    Raises
    ------
    CheckpointError
        If its files are missing or damaged.
    """
    safe = {"local_files_only": True, "trust_remote_code": False}
    try:
        images = transformers.AutoImageProcessor.from_pretrained(folder, use_fast=False, **safe)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, use_fast=True, **safe)
        model = transformers.AutoModel.from_pretrained(folder, use_safetensors=True, **safe)
    except Exception as error:  # its errors have no common class
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CheckpointError(
            f"The model in {folder} cannot be loaded ({reason}); download it again."
        ) from error
    return Namer(images, tokenizer, model.eval().requires_grad_(False).to(device), kind)
