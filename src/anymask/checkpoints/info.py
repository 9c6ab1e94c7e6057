"""Describe a checkpoint without loading its weights."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from anymask.checkpoints.download import cached_path
from anymask.checkpoints.fitting import CONFIG_KEY, find_config, fit
from anymask.checkpoints.formats import find_sam
from anymask.checkpoints.reading import read_checkpoint
from anymask.checkpoints.registry import CHECKPOINTS, SHIPPED
from anymask.checkpoints.sources import shipped_weights
from anymask.errors import CheckpointError
from anymask.files import sha256
from anymask.model.config import SamConfig


@dataclass(frozen=True)
class CheckpointInfo:
    """Facts about a checkpoint file or folder.

    Attributes
    ----------
    path : Path
    size : int
        Size of its files in bytes.
    variant : str
        "vit_b", "vit_l", "vit_h", "vit_t", "small" or "custom"; "small_0_1" is the model that
        anymask 0.1 shipped, or one that was fine-tuned from it.
    config : SamConfig
        The geometry.
    parameters : int
        Number of trainable parameters of the SAM, without other heads.
    image_size : int
        Side in pixels of the square that the encoder sees.
    layout : str
        Naming scheme of the tensors: "Meta", "Hugging Face" or "anymask" (Meta's names, with the
        geometry in the file).
    container : str
        "safetensors", "PyTorch zip" or "PyTorch legacy".
    dtype : str
        The dtype of most weights.
    sha256 : str or None
        Of the file, in hex; None if there are several files.
    extras : tuple of str
        Names of tensors that `load` leaves out.
    metadata : dict
        Metadata of a safetensors file, without the geometry.
    known_as : str or None
        Its name in the registry, if its hash is that of a published file.
    """

    path: Path
    size: int
    variant: str
    config: SamConfig
    parameters: int
    image_size: int
    layout: str
    container: str
    dtype: str
    sha256: str | None
    extras: tuple[str, ...]
    metadata: dict[str, str]
    known_as: str | None


def info(source: str | os.PathLike[str]) -> CheckpointInfo:
    """Describe a checkpoint.

    Parameters
    ----------
    source : str or path
        A file, a Hugging Face folder, or the name of a model that is shipped or cached.

    Raises
    ------
    CheckpointError
        If it is not a SAM checkpoint, with the message of `load`, or a name that is not in the
        cache.

    Examples
    --------
    >>> import tempfile
    >>> from anymask.checkpoints import sam_model_registry, save
    >>> file = Path(tempfile.mkdtemp()) / "mine.pth"
    >>> save(sam_model_registry["vit_t"](), file)
    >>> what = info(file)
    >>> what.variant, what.parameters, what.image_size, what.layout, what.dtype
    ('vit_t', 9808452, 1024, 'Meta', 'float32')
    """
    path = _local(source)
    raw = read_checkpoint(path, shapes_only=True)
    state = find_sam(raw.content, str(path))
    config = find_config(raw, state)
    fitted = fit(raw, state, config)
    metadata = {k: v for k, v in raw.metadata.items() if k != CONFIG_KEY}
    dtypes = Counter(str(t.dtype) for t in fitted.tensors.values() if t.is_floating_point())
    digest = sha256(raw.files[0]) if len(raw.files) == 1 else None
    return CheckpointInfo(
        path=path,
        size=sum(file.stat().st_size for file in raw.files),
        variant=config.name,
        config=config,
        parameters=fitted.parameters,
        image_size=config.image_size,
        layout="anymask" if CONFIG_KEY in raw.metadata else state.layout,
        container=raw.container.value,
        dtype=max(dtypes, key=lambda d: dtypes[d]).removeprefix("torch."),
        sha256=digest,
        extras=state.extras + fitted.unused,
        metadata=metadata,
        known_as=_known_as(digest),
    )


def _local(source: str | os.PathLike[str]) -> Path:
    entry = CHECKPOINTS.get(source) if isinstance(source, str) else None
    if entry is None:
        return Path(source).expanduser()
    path = shipped_weights() if entry.name == SHIPPED else cached_path(entry)
    if path is None:
        size = "" if entry.size is None else f" ({entry.size / 1e6:,.0f} MB)"
        raise CheckpointError(
            f"{entry.name} is known but not on this machine{size}; it is downloaded when it is "
            f"first loaded, for example by anymask.load({entry.name!r})."
        )
    return path


def _known_as(digest: str | None) -> str | None:
    for entry in CHECKPOINTS.values():
        if digest and entry.sha256 and digest.startswith(entry.sha256):
            return entry.name
    return None
