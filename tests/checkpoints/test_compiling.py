"""``load(..., compile=True)``: the same network, compiled; and where that cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import anymask
from anymask.checkpoints import load, save
from anymask.model.config import SamConfig, ViTConfig
from anymask.model.sam import Sam
from tests.conftest import draw_weights_by_rule, relative_l2

# As small as can be, for compiling takes its time.
TINY = SamConfig(
    "tiny",
    ViTConfig(16, 1, 2, (0,)),
    image_size=32,
    prompt_dim=16,
    decoder_depth=1,
    decoder_mlp_dim=16,
    iou_head_hidden_dim=16,
)
# A compiler that is not there.
PROGRAM = """
import sys
from anymask.errors import AnymaskError
from anymask.checkpoints import load
try:
    load(sys.argv[1], device="cpu", compile=True)
except AnymaskError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    sam = Sam(TINY).eval()
    draw_weights_by_rule(sam)
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save(sam, path)
    return path


@pytest.mark.slow
def test_a_compiled_model_gives_the_same_masks_and_saves_the_same_weights(path, tmp_path):
    plain, compiled = (load(path, device="cpu", dtype="float32", compile=c) for c in (False, True))
    pixels = torch.linspace(-1, 1, 3 * 32 * 32).view(1, 3, 32, 32)
    points, labels = torch.full((8, 1, 2), 10.0), torch.ones((8, 1), dtype=torch.int64)
    with torch.no_grad():
        found = [
            sam.decode(sam.encode_image(pixels), point_coords=points, point_labels=labels)[0]
            for sam in (plain, compiled)
        ]
    assert relative_l2(found[1], found[0]) < 1e-5
    save(compiled, tmp_path / "again.safetensors")
    again = load(tmp_path / "again.safetensors", device="cpu", dtype="float32")
    for key, tensor in plain.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[key]), key


@pytest.mark.slow
def test_without_a_compiler_it_is_refused_in_a_sentence(path, tmp_path):
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(anymask.__file__).parents[1]),
        "CXX": "/no/such/compiler",
        "TORCHINDUCTOR_CACHE_DIR": str(tmp_path),
    }
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    assert said.startswith("The network cannot be compiled here (")
    assert said.endswith("install a C++ compiler, or leave compile out.\n")
    assert said.count("\n") == 1
