"""The settings of a fine-tuning, checked before anything is read."""

from __future__ import annotations

import difflib
import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from anymask.errors import AnymaskError
from anymask.model.config import SamConfig, ViTConfig
from anymask.training.losses import MASK_LOSSES

PARTS = ("image_encoder", "prompt_encoder", "mask_decoder")
"""The parts of a SAM that can be frozen."""

OPTIMIZERS = ("adamw", "adam")
PROMPTS = ("box", "point")
VIEWS = 8
"""Number of ways to rotate and mirror an image, including the image itself."""

# Rates by the part that trains, for the shipped model's decoder with 128 channels. Wider layers
# sum more changes of the same size, so rates fall as the width grows (arXiv 2203.03466).
_RATES, _WIDTH = {"decoder": 2e-4, "lora": 2e-4, "all": 1e-4}, 128
_MIRRORED, _TURNED = 1, 3
# For objects, and for classes, where the original weights know nothing worth keeping.
_BLEND = (0.6, 1.0)


class FineTuneError(AnymaskError):
    """A fine-tuning cannot run with these settings, or had to stop."""


@dataclass(frozen=True)
class Settings:
    """Everything that the fine-tuned weights depend on, besides the model and the images.

    Attributes
    ----------
    epochs : int
        Passes over the training images.
    freeze : tuple of str
        Frozen parts: any of "image_encoder", "prompt_encoder", "mask_decoder".
    lora_rank : int or None
        Rank of low-rank updates of a frozen image encoder; None for no updates.
    loss : {"dice+focal", "dice+bce", "dice"}
    lr : float or None
        Peak learning rate; None chooses by the parts that train and the decoder's width.
    optimizer : {"adamw", "adam"}
    weight_decay : float
        Weight decay of "adamw".
    batch_size : int
        Images per batch.
    accumulate : int
        Batches per update.
    augment : int or None
        Number of rotated and mirrored copies of each image, 0 to 7; None chooses by the cost of
        encoding them.
    prompts : tuple of str
        First prompts of objects: "box", "point" or both.
    objects_per_image : int
        Objects per image in a batch, for each kind of prompt.
    corrections : int
        Rounds of corrective clicks after the first prompt, with the last prediction as mask prompt.
    box_jitter : float
        Jitter of each box side: standard deviation, as a fraction of the box's width or height.
    box_jitter_pixels : float
        Extra uniform jitter of each box side, in pixels of the original image.
    warmup : float
        Share of the updates with a rising learning rate; then it decays to zero as a cosine.
    average : float
        Decay per update of the moving average of the weights; 0 turns averaging off.
    blend : float or None
        Position of the saved weights between the original ones (0) and the average (1); None
        chooses 0.6 for objects and 1 for classes.
    semantic : bool
        Learn whole classes instead of single objects.
    patience : int or None
        Stop after this many epochs without improvement; None never stops early.
    validation_share : float
        Share of the images to hold out if no validation images are given.
    seed : int
        Random seed of the split, the order of images, prompts and new weights.
    """

    epochs: int = 20
    freeze: tuple[str, ...] = ("image_encoder", "prompt_encoder")
    lora_rank: int | None = None
    loss: str = "dice+focal"
    lr: float | None = None
    optimizer: str = "adamw"
    weight_decay: float = 0.01
    batch_size: int = 4
    accumulate: int = 1
    augment: int | None = None
    prompts: tuple[str, ...] = ("box", "point")
    objects_per_image: int = 2
    corrections: int = 1
    box_jitter: float = 0.05
    box_jitter_pixels: float = 0.0
    warmup: float = 0.05
    average: float = 0.98
    blend: float | None = None
    semantic: bool = False
    patience: int | None = None
    validation_share: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        _check_choices(self)
        _check_numbers(self)

    @property
    def trains(self) -> str:
        """The parts that train: "decoder", "lora" or "all"."""
        if "image_encoder" not in self.freeze:
            return "all"
        return "lora" if self.lora_rank else "decoder"

    @property
    def rate(self) -> float:
        """The peak learning rate, after `chosen_for`."""
        assert self.lr is not None
        return self.lr

    @property
    def views(self) -> int:
        """Views of each image, including itself, after `chosen_for`."""
        assert self.augment is not None
        return 1 + self.augment

    @property
    def part(self) -> float:
        """The blend, after `chosen_for`."""
        assert self.blend is not None
        return self.blend

    def chosen_for(self, config: SamConfig) -> Settings:
        """Choose learning rate, views and blend for a model, unless they are given.

        Examples
        --------
        >>> from anymask.model.config import VARIANTS
        >>> for name in ("small", "vit_b"):
        ...     chosen = Settings().chosen_for(VARIANTS[name])
        ...     chosen.lr, chosen.augment
        (0.0002, 3)
        (0.0001, 0)
        """
        rate = self.lr or _RATES[self.trains] * _WIDTH / config.prompt_dim
        blend = _BLEND[self.semantic] if self.blend is None else self.blend
        return replace(self, lr=rate, augment=_views_for(self, config), blend=blend)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON-ready data."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def _views_for(s: Settings, config: SamConfig) -> int:
    """Choose the number of rotated and mirrored copies.

    With a frozen encoder, every view is encoded once, which takes a ViT much longer than
    training. Classes may depend on which way is up; prompted objects do not.
    """
    if s.augment is not None:
        return s.augment
    if s.trains == "decoder" and isinstance(config.image_encoder, ViTConfig):
        return 0
    return _MIRRORED if s.semantic else _TURNED


