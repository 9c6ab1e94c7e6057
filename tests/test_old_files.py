"""Files that anymask 0.1.0 wrote still open, and mean what they meant.

`old_files/0.1.0` was written by that release: two drawn pictures, a session on them with runs,
clicks and an undone step, a result in every format, and a fine-tuned model of the kind it shipped.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import anymask
from anymask.session import Session, replay

OLD = Path(__file__).parent / "old_files" / "0.1.0"
EXPECTED = json.loads((OLD / "expected.json").read_text())
FILES = sorted(
    path
    for path in OLD.glob("results/*/*")
    if path.suffix not in (".csv", ".parquet", ".yaml") and path.stem == "wares"
)


@pytest.fixture
def old_session(tmp_path: Path) -> Path:
    """A copy of the session, with its images beside it."""
    shutil.copytree(OLD, tmp_path / "old", ignore=shutil.ignore_patterns("results"))
    return tmp_path / "old" / "cells.anymask"


def test_a_session_opens_with_its_layers_and_is_worked_on(old_session: Path) -> None:
    with Session.open(old_session) as session:
        first, second = session.layers
        for layer in (first, second):
            areas = np.bincount(session.layers.labels(layer).ravel())
            expected = EXPECTED["layers"][layer.text]["areas"]
            assert {str(i): n for i, n in enumerate(areas.tolist()) if i and n} == expected
            assert session.layers.state(layer) == "saved"
        assert [c.name for c in session.layers.classes] == ["ware"]
        assert session.runs.model is not None
        assert session.runs.options.points_per_side == 32
        labels = session.layers.labels(first).copy()
        assert [step.kind for step in session.edits.steps(first)] == ["segment", "click", "click"]
        for _ in range(3):
            assert session.edits.undo(first) is not None
        assert not session.layers.labels(first).any()
        while session.edits.can_redo(first):
            session.edits.redo(first)
        np.testing.assert_array_equal(session.layers.labels(first), labels)
        before = len(session.layers.objects(second))
        assert session.edits.redo(second) is not None  # was undone when it was closed
        assert len(session.layers.objects(second)) == before - 7
        session.edits.erase(first, [1])
    with Session.open(old_session) as session:
        np.testing.assert_array_equal(
            session.layers.labels(first), np.where(labels == 1, 0, labels)
        )
        assert session.edits.can_undo(first) == "erase"


def test_thresholds_of_an_old_run_move_without_the_model(old_session: Path) -> None:
    with Session.open(old_session) as session:
        layer = session.layers[1]
        labels = session.layers.labels(layer).copy()
        thresholds = session.runs.thresholds(layer)
        np.testing.assert_array_equal(session.runs.preview(layer, thresholds), labels)
        session.runs.set_thresholds(layer, replace(thresholds, pred_iou=1.0))
        assert len(session.layers.objects(layer)) == 0
        session.runs.set_thresholds(layer, thresholds)
        np.testing.assert_array_equal(session.layers.labels(layer), labels)


def test_an_old_session_is_replayed(old_session: Path) -> None:
    sam = anymask.load(OLD / "tuned_small.safetensors", device="cpu", dtype="float32")
    result = replay(old_session, sam=sam)
    assert result.sentences == []
    assert result.layers[0].labels.any()
    # Every step could be repeated; the masks differ because the model does.
    assert [layer.status for layer in result.layers] == ["different", "different"]
    for layer in result.layers:
        assert layer.sentences[0] == "Step 1 (segment) was made with another model."


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
