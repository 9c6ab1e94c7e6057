"""An exported model segments where torch is not installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import anymask
from anymask import SamPredictor
from anymask.model.sam import Sam
from anymask.onnx_export.parity import drawn_image

# Importing torch fails as where it is not installed.
NO_TORCH = """
import sys
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
sys.meta_path.insert(0, NoTorch())
"""


def without_torch(code: str, *arguments: object) -> str:
    """Run code where torch cannot be imported, and return what it prints."""
    env = {**os.environ, "PYTHONPATH": str(Path(anymask.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", NO_TORCH + code, *map(str, arguments)],
        env=env, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_way_of_asking_works_without_torch(small_export: tuple[Sam, Path], tmp_path: Path):
    sam, folder = small_export
    image = drawn_image(80)
    np.save(tmp_path / "image.npy", image)
    code = """
import numpy as np
import anymask
from anymask.predict.semantic import score_map
image = np.load(sys.argv[2])
model = anymask.load(sys.argv[1])
predictor = anymask.SamPredictor(model)
predictor.set_image(image)
box = np.array([10, 10, 50, 50])
low_res = predictor.predict(box=box)[2]
predictor.predict(np.array([[30, 30]]), np.array([1]), mask_input=low_res[:1], return_logits=True)
predictor.predict(box=box, quality="high")
assert len(predictor.predict_many(anymask.Prompts([box, box + 5]))) == 2
assert score_map(predictor).mask().shape == (80, 80)
predictor.save_embedding(sys.argv[3] + "/image.safetensors")
predictor.load_embedding(sys.argv[3] + "/image.safetensors", image)
predictor.set_images([image, image[:50]])
assert len(predictor.predict_each(box=[box, box])) == 2
generator = anymask.SamAutomaticMaskGenerator(
    model, 4, pred_iou_thresh=0, stability_score_thresh=0, crop_n_layers=1, tile_size=64
)
assert len(generator.generate(image)) > 0
np.save(sys.argv[3] + "/low_res.npy", low_res)
assert "torch" not in sys.modules
"""
    without_torch(code, folder, tmp_path / "image.npy", tmp_path)
    predictor = SamPredictor(sam)
    predictor.set_image(image)
    expected = predictor.predict(box=np.array([10, 10, 50, 50]))[2]
    actual = np.load(tmp_path / "low_res.npy")
    assert np.abs(actual - expected).max() < 1e-4 * np.abs(expected).max()


def test_the_command_line_segments_without_torch(small_export: tuple[Sam, Path], tmp_path: Path):
    _, folder = small_export
    Image.fromarray(drawn_image(80)).save(tmp_path / "discs.png")
    code = """
from anymask.cli.app import app
image, model, out = sys.argv[1:]
app(["everything", image, "-o", out, "--model", model, "--points-per-side", "4"],
    standalone_mode=False)
app(["segment", image, "--box", "10,10,50,50", "-o", out + "/one", "--model", model],
    standalone_mode=False)
assert "torch" not in sys.modules
"""
    without_torch(code, tmp_path / "discs.png", folder, tmp_path / "out")
    assert (tmp_path / "out" / "discs.masks.json").is_file()
    assert (tmp_path / "out" / "one" / "discs.masks.json").is_file()


def test_a_checkpoint_without_torch_is_one_sentence(tmp_path: Path):
    code = """
import anymask
try:
    anymask.load("some.pth")
except anymask.AnymaskError as error:
    print(error)
"""
    message = without_torch(code)
    assert message.startswith("This installation has no torch")
    assert message.count("\n") == 1