def settings_of(options: dict[str, Any]) -> Settings:
    """Make settings from keyword arguments; lists become tuples.

    Raises
    ------
    FineTuneError
        If an option is unknown or has an invalid value.

    Examples
    --------
    >>> settings_of({"epoch": 3})
    Traceback (most recent call last):
    ...
    anymask.training.finetune.settings.FineTuneError: There is no option 'epoch' of fine-tuning; \
did you mean epochs?
    """
    known = [field.name for field in fields(Settings)]
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}."
            raise FineTuneError(f"There is no option {name!r} of fine-tuning; {hint}")
    checked: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in options.items()
    }
    return Settings(**checked)


def _check_choices(s: Settings) -> None:
    for name, given, known in (
        ("freeze", s.freeze, PARTS),
        ("prompts", s.prompts, PROMPTS),
        ("loss", (s.loss,), MASK_LOSSES),
        ("optimizer", (s.optimizer,), OPTIMIZERS),
    ):
        unknown = [value for value in given if value not in known]
        if unknown:
            raise FineTuneError(f"{name} is {unknown[0]!r}; it can be {', '.join(known)}.")
    if not s.prompts:
        raise FineTuneError("No prompts to train with are given; give box, point or both.")
    if s.lora_rank and "image_encoder" not in s.freeze:
        raise FineTuneError(
            "Low-rank updates need a frozen image encoder; leave out lora_rank, or freeze it."
        )
    if set(PARTS) <= set(s.freeze) and not s.lora_rank:
        raise FineTuneError("All parts are frozen, so nothing would train; freeze fewer parts.")


def _check_numbers(s: Settings) -> None:
    bounds: dict[str, tuple[float, float]] = {
        "epochs": (1, 100_000),
        "lora_rank": (1, 1024),
        "lr": (1e-12, 10),
        "weight_decay": (0, 1),
        "batch_size": (1, 4096),
        "accumulate": (1, 4096),
        "augment": (0, VIEWS - 1),
        "objects_per_image": (1, 1024),
        "corrections": (0, 8),
        "box_jitter": (0, 0.5),
        "box_jitter_pixels": (0, 10_000),
        "warmup": (0, 1),
        "average": (0, 0.9999),
        "blend": (0.01, 1),
        "patience": (1, 100_000),
        "validation_share": (0.01, 0.9),
    }
    for name, (least, most) in bounds.items():
        value = getattr(s, name)
        if value is not None and not (math.isfinite(value) and least <= value <= most):
            raise FineTuneError(f"{name} is {value}; it must be between {least:g} and {most:g}.")
