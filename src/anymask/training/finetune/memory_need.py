"""Estimates memory and disk space of a fine-tuning, with advice if they are too high.

The estimates come from the sizes of the tensors that autograd keeps. The measured peaks of
three configurations were 6% to 33% lower (`docs/finetuning.md`); others were not
measured.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from anymask.model.config import SamConfig
from anymask.model.sam import Sam
from anymask.training.finetune.cache import embedding_bytes
from anymask.training.finetune.settings import Settings

_GB = 1e9
# For the gradients of one prompt's prediction: number of kept tensors of the size of the image
# tokens (h·w × C), and of tensors of the size of its low-resolution masks.
_TOKEN_TENSORS, _MASK_TENSORS = 34, 4
# Tensors of the size of those masks while the loss at twice their height and width is computed: for
# one prompt at a time on a CPU, for all prompts on a GPU.
_JUDGING_TENSORS = 48
_PROCESS = 1.0 * _GB  # Python and its libraries, and the verdict's second model
_SAVING = 1.5  # times the bytes of the weights, for copies made while writing files


@dataclass(frozen=True)
class Need:
    """Bytes that a fine-tuning needs, and bytes that are free.

    Attributes
    ----------
    memory, memory_free : float
        Peak and free memory of the training device.
    disk, disk_free : float
        New embeddings in the cache, and free disk space.
    advice : tuple of str
        Ways to need less memory, most helpful first.
    """

    memory: float
    memory_free: float
    disk: float
    disk_free: float
    advice: tuple[str, ...]

    def sentences(self) -> list[str]:
        """Return the sentences to show before training."""
        said = [f"Memory: about {self.memory / _GB:.1f} GB of {self.memory_free / _GB:.1f} free."]
        if self.disk:
            said[0] += f" Embeddings on disk: {_size(self.disk)}."
        if self.memory > self.memory_free and self.advice:
            said.append(f"This may be too much memory; to reduce it, {', or '.join(self.advice)}.")
        if self.disk > self.disk_free:
            said.append(
                f"Only {_size(self.disk_free)} are free for the embeddings; give another folder "
                "for them, or lower augment."
            )
        return said


def need_of(
    sam: Sam,
    settings: Settings,
    dtype: torch.dtype,
    views: int,
    cache_dir: Path | None,
    *,
    copied: bool = False,
) -> Need:
    """Estimate what a fine-tuning needs.

    Parameters
    ----------
    sam : Sam
        With its low-rank updates and frozen parts.
    settings : Settings
    dtype : torch.dtype
        Dtype of the computation.
    views : int
        Number of embeddings to write.
    cache_dir : Path or None
        Folder for embeddings; None if there is no cache.
    copied : bool
        Whether the model was passed as an object, so that it is in memory twice.
    """
    weights = sum(p.numel() for p in sam.parameters()) * 4.0
    trained = sum(p.numel() for p in sam.parameters() if p.requires_grad) * 4.0
    half = 0.65 if dtype != torch.float32 else 1.0  # some tensors stay float32
    prompts = 1 if settings.semantic else settings.objects_per_image
    asked = settings.batch_size * prompts
    judged = asked if sam.device.type != "cpu" else 1
    rounds = asked * _answer_bytes(sam.config) * half
    rounds += judged * _JUDGING_TENSORS * _masks_bytes(sam.config)
    encoding = (
        sam.config.image_encoder.activation_bytes(
            sam.config.image_size, training=settings.trains != "decoder"
        )
        * half
    )
    # Gradients, two moments; original, averaged and blended weights: six copies of what trains.
    kept = _PROCESS + (1 + copied + _SAVING) * weights + 6 * trained
    if settings.trains == "decoder":  # encoding is finished before training starts
        memory = kept + max(rounds, encoding)
    else:
        memory = kept + rounds + settings.batch_size * encoding
    disk = float(views * embedding_bytes(sam)) if cache_dir is not None else 0.0
    free = shutil.disk_usage(_existing(cache_dir)).free if cache_dir is not None else 0.0
    return Need(memory, _free_memory(sam.device), disk, free, _advice(settings, dtype))


def _answer_bytes(config: SamConfig) -> float:
    """Return the bytes of one prompt's prediction and loss, including gradients."""
    tokens = config.embedding_size**2 * config.prompt_dim * 4.0
    return _TOKEN_TENSORS * tokens + _MASK_TENSORS * _masks_bytes(config)


def _masks_bytes(config: SamConfig) -> float:
    """Return the bytes of all low-resolution masks of one prompt."""
    return config.low_res_size**2 * (config.num_multimask_outputs + 1) * 4.0


def _advice(settings: Settings, dtype: torch.dtype) -> tuple[str, ...]:
    said = []
    if settings.trains != "decoder":
        said.append("leave the image encoder frozen, without lora_rank")
    if settings.batch_size > 1:
        said.append("lower batch_size to 1 and raise accumulate instead")
    if settings.objects_per_image > 1 and not settings.semantic:
        said.append("lower objects_per_image to 1")
    if dtype == torch.float32:
        said.append("compute in bfloat16")
    said.append("use a smaller model")
    return tuple(said)


def _free_memory(device: torch.device) -> float:
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    import psutil

    return float(psutil.virtual_memory().available)


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest existing folder above it."""
    folder = folder.expanduser().absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _size(count: float) -> str:
    return f"{count / _GB:.1f} GB" if count >= _GB else f"{count / 1e6:.0f} MB"
