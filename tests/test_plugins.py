"""Installed packages add parts through entry points, as the package in examples/ does."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import anymask

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "more_parts"


def install(folder: Path, name: str, entries: dict[str, dict[str, str]]) -> None:
    """Leave what an installation leaves beside a package: its name and its entry points."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [
        line
        for group, points in entries.items()
        for line in (f"[{group}]", *(f"{key} = {value}" for key, value in points.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))


@pytest.fixture
def run(tmp_path: Path):
    """Run Python in a process that has the example package installed."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    site = tmp_path / "site"
    install(site, project["name"], project["entry-points"])

    def run_python(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        paths = [str(Path(anymask.__file__).parents[1]), str(EXAMPLE), str(site)]
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    return run_python


def test_the_formats_of_a_package_are_read_listed_and_written(run, tmp_path: Path) -> None:
    values = (np.arange(12).reshape(3, 4) * 5000).astype(">u2")
    (tmp_path / "scan.pgm").write_bytes(b"P5 # made by hand\n4 3\n65535\n" + values.tobytes())
    (tmp_path / "scan.unknown").write_bytes((tmp_path / "scan.pgm").read_bytes())
    code = """
import anymask, numpy as np
from anymask.cli.app import app
from anymask.io import list_images
from typer.testing import CliRunner
print(anymask.read("scan.pgm").numpy().tolist(), anymask.read("scan.unknown").shape)
print([path.name for path in list_images(".")])
labels = np.zeros((3, 4), int); labels[1:, 1:3] = 7
anymask.save_masks(labels, "scan.svg", image="scan.pgm")
anymask.save_masks(labels, "scan.labels.tif")
again = ["convert", "scan.labels.tif", "--to", "svg", "--out", "again.svg"]
print(CliRunner().invoke(app, again).exit_code)
print("svg" in CliRunner().invoke(app, ["convert", "--help"]).output)
"""
    done = run("-c", code)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines == [f"{values.tolist()} (3, 4)", "['scan.pgm']", "0", "True"]
    drawn = (tmp_path / "scan.svg").read_text()
    assert '<path id="mask-7" class="" d="M1,1' in drawn
    assert (tmp_path / "again.svg").read_text() == drawn.replace("scan.pgm", "scan")


def test_a_format_that_cannot_be_used_is_named_and_the_others_work(run, tmp_path: Path) -> None:
    (tmp_path / "site" / "broken.py").write_text("from anymask.io import MaskFormat\n1 / 0\n")
    (tmp_path / "site" / "rival.py").write_text(
        "from anymask.io import ImageFormat, MaskFormat\n"
        "PNG = ImageFormat(name='better PNG', suffixes=('.png',), read=None)\n"
        "COCO = MaskFormat(name='coco', title='other', suffixes=('.x',))\n"
    )
    readers = {"png": "rival:PNG", "wrong": "rival:COCO"}
    writers = {"coco": "rival:COCO", "broken": "broken:FORMAT"}
    install(tmp_path / "site", "rival", {"anymask.readers": readers, "anymask.writers": writers})
    np.save(tmp_path / "a.npy", np.eye(3, dtype=np.uint8))
    # Written to a folder, so that image formats are looked up for the name of the image.
    done = run("-m", "anymask", "convert", "a.npy", "--to", "svg", "--out", "out")
    assert done.returncode == 0
    assert (tmp_path / "out" / "a.svg").is_file()
    reasons = (
        "wrong of the package rival is left out: rival:COCO is not an entry of type ImageFormat",
        "png of the package rival is left out: the suffix .png belongs to another format",
        "broken of the package rival is left out: division by zero",
        "coco of the package rival is left out: there is a format called coco already",
    )
    for reason in reasons:
        assert f"The format {reason}; update or uninstall the package.\n" in done.stderr
    assert done.stderr.count("left out") == len(reasons)


def test_the_encoder_of_a_package_makes_models_that_are_saved_and_loaded(run) -> None:
    code = """
import numpy as np, torch
from anymask import Sam, SamPredictor, load, save
from anymask.model.config import SamConfig
from more_parts.patches import PatchesConfig
sam = Sam(SamConfig("patches", PatchesConfig(16), image_size=128)).eval()
save(sam, "patches.safetensors")
torch.save(sam.state_dict(), "bare.pth")
image = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
def answer(model):
    predictor = SamPredictor(model)
    predictor.set_image(image)
    return predictor.predict(box=[10, 10, 60, 60])[2]
whole = load("patches.safetensors", dtype="float32")
bare = load("bare.pth", image_size=128, dtype="float32")
print(np.array_equal(answer(sam), answer(whole)), np.array_equal(answer(sam), answer(bare)))
print(whole.config.image_encoder)
"""
    done = run("-c", code)
    assert done.stdout.splitlines() == ["True True", "PatchesConfig(patch_size=16)"], done.stderr


def test_words_are_segmented_by_the_detector_of_a_package(run) -> None:
    code = """
import anymask, numpy as np
image = np.full((120, 160, 3), 90, np.uint8)
image[20:60, 30:80] = (220, 10, 10)
image[70:110, 90:150] = (20, 20, 220)
masks = anymask.predict_text(image, ["blue", "red", "no colour"])
print(masks.class_names)
for mask, (top, bottom, left, right) in zip(masks, [(20, 60, 30, 80), (70, 110, 90, 150)]):
    truth = np.zeros_like(mask)
    truth[top:bottom, left:right] = True
    print((mask & truth).sum() / (mask | truth).sum() > 0.9)
try:
    anymask.predict_text(image, "red", prompter="words")
except anymask.AnymaskError as error:
    print(error)
"""
    done = run("-c", code)
    assert done.stdout.splitlines() == [
        "('red', 'blue')",
        "True",
        "True",
        "There is no detector for words called 'words'; there is colours (regions of a named "
        "colour), grounding-dino (Grounding DINO, Swin-T), grounding-dino-base (Grounding DINO, "
        "Swin-B), mm-grounding-dino (MM-Grounding-DINO, Swin-T), llmdet (LLMDet, Swin-T), owlv2 "
        "(OWLv2, ViT-B/16).",
    ], done.stderr
