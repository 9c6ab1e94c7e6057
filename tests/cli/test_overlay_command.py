"""`anymask overlay`: masks over their images."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from anymask.io import save_masks
from anymask.painting import draw_scale_bar, overlay

LABELS = np.zeros((150, 200), np.uint16)
LABELS[20:90, 30:80] = 3
LABELS[100:140, 120:190] = 12


@pytest.fixture
def run(cli):
    return partial(cli, "overlay")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Images a and sub/b, and a folder with the masks of both, in two formats."""
    rng = np.random.default_rng(0)
    for name in ("a.png", "sub/b.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(rng.integers(0, 255, (150, 200, 3), np.uint8)).save(path)
    save_masks(LABELS, tmp_path / "masks" / "a.labels.tif")
    save_masks(LABELS, tmp_path / "masks" / "sub" / "b.masks.json")
    return tmp_path / "photos", tmp_path / "masks"


def shown(path: Path) -> np.ndarray:
    return np.asarray(Pillow.open(path))


def test_each_image_is_drawn_with_its_masks(run, folders, tmp_path):
    result = run(folders[0] / "**" / "*.png", folders[1], "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    for name in ("a", "sub/b"):
        photo = shown(folders[0] / f"{name}.png")
        drawn = shown(tmp_path / "out" / f"{name}.overlay.png")
        assert np.array_equal(drawn, overlay(photo, LABELS))


def test_outlines_ids_and_scale_are_those_of_the_options(run, folders, tmp_path):
    photo, masks = folders[0] / "a.png", folders[1] / "a.labels.tif"
    options = ("--outline", "--width", 2, "--ids", "--scale", 3)
    assert run(photo, masks, "-o", tmp_path, *options).exit_code == 0
    expected = overlay(shown(photo), LABELS, alpha=0, outline_width=2, ids=True, scale=3)
    assert np.array_equal(shown(tmp_path / "a.overlay.png"), expected)


def test_a_scale_bar_is_in_the_unit_of_the_image_or_its_masks(run, folders, tmp_path):
    photo = folders[0] / "a.png"
    save_masks(LABELS, tmp_path / "scaled" / "a.labels.tif", pixel_size=0.5, unit="µm")
    result = run(photo, tmp_path / "scaled", "-o", tmp_path, "--scale-bar")
    assert result.exit_code == 0, result.output
    expected = draw_scale_bar(overlay(shown(photo), LABELS), (0.5, 0.5), "µm")
    assert np.array_equal(shown(tmp_path / "a.overlay.png"), expected)
    unknown = run(photo, folders[1] / "a.labels.tif", "-o", tmp_path / "u", "--scale-bar")
    assert unknown.exit_code == 0
    assert "a.png has no scale bar, because the size of its pixels is unknown" in unknown.stderr


def test_an_image_is_shown_as_its_masks_were_found(run, tmp_path):
    stack = np.zeros((3, 150, 200), np.uint8)
    stack[1, 50:] = 200
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    save_masks(LABELS, tmp_path / "a.masks.json", image="a.tif")
    coco = json.loads((tmp_path / "a.masks.json").read_text())
    coco["info"] = {"view": {"z": "max"}}
    (tmp_path / "a.masks.json").write_text(json.dumps(coco))
    result = run(tmp_path / "a.tif", tmp_path / "a.masks.json", "-o", tmp_path)
    assert result.exit_code == 0, result.output
    assert np.array_equal(
        shown(tmp_path / "a.overlay.png"), overlay(np.stack([stack[1]] * 3, -1), LABELS)
    )


def test_an_image_without_masks_is_reported_and_the_others_are_drawn(run, folders, tmp_path):
    Pillow.new("RGB", (20, 20)).save(folders[0] / "c.png")
    result = run(folders[0] / "**" / "*.png", folders[1], "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "c.png has no masks in" in result.stderr
    drawn = sorted(path.name for path in (tmp_path / "out").rglob("*.png"))
    assert drawn == ["a.overlay.png", "b.overlay.png"]


def test_existing_overlays_are_kept_before_anything_is_drawn(run, folders, tmp_path):
    (tmp_path / "out" / "sub").mkdir(parents=True)
    (tmp_path / "out" / "sub" / "b.overlay.png").write_bytes(b"mine")
    result = run(folders[0] / "**" / "*.png", folders[1], "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "b.overlay.png exists already" in result.stderr
    assert not (tmp_path / "out" / "a.overlay.png").exists()
    assert (
        run(
            folders[0] / "**" / "*.png", folders[1], "-o", tmp_path / "out", "--overwrite"
        ).exit_code
        == 0
    )
    assert (tmp_path / "out" / "sub" / "b.overlay.png").read_bytes() != b"mine"


def test_masks_of_another_size_are_refused_with_both_sizes(run, folders, tmp_path):
    save_masks(LABELS[:50], tmp_path / "small.png")
    result = run(folders[0] / "a.png", tmp_path / "small.png", "-o", tmp_path)
    assert result.exit_code == 1
    assert "200×50 pixels and the image is 200×150" in result.stderr
