"""Files that anymask 0.1.0 wrote still open, and mean what they meant.

`old_files/0.1.0` was written by that release: two drawn pictures, a session on them with runs,
clicks and an undone step, a result in every format, and a fine-tuned model of the kind it shipped.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import anymask
from anymask.session import Session

OLD = Path(__file__).parent / "old_files" / "0.1.0"
EXPECTED = json.loads((OLD / "expected.json").read_text())
FILES = sorted(
    path
    for path in OLD.glob("results/*/*")
    if path.suffix not in (".csv", ".parquet", ".yaml") and path.stem == "wares"
)


def test_a_session_opens_with_its_layers(tmp_path: Path) -> None:
    shutil.copytree(OLD, tmp_path / "old")
    with Session.open(tmp_path / "old" / "cells") as session:
        for layer in session.all_layers():
            labels = session.labels(layer)
            areas = np.bincount(labels.ravel())
            expected = EXPECTED["layers"][f"{layer.image}/{layer.recipe}"]["areas"]
            assert {str(i): n for i, n in enumerate(areas.tolist()) if i and n} == expected
            assert session.undo(layer) is not None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_a_result_opens_with_all_masks(path: Path) -> None:
    masks = anymask.load_masks(path, image_size=(128, 128))
    assert len(masks) > 20
    overlapping = {"coco", "npz", "labelme", "geojson", "imagej", "yolo"}
    if path.parent.name in overlapping:
        assert sorted(masks.areas.tolist()) == sorted(EXPECTED["found_areas"])


def test_a_fine_tuned_model_answers_as_it_did() -> None:
    sam = anymask.load(OLD / "tuned_small.safetensors", device="cpu", dtype="float32")
    expected = np.load(OLD / "tuned_small_answers.npz")
    pixels = torch.linspace(0, 255, 3 * 64 * 64).view(1, 3, 64, 64)
    with torch.inference_mode():
        image = sam.encode_image(sam.preprocess(pixels))
        masks, iou = sam.decode(
            image, point_coords=torch.tensor([[[20.0, 30.0]]]), point_labels=torch.ones(1, 1)
        )
    np.testing.assert_allclose(image.embedding.numpy(), expected["embedding"], atol=1e-4)
    np.testing.assert_allclose(masks.numpy(), expected["masks"], atol=1e-4)
    np.testing.assert_allclose(iou.numpy(), expected["iou"], atol=1e-5)


def test_names_of_the_old_module_for_files_still_work_and_say_where_they_are() -> None:
    from anymask import export, io

    for name in ("FORMATS", "load_dataset", "load_masks", "losses", "save_dataset", "save_masks"):
        with pytest.warns(DeprecationWarning, match=rf"{name} has moved; import it from"):
            assert getattr(export, name) == getattr(io, name)
    with pytest.warns(DeprecationWarning, match="write_csv has moved"):
        assert callable(export.write_csv)
