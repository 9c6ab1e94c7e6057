"""`sam_model_registry`: builders of models by name, as in Meta's package."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from anymask.checkpoints.loading import load
from anymask.checkpoints.registry import CHECKPOINTS, SHIPPED, find_entry
from anymask.model.building import build_model
from anymask.model.config import VARIANTS
from anymask.model.sam import Sam


class SamModelRegistry(Mapping[str, Callable[..., Sam]]):
    """Builders of models by name, used like Meta's dictionary of the same name.

    `registry[name](checkpoint=None)` returns a float32 `Sam` on the CPU in evaluation mode, with
    the weights of `checkpoint` (anything that `load` takes), or untrained without one. Only "small"
    is always trained, because its weights come with the package. "default" is ViT-H.

    Examples
    --------
    >>> list(sam_model_registry)
    ['default', 'small', 'vit_b', 'vit_l', 'vit_h', 'vit_t', 'sam2.1_hiera_tiny', \
'sam2.1_hiera_small', 'sam2.1_hiera_base_plus', 'sam2.1_hiera_large']
    """

    def __getitem__(self, name: str) -> Callable[..., Sam]:
        variant = find_entry("vit_h" if name == "default" else name).config

        def build(checkpoint: str | None = None) -> Sam:
            if checkpoint is None and variant != SHIPPED:
                return build_model(VARIANTS[variant]).eval()
            return load(checkpoint, variant=variant, device="cpu", dtype="float32")

        build.__name__ = f"build_sam_{variant}"
        return build

    def __iter__(self) -> Iterator[str]:
        yield "default"
        yield from CHECKPOINTS

    def __len__(self) -> int:
        return 1 + len(CHECKPOINTS)


sam_model_registry = SamModelRegistry()
