"""Programs that import the published names find anymask; each runs in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import anymask

# Written as a user of Meta's package would write it, with a model that takes no time.
SCRIPT = """
import argparse
import json
from functools import partial

import mobile_sam.modeling.tiny_vit_sam
import mobile_sam.utils.amg
import numpy as np
import segment_anything.utils.amg
import torch
from segment_anything import SamPredictor, sam_model_registry
from segment_anything.modeling import (
    ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
)
from helper import image

parser = argparse.ArgumentParser()
parser.add_argument("--size", type=int)
options = parser.parse_args()
sam = Sam(
    ImageEncoderViT(
        img_size=64, embed_dim=16, depth=1, num_heads=2, out_chans=32, use_rel_pos=True,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
    ),
    PromptEncoder(32, (4, 4), (64, 64), 16),
    MaskDecoder(transformer_dim=32, transformer=TwoWayTransformer(2, 32, 8, 64)),
)
predictor = SamPredictor(sam)
predictor.set_image(image(options.size))
masks, scores, logits = predictor.predict(
    point_coords=np.array([[12, 9]]), point_labels=np.array([1])
)
print(json.dumps([
    __name__, masks.shape, list(sam_model_registry), type(sam).__module__,
    mobile_sam.utils.amg is segment_anything.utils.amg,
]))
"""
HELPER = """
import numpy as np

def image(size):
    return np.zeros((size, 2 * size, 3), np.uint8)
"""


def run(*arguments, cwd):
    places = [str(Path(anymask.__file__).parents[1])]
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
        cwd=cwd,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def program(tmp_path):
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / "script.py").write_text(SCRIPT)
    (folder / "helper.py").write_text(HELPER)
    return folder / "script.py"


@pytest.mark.parametrize("way", ["script", "module"])
def test_a_program_for_segment_anything_runs_unchanged(program, tmp_path, way):
    if way == "script":
        done = run("-m", "anymask.compat", program, "--size", 20, cwd=tmp_path)
    else:
        done = run("-m", "anymask.compat", "-m", "script", "--size", 20, cwd=program.parent)
    assert done.returncode == 0, done.stderr
    name, shape, names, home, shared = json.loads(done.stdout)
    assert name == "__main__"
    assert shape == [3, 20, 40]
    assert names == ["default", "vit_h", "vit_l", "vit_b"]
    assert home == "anymask.compat.segment_anything.modeling.sam"
    assert shared


def test_a_script_that_is_not_there_and_none_at_all_are_told(tmp_path):
    done = run("-m", "anymask.compat", "nowhere.py", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "There is no script nowhere.py; check the path.\n"
    assert run("-m", "anymask.compat", cwd=tmp_path).returncode == 2
    asked = run("-m", "anymask.compat", "--help", cwd=tmp_path)
    assert asked.returncode == 0
    assert asked.stdout.startswith("Usage: python -m anymask.compat SCRIPT.py")


CHILDREN = """
import multiprocessing, subprocess, sys

def home(_):
    from segment_anything.modeling import Sam
    return Sam.__module__

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(home, [0])[0])
    code = "from mobile_sam.build_sam import build_sam_vit_t as b; print(b.__module__)"
    subprocess.run([sys.executable, "-c", code], check=True)
"""


def test_processes_that_a_program_starts_find_anymask_too(tmp_path):
    (tmp_path / "children.py").write_text(CHILDREN)
    done = run("-u", "-m", "anymask.compat", "children.py", cwd=tmp_path)
    assert done.stdout.splitlines() == [
        "anymask.compat.segment_anything.modeling.sam",
        "anymask.compat.mobile_sam.build_sam",
    ], done.stderr


def test_installed_packages_stay_unless_they_are_to_be_replaced(tmp_path):
    code = """
import sys
from anymask.compat import install
print(install())
import mobile_sam
print(mobile_sam.SamPredictor.__module__, "segment_anything" in sys.modules)
print(install(replace=True), install())
import segment_anything
print(segment_anything.SamPredictor.__module__)
"""
    (tmp_path / "segment_anything").mkdir()
    (tmp_path / "segment_anything" / "__init__.py").write_text("SamPredictor = None")
    done = run("-c", code, cwd=tmp_path)
    assert done.stdout.splitlines() == [
        "['mobile_sam']",
        "anymask.compat.segment_anything.predictor False",
        "['segment_anything', 'mobile_sam'] ['segment_anything', 'mobile_sam']",
        "anymask.compat.segment_anything.predictor",
    ], done.stderr


def test_the_page_on_moving_works_as_it_stands_there(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "moving.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.S)
    shown = "print(SamPredictor.__module__, Sam.__module__, MaskData.__module__)"
    done = run("-c", block + shown, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(name.startswith("anymask.compat.") for name in done.stdout.split())


def test_the_package_can_be_imported_under_its_full_name():
    import anymask.compat.segment_anything as segment_anything

    assert segment_anything.sam_model_registry["vit_b"].__name__ == "build_sam_vit_b"
