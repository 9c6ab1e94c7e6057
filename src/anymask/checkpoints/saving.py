"""Save a `Sam` to a file that anymask and Meta's code can load."""

from __future__ import annotations

import io
import json
import os
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_safetensors

from anymask.checkpoints.fitting import CONFIG_KEY
from anymask.checkpoints.formats import CheckpointNotice
from anymask.checkpoints.sam2_layouts import meta_name
from anymask.errors import OutputError
from anymask.files import whole_file
from anymask.model.config import Sam2Config
from anymask.model.onnx_sam import refuse_exported
from anymask.model.sam import Sam


def save(sam: Sam, path: str | os.PathLike[str]) -> None:
    """Save a model, whole or not at all.

    Parameters
    ----------
    sam : Sam
        Its weights are saved in their own dtype.
    path : str or path
        `.safetensors` also stores the geometry, so that any model can be loaded again. `.pth` and
        `.pt` have Meta's layout, which Meta's own code loads.

    Raises
    ------
    OutputError
        If the suffix is another, or the file cannot be written.

    Warns
    -----
    CheckpointNotice
        If the weights were rounded on loading and so are saved less exactly.

    Examples
    --------
    >>> import tempfile
    >>> from anymask.checkpoints import load, save, sam_model_registry
    >>> from pathlib import Path
    >>> file = Path(tempfile.mkdtemp()) / "vit_t.safetensors"
    >>> save(sam_model_registry["vit_t"](), file)
    >>> load(file).config.name
    'vit_t'
    """
    refuse_exported(sam, "saved as a checkpoint")
    target = Path(path).expanduser()
    suffix = target.suffix.lower()
    if suffix not in (".safetensors", ".pth", ".pt"):
        raise OutputError(
            f"A model cannot be saved as {target.name}; use a name that ends in .safetensors, .pth "
            f"or .pt."
        )
    if sam.rounded_from is not None:
        stored, now = (str(d).removeprefix("torch.") for d in (sam.rounded_from, sam.dtype))
        warnings.warn(
            f"The weights were rounded from {stored} to {now} when they were loaded and are saved "
            f"so; load the model with dtype={stored!r} to save it as it was.",
            CheckpointNotice,
            stacklevel=2,
        )
    state = {name: t.detach().cpu().contiguous() for name, t in sam.state_dict().items()}
    in_meta_layout: dict[str, Any] = state
    if isinstance(sam.config, Sam2Config):
        in_meta_layout = {"model": {meta_name(name): t for name, t in state.items()}}
    if suffix == ".safetensors":
        metadata = {"format": "pt", CONFIG_KEY: json.dumps(sam.config.to_dict())}
        content: bytes | memoryview = to_safetensors(state, metadata)
    else:
        buffer = io.BytesIO()
        torch.save(in_meta_layout, buffer)
        content = buffer.getbuffer()
    # We write the bytes: neither library reports errors clearly, and one ignores the umask.
    with whole_file(target) as temporary:
        temporary.write_bytes(content)
