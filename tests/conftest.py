"""What many tests need: reference numbers and the small reference model."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import threading
import types
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file

from anymask.model.config import SamConfig, ViTConfig
from anymask.model.sam import Sam
from anymask.samples import sample
from benchmarks.side_by_side import peers

# Drawn examples differ from run to run, so each run needs few; `./test --all` takes many. A limit
# of time would fail on a busy machine.
settings.register_profile("few", max_examples=20, deadline=None)
settings.register_profile("many", max_examples=100, deadline=None)
settings.load_profile("few")

# A screen's width is fixed by this when the command line is imported; tests set their own.
os.environ.pop("COLUMNS", None)

# What a shell starts in the background has Ctrl-C ignored, and so has whatever a test starts then.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REFERENCE = Path(__file__).parent / "reference"


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of numbers computed with the published implementations."""
    return REFERENCE


@pytest.fixture(scope="session")
def small_reference_config() -> SamConfig:
    """The geometry of the small model in `reference/small`."""
    data = json.loads((REFERENCE / "small" / "config.json").read_text())
    encoder, decoder = data["encoder"], data["decoder"]
    return SamConfig(
        "reference",
        ViTConfig(
            encoder["embed_dim"],
            encoder["depth"],
            encoder["num_heads"],
            tuple(encoder["global_attn_indexes"]),
            encoder["window_size"],
            encoder["patch_size"],
            encoder["mlp_ratio"],
        ),
        image_size=data["img_size"],
        prompt_dim=data["prompt_embed_dim"],
        mask_in_chans=data["mask_in_chans"],
        decoder_depth=decoder["transformer_depth"],
        decoder_heads=decoder["num_heads"],
        decoder_mlp_dim=decoder["mlp_dim"],
        iou_head_depth=decoder["iou_head_depth"],
        iou_head_hidden_dim=decoder["iou_head_hidden_dim"],
    )


@pytest.fixture(scope="session")
def small_reference_sam(small_reference_config: SamConfig) -> Sam:
    """The small model whose outputs the reference files hold, in float32."""
    sam = Sam(small_reference_config)
    sam.load_state_dict(load_file(REFERENCE / "small" / "small_sam.safetensors"))
    return sam.eval()


@pytest.fixture(scope="session")
def scene() -> NDArray[np.uint8]:
    """A 180×240 RGB image."""
    return np.asarray(Image.open(REFERENCE / "small" / "scene.png").convert("RGB"))


@pytest.fixture(scope="session")
def tall() -> NDArray[np.uint8]:
    """A 300×201 RGB image."""
    return np.asarray(Image.open(REFERENCE / "small" / "tall.png").convert("RGB"))


@pytest.fixture(scope="session")
def leaf_cube(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The header of the sample cube, which is made in the cache `ANYMASK_HOME`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANYMASK_HOME", str(tmp_path_factory.mktemp("cache")))
        return sample("leaf_cube")


@pytest.fixture(scope="session")
def metas_package() -> types.ModuleType:
    """Meta's own package, imported with or without torchvision."""
    return peers.metas_package()


def relative_l2(actual: torch.Tensor | NDArray, expected: torch.Tensor | NDArray) -> float:
    """‖actual − expected‖ / ‖expected‖ in float64."""
    a, e = (torch.as_tensor(x).double() for x in (actual, expected))
    return float((a - e).norm() / e.norm())


def remember_embeddings(sam: Sam, most: int = 12) -> Sam:
    """Have a model encode equal images once; what it answers stays the same.

    Encoding takes most of the time of a test that clicks.
    """
    encode = sam.image_encoder.forward
    known: dict[bytes, Any] = {}  # the last ones, in the order of their use
    lock = threading.Lock()

    def forward(images: torch.Tensor) -> Any:
        content = images.detach().contiguous().view(torch.uint8).numpy()
        key = hashlib.sha256(content).digest() + str((images.shape, images.dtype)).encode()
        with lock:
            answer = known.pop(key, None)
        if answer is None:
            answer = encode(images)
        with lock:
            known[key] = answer
            if len(known) > most:
                del known[next(iter(known))]
        return answer

    sam.image_encoder.forward = forward
    return sam


def draw_weights_by_rule(sam: Sam) -> None:
    """Fill a model with the weights that `reference/geometry` was computed with."""
    state = {}
    for key, tensor in sam.state_dict().items():
        rng = np.random.default_rng(zlib.crc32(key.encode()))
        n = rng.standard_normal(tuple(tensor.shape)).astype(np.float32)
        if "num_batches_tracked" in key:
            value = np.zeros(tuple(tensor.shape), np.int64)
        elif "running_var" in key:
            value = 1 + 0.1 * np.abs(n)
        elif "gaussian_matrix" in key:
            value = n
        elif (
            any(part in key for part in ("rel_pos", "pos_embed", "attention_biases"))
            or "running_mean" in key
            or key.endswith("bias")
        ):
            value = 0.02 * n
        elif n.ndim == 1:
            value = 1 + 0.1 * n
        else:
            value = n / np.sqrt(np.prod(n.shape[1:]))
        state[key] = torch.from_numpy(np.asarray(value))
    sam.load_state_dict(state)
