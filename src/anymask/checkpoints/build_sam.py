"""`sam_model_registry`: builders of models by name, as in Meta's package."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from anymask.checkpoints.loading import load
from anymask.checkpoints.registry import CHECKPOINTS, SHIPPED, find_entry
from anymask.model.building import build_model
from anymask.model.config import VARIANTS
from anymask.model.sam import Sam


class SamModelRegistry(dict[str, Callable[..., Sam]]):
    """Builders of models by name, as in Meta's dictionary of the same name.

    `registry[name](checkpoint=None)` returns a float32 `Sam` on the CPU in evaluation mode, with
    the weights of `checkpoint` (anything that `load` takes), or untrained without one. Only "small"
    is always trained, because its weights come with the package. "default" is ViT-H. Builders of
    other models may be added.

    Raises
    ------
    UnknownModelError
        If there is no model of that name.

    Examples
    --------
    >>> list(sam_model_registry)
    ['default', 'small', 'vit_b', 'vit_l', 'vit_h', 'vit_t', 'sam2.1_hiera_tiny', \
'sam2.1_hiera_small', 'sam2.1_hiera_base_plus', 'sam2.1_hiera_large']
    """

    def __missing__(self, name: str) -> NoReturn:
        find_entry(name)  # says which names there are
        raise KeyError(name)


def _builder(variant: str) -> Callable[..., Sam]:
    def build(checkpoint: str | None = None) -> Sam:
        if checkpoint is None and variant != SHIPPED:
            return build_model(VARIANTS[variant]).eval()
        return load(checkpoint, variant=variant, device="cpu", dtype="float32")

    build.__name__ = f"build_sam_{variant}"
    return build


sam_model_registry = SamModelRegistry(
    {"default": _builder("vit_h")}
    | {name: _builder(entry.config) for name, entry in CHECKPOINTS.items()}
)
