"""Choose the geometry for a checkpoint, and match its tensors with it."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from anymask.checkpoints.formats import CheckpointNotice, SamState, name_some
from anymask.checkpoints.geometry import config_from_shapes, describe
from anymask.checkpoints.position_tables import fit_tables
from anymask.checkpoints.reading import RawCheckpoint
from anymask.checkpoints.registry import SHIPPED, find_entry
from anymask.checkpoints.sam2_layouts import config_of
from anymask.errors import AnymaskError, CheckpointError
from anymask.model.building import build_model
from anymask.model.config import SMALL_0_1, SamConfig
from anymask.model.encoder_configs import SmallEncoderConfig
from anymask.model.sam import Sam
from anymask.model.sam2.hiera_config import TRUNK

CONFIG_KEY = "anymask_config"
"""Key in the metadata of a saved safetensors file for the geometry as JSON."""

# These are not used in computation, so files may have them or not.
_OPTIONAL = ("image_encoder.head.", "image_encoder.norm_head.")
_PUBLISHED_WIDTH = 256  # of the mask decoder


@dataclass(frozen=True)
class Fit:
    """A checkpoint's tensors, matched with a geometry.

    Attributes
    ----------
    model : Sam
        The model with that geometry, with uninitialised weights.
    tensors : dict of str to Tensor
        The tensors of the model, with resized position tables.
    unused : tuple of str
        Meta's names of tensors in the SAM's components that the model does not have.
    parameters : int
        Number of trainable parameters of the model.
    """

    model: Sam
    tensors: dict[str, Tensor]
    unused: tuple[str, ...]
    parameters: int


def find_config(raw: RawCheckpoint, state: SamState) -> SamConfig:
    """Return the geometry saved with a checkpoint, or derive it from the shapes of its tensors.

    Raises
    ------
    CheckpointError
        If it cannot be found.
    """
    if CONFIG_KEY in raw.metadata:
        try:
            return _named_as_now(SamConfig.from_dict(json.loads(raw.metadata[CONFIG_KEY])))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"{raw.path} was saved by a newer version of anymask; install the newest anymask."
            ) from error
        except AnymaskError as error:
            raise CheckpointError(f"{raw.path} cannot be used as it was saved: {error}") from error
    shapes = {name: tuple(tensor.shape) for name, tensor in state.tensors.items()}
    if f"{TRUNK}pos_embed" in shapes:
        return config_of(shapes, raw.hf_config, str(raw.path))
    config = config_from_shapes(shapes, str(raw.path), _decoder_heads(raw, state))
    mean, std = _three(state, "pixel_mean"), _three(state, "pixel_std")
    if mean is not None and std is not None:
        config = replace(config, pixel_mean=mean, pixel_std=std)
    return config


def _named_as_now(config: SamConfig) -> SamConfig:
    """Tell the model that 0.1 shipped, and what was fine-tuned from it, from today's."""
    is_old = config.name == SHIPPED and isinstance(config.image_encoder, SmallEncoderConfig)
    return replace(config, name=SMALL_0_1) if is_old else config


def choose_config(
    raw: RawCheckpoint, state: SamState, variant: str | SamConfig | None, image_size: int | None
) -> SamConfig:
    """Return the geometry for loading a checkpoint.

    Parameters
    ----------
    raw, state
        The checkpoint.
    variant : str, SamConfig or None
        The required variant or geometry; None takes that of the file.
    image_size : int or None
        Input size, if different from the file's.

    Raises
    ------
    CheckpointError
        If the file is another variant, or its encoder does not take the input size.
    """
    if isinstance(variant, SamConfig):
        config = variant
    else:
        wanted = None if variant is None else find_entry(variant).config
        config = find_config(raw, state)
        # What 0.1 shipped, and models fine-tuned from it, were asked for as "small".
        fits = (wanted, SMALL_0_1) if wanted == SHIPPED else (wanted,)
        if wanted is not None and config.name not in fits:
            raise CheckpointError(
                f"{raw.path} is a {describe(config)}, not a {wanted}; leave out variant= or give "
                f"a {wanted} file."
            )
        _warn_of_guessed_heads(raw, state, config)
    if image_size is None or image_size == config.image_size:
        return config
    step = config.image_encoder.size_step
    if isinstance(image_size, bool) or not isinstance(image_size, int) or image_size < step:
        raise CheckpointError(f"image_size is {image_size!r}; give a multiple of {step}.")
    if image_size % step:
        near = max(step, round(image_size / step) * step)
        raise CheckpointError(
            f"image_size is {image_size}, but {config.name} needs a multiple of {step}; {near} is "
            f"the nearest."
        )
    return replace(config, image_size=image_size)


