"""With Meta's contract, exported files answer as those that Meta's own code exports."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from anymask import SamPredictor, load
from anymask.errors import CheckpointError
from anymask.images.resize import ResizeLongestSide
from anymask.model.config import SamConfig, ViTConfig
from anymask.model.sam import Sam
from anymask.onnx_export.export import export_onnx
from anymask.onnx_export.parity import drawn_image
from benchmarks.side_by_side import peers
from tests.conftest import draw_weights_by_rule
from tests.onnx_export.conftest import drawn

SIZE = (90, 60)  # of the image; higher than wide, where exports of the wheel went wrong
POINTS = np.array([[20.0, 30], [40, 60]])
LABELS = np.array([1.0, 0])


@pytest.fixture(scope="module")
def vit() -> Sam:
    """A small ViT with Meta's input of 1024 pixels."""
    torch.manual_seed(0)
    config = SamConfig("vit", ViTConfig(32, 1, 1, (), window_size=4))
    sam = Sam(config)
    draw_weights_by_rule(sam)
    return sam.eval()


def sessions(folder: Path) -> list[Any]:
    return [
        onnxruntime.InferenceSession(folder / name, providers=["CPUExecutionProvider"])
        for name in ("encoder.onnx", "decoder.onnx")
    ]


def as_a_program_for_metas_export(folder: Path, image: NDArray[np.uint8]) -> tuple[Any, ...]:
    """Masks, scores and logits as samexporter's own inference asks for them."""
    encoder, decoder = sessions(folder)
    transform = ResizeLongestSide(1024)
    resized = transform.apply_image(image).astype(np.float32)
    (embedding,) = encoder.run(None, {"input_image": resized})
    coords = transform.apply_coords(np.concatenate([POINTS, [[0, 0]]]), image.shape[:2])
    inputs = {
        "image_embeddings": embedding,
        "point_coords": coords[None].astype(np.float32),
        "point_labels": np.array([[*LABELS, -1]], np.float32),
        "mask_input": np.zeros((1, 1, 256, 256), np.float32),
        "has_mask_input": np.zeros(1, np.float32),
        "orig_im_size": np.array(image.shape[:2], np.float32),
    }
    return tuple(decoder.run(["masks", "iou_predictions", "low_res_masks"], inputs))


@pytest.mark.parametrize("single", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_decoder_has_the_names_shapes_and_numbers_of_metas(
    vit: Sam, single: bool, metas_package: ModuleType, tmp_path: Path
):
    from segment_anything.utils.onnx import SamOnnxModel

    folder = export_onnx(vit, tmp_path / "out", meta=True, single_mask=single).folder
    _, decoder = sessions(folder)
    theirs = SamOnnxModel(peers.metas_sam(vit.config, vit.state_dict()).eval(), single)
    generator = torch.Generator().manual_seed(0)
    inputs = {
        "image_embeddings": torch.randn(1, 256, 64, 64, generator=generator),
        "point_coords": torch.rand(1, 3, 2, generator=generator) * 1024,
        "point_labels": torch.tensor([[1.0, 2, 3]]),
        "mask_input": torch.randn(1, 1, 256, 256, generator=generator),
        "has_mask_input": torch.ones(1),
        "orig_im_size": torch.tensor([float(side) for side in SIZE]),
    }
    assert [x.name for x in decoder.get_inputs()] == list(inputs)
    with torch.no_grad():
        expected = theirs(**inputs)
    actual = decoder.run(
        ["masks", "iou_predictions", "low_res_masks"], {n: v.numpy() for n, v in inputs.items()}
    )
    assert actual[0].shape == (1, 1 if single else 4, *SIZE)
    for one, other in zip(actual, expected, strict=True):
        assert one.shape == tuple(other.shape)
        assert np.abs(one - other.numpy()).max() < 1e-4 * float(other.abs().max())


def test_the_model_with_finer_features_runs_in_programs_for_metas_export(tmp_path: Path):
    sam = drawn("small")
    image = drawn_image(90)[:, :60]
    folder = export_onnx(sam, tmp_path / "out", meta=True).folder
    masks, scores, low_res = as_a_program_for_metas_export(folder, image)
    assert masks.shape == (1, 4, *SIZE)
    assert scores.shape == (1, 4)
    assert low_res.shape == (1, 4, 256, 256)
    predictor = SamPredictor(sam, keep_clicked=False)
    # The graph shrinks 1024 pixels to the model's own size, which resizes twice.
    twice = ResizeLongestSide(1024).apply_image(image)
    predictor.set_image(twice)
    scaled = ResizeLongestSide(1024).apply_coords(POINTS, SIZE)
    expected, _, _ = predictor.predict(scaled, LABELS, multimask_output=False)
    rows, columns = (
        np.linspace(0, n - 1, m).round().astype(int)
        for n, m in zip(twice.shape[:2], SIZE, strict=True)
    )
    same = (masks[0, 0] > 0) == expected[0][np.ix_(rows, columns)]
    assert same.mean() > 0.9


def test_such_files_are_not_for_loading_here(vit: Sam, tmp_path: Path):
    folder = export_onnx(drawn("vit"), tmp_path / "out", meta=True).folder
    with pytest.raises(CheckpointError, match="without --meta"):
        load(folder)
