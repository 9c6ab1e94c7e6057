"""Convert the tensor names of different checkpoint layouts to Meta's.

Supported are Meta's own layout, Hugging Face's `SamModel`, and what training code makes of either:
the state wrapped in `model`, `state_dict` or similar, prefixes such as `module.` or `sam.`, parts
in separate dictionaries, and tensors of other heads in addition to the SAM. `sam2_layouts` has the
names of SAM 2.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from anymask.checkpoints import sam2_layouts
from anymask.errors import CheckpointError


class CheckpointNotice(UserWarning):
    """A warning about a checkpoint that can still be loaded."""


@dataclass(frozen=True)
class SamState:
    """The SAM in a checkpoint, under Meta's names.

    Attributes
    ----------
    tensors : dict of str to Tensor
    extras : tuple of str
        Names, as in the file, of tensors that belong to no SAM component.
    layout : str
        "Meta" or "Hugging Face".
    """

    tensors: dict[str, Tensor]
    extras: tuple[str, ...]
    layout: str


_COMPONENTS = ("image_encoder", "prompt_encoder", "mask_decoder")
_COMPONENT = re.compile(
    r"((?:[^.]+\.)*?)"
    r"(image_encoder|vision_encoder|prompt_encoder|mask_decoder|shared_image_embedding)"
    r"\.(.+)"
)
_NORMALISATION = re.compile(r"((?:[^.]+\.)*)(pixel_mean|pixel_std)")
_TRAINING_STATE = re.compile(r"optim|sched|scaler", re.IGNORECASE)
_AVERAGED = re.compile(r"(^|[._])(ema|teacher|averaged?)([._]|$)", re.IGNORECASE)
_SAM3 = re.compile(r"(model\.)?(detector|detector_model)\..*(vision|backbone|text)_")
_MAX_NESTING = 16

# Low-rank adaptation (LoRA) puts the adapted layer one level deeper.
_ADAPTED = (
    (re.compile(r"\.qkv\.(?:qkv|qkv_proj)\.(weight|bias)$"), r".qkv.\1"),
    (re.compile(r"\.base_layer\.(weight|bias)$"), r".\1"),
)

_GAUSSIAN = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
_HUGGING_FACE = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^shared_image_embedding\.positional_embedding$", _GAUSSIAN),
        (r"^prompt_encoder\.shared_embedding\.positional_embedding$", _GAUSSIAN),
        (r"^prompt_encoder\.point_embed\.", "prompt_encoder.point_embeddings."),
        (r"^prompt_encoder\.mask_embed\.conv1\.", "prompt_encoder.mask_downscaling.0."),
        (r"^prompt_encoder\.mask_embed\.layer_norm1\.", "prompt_encoder.mask_downscaling.1."),
        (r"^prompt_encoder\.mask_embed\.conv2\.", "prompt_encoder.mask_downscaling.3."),
        (r"^prompt_encoder\.mask_embed\.layer_norm2\.", "prompt_encoder.mask_downscaling.4."),
        (r"^prompt_encoder\.mask_embed\.conv3\.", "prompt_encoder.mask_downscaling.6."),
        (r"^vision_encoder\.neck\.conv1\.", "image_encoder.neck.0."),
        (r"^vision_encoder\.neck\.layer_norm1\.", "image_encoder.neck.1."),
        (r"^vision_encoder\.neck\.conv2\.", "image_encoder.neck.2."),
        (r"^vision_encoder\.neck\.layer_norm2\.", "image_encoder.neck.3."),
        (r"^vision_encoder\.patch_embed\.projection\.", "image_encoder.patch_embed.proj."),
        (r"^vision_encoder\.layers\.(\d+)\.layer_norm", r"image_encoder.blocks.\1.norm"),
        (r"^vision_encoder\.layers\.", "image_encoder.blocks."),
        (r"^vision_encoder\.", "image_encoder."),
        (r"^(mask_decoder\.transformer\..*)layer_norm", r"\1norm"),
        (r"^mask_decoder\.upscale_conv1\.", "mask_decoder.output_upscaling.0."),
        (r"^mask_decoder\.upscale_layer_norm\.", "mask_decoder.output_upscaling.1."),
        (r"^mask_decoder\.upscale_conv2\.", "mask_decoder.output_upscaling.3."),
    )
)
# Hugging Face names the first and last layer of an MLP differently from those between.
_MLP = re.compile(
    r"(mask_decoder\.(?:output_hypernetworks_mlps\.\d+|iou_prediction_head))"
    r"\.(proj_in|proj_out|layers\.(\d+))\.(weight|bias)"
)


def find_sam(content: dict[str, Any], source: str) -> SamState:
    """Find the SAM in the content of a file and give its tensors Meta's names.

    If there are several, the first one with most tensors is taken, and a running average (ema,
    teacher) only if there is no other.

    Parameters
    ----------
    content : dict
        Tensors by name, possibly nested in dictionaries with other content.
    source : str
        Name of the file for errors.

    Raises
    ------
    CheckpointError
        If it does not contain a SAM.
    """
    tensors = {name: t for name, t in _flatten(content) if not _TRAINING_STATE.search(name)}
    if not tensors:
        raise CheckpointError(
            f"{source} has no named tensors (only {name_some(map(str, content), 'entry')}); "
            f"give a file with a model's state_dict."
        )
    root = sam2_layouts.find_root(tensors)
    if root is not None:
        return _sam2(tensors, root)
    if any(_SAM3.match(name) for name in tensors):
        raise CheckpointError(
            f"{source} is a SAM 3 checkpoint, which anymask does not read; give a SAM or SAM 2.1, "
            f"such as sam2.1_hiera_tiny."
        )
    found = {name: m for name in tensors if (m := _COMPONENT.fullmatch(name))}
    if not found:
        raise CheckpointError(
            f"{source} has {name_some(tensors, 'tensor')}, none named as in a SAM; give a SAM "
            f"checkpoint in Meta's or Hugging Face's layout."
        )
    prefixes = _choose_prefixes(found)
    chosen = {n: m for n, m in found.items() if prefixes[_component(m)] == m[1]}
    inner = {n: f"{m[2]}.{m[3]}" for n, m in chosen.items()}
    hugging_face = any(
        i.startswith(("vision_encoder.", "mask_decoder.upscale_conv")) for i in inner.values()
    )
    names = _from_hugging_face(inner) if hugging_face else inner
    for n in tensors:
        m = _NORMALISATION.fullmatch(n)
        if m and m[1] in prefixes.values():
            names[n] = m[2]
    state: dict[str, Tensor] = {}
    for n, name in names.items():
        for pattern, replacement in _ADAPTED:
            name = pattern.sub(replacement, name)
        state.setdefault(name, tensors[n])  # Hugging Face files may have the position code twice
    extras = tuple(n for n in tensors if n not in names)
    return SamState(state, extras, "Hugging Face" if hugging_face else "Meta")


def _sam2(tensors: dict[str, Tensor], root: str) -> SamState:
    names, layout = sam2_layouts.own_names(tensors, root)
    state: dict[str, Tensor] = {}
    for n, name in names.items():
        state.setdefault(name, tensors[n])  # Hugging Face files may have the position code twice
    extras = tuple(n for n in tensors if n not in names)
    return SamState(sam2_layouts.split_point_embeddings(state), extras, layout)


def name_some(names: Iterable[str], noun: str) -> str:
    """Return a count and at most three names, for a message.

    >>> name_some(["a", "b"], "tensor")
    '2 tensors (a, b)'
    >>> name_some("abcde", "tensor")
    '5 tensors (a, b, c, …)'
    """
    names = list(names)
    plural = noun if len(names) == 1 else noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return f"{len(names)} {plural} ({shown})" if names else f"no {noun}"


def _flatten(
    content: dict[Any, Any], prefix: str = "", depth: int = 0
) -> Iterator[tuple[str, Tensor]]:
    for key, value in content.items():
        if isinstance(value, Tensor):
            yield f"{prefix}{key}", value
        elif isinstance(value, dict) and depth < _MAX_NESTING:
            yield from _flatten(value, f"{prefix}{key}.", depth + 1)


def _component(match: re.Match[str]) -> str:
    return {"vision_encoder": "image_encoder", "shared_image_embedding": "prompt_encoder"}.get(
        match[2], match[2]
    )


def _choose_prefixes(found: dict[str, re.Match[str]]) -> dict[str, str]:
    """The prefix of each component: the most common one overall, or its own most common one."""

    def commonest(prefixes: Iterable[str]) -> str:
        counts = Counter(prefixes)  # in file order; max keeps the first of equal counts
        return max(counts, key=lambda p: (not _AVERAGED.search(p), counts[p]))

    matches = found.values()
    main = commonest(m[1] for m in matches)
    chosen = {}
    for component in _COMPONENTS:
        own = [m[1] for m in matches if _component(m) == component]
        if own:
            chosen[component] = main if main in own else commonest(own)
    return chosen


def _from_hugging_face(inner: dict[str, str]) -> dict[str, str]:
    between = Counter(  # layers between the first and the last of each MLP
        m[1] for i in inner.values() if (m := _MLP.fullmatch(i)) and m[3] and m[4] == "weight"
    )
    names = {}
    for original, name in inner.items():
        mlp = _MLP.fullmatch(name)
        if mlp:
            last = between[mlp[1]] + 1
            layer = int(mlp[3]) + 1 if mlp[3] else {"proj_in": 0, "proj_out": last}[mlp[2]]
            names[original] = f"{mlp[1]}.layers.{layer}.{mlp[4]}"
        else:
            for pattern, replacement in _HUGGING_FACE:
                name = pattern.sub(replacement, name)
            names[original] = name
    return names