def fit(raw: RawCheckpoint, state: SamState, config: SamConfig) -> Fit:
    """Match a checkpoint's tensors with those of a geometry.

    Raises
    ------
    CheckpointError
        If tensors are missing or have other shapes.
    """
    model = _blank_model(raw, config)
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    buffers = {name for name, _ in model.named_buffers()}
    tensors = fit_tables(state.tensors, shapes, config)
    missing = [n for n in shapes if n not in tensors and not _is_optional(n, buffers)]
    if missing:
        raise CheckpointError(
            f"{raw.path} lacks {name_some(missing, 'tensor')} of the {len(shapes)} of a "
            f"{describe(config)}; give the whole model."
        )
    wrong = [n for n in shapes if n in tensors and tuple(tensors[n].shape) != shapes[n]]
    if wrong:
        listed = [f"{n}: {tuple(tensors[n].shape)} instead of {shapes[n]}" for n in wrong]
        raise CheckpointError(
            f"{raw.path} differs from a {describe(config)} in the shapes of "
            f"{name_some(listed, 'tensor')}; give a file of that geometry."
        )
    unused = tuple(n for n in tensors if n not in shapes and n not in ("pixel_mean", "pixel_std"))
    used = {n: tensors[n] for n in shapes if n in tensors}
    return Fit(model, used, unused, sum(p.numel() for p in model.parameters()))


def _blank_model(raw: RawCheckpoint, config: SamConfig) -> Sam:
    """A model whose weights take no memory until they are written."""
    try:
        with _WithoutInitialValues():
            return build_model(config)
    except (ValueError, TypeError, ArithmeticError, AssertionError, RuntimeError) as error:
        raise CheckpointError(
            f"{raw.path} has the geometry of a {describe(config)}, which cannot be built; "
            f"check its configuration."
        ) from error


class _WithoutInitialValues(TorchFunctionMode):
    """Skips the initialisation of weights, which for ViT-H takes longer than reading the file."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is Tensor.normal_:
            # `trunc_normal_` draws until all values lie within its bounds, which those of memory
            # that nobody wrote never do.
            return args[0].zero_()
        if func is Tensor.uniform_ or getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def _is_optional(name: str, buffers: set[str]) -> bool:
    return name in buffers and (name.endswith(".num_batches_tracked") or name.startswith(_OPTIONAL))


def _decoder_heads(raw: RawCheckpoint, state: SamState) -> int | None:
    if state.layout != "Hugging Face":
        return None
    decoder = raw.hf_config.get("mask_decoder_config")
    heads = decoder.get("num_attention_heads") if isinstance(decoder, dict) else None
    return heads if isinstance(heads, int) and heads > 0 else None


def _warn_of_guessed_heads(raw: RawCheckpoint, state: SamState, config: SamConfig) -> None:
    known = CONFIG_KEY in raw.metadata or _decoder_heads(raw, state) or config.name != "custom"
    if not known and config.prompt_dim != _PUBLISHED_WIDTH:
        warnings.warn(
            f"{raw.path} does not state the number of heads of its mask decoder, so "
            f"{config.decoder_heads} are assumed; give variant=SamConfig(...) if it has others.",
            CheckpointNotice,
            stacklevel=4,
        )


def _three(state: SamState, name: str) -> tuple[float, float, float] | None:
    values = state.tensors.get(name)
    if values is None or values.numel() != 3 or values.is_meta:
        return None
    # Six digits restore such numbers after a conversion to float32.
    red, green, blue = (float(f"{v:.6g}") for v in values.flatten().tolist())
    return red, green, blue
