"""Exported models answer as in torch, whatever is asked."""

from __future__ import annotations

import copy
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import onnx
from anymask import SamAutomaticMaskGenerator, SamPredictor, load, save
from anymask.errors import AnymaskError, CheckpointError, OutputError
from anymask.evaluation.protocols import PromptedImage
from anymask.model.building import build_model
from anymask.model.config import HieraConfig, Sam2Config
from anymask.model.embedding import ImageEmbedding
from anymask.model.onnx_sam import OnnxSam
from anymask.model.sam import Sam
from anymask.onnx_export.export import Exported, export_onnx
from anymask.onnx_export.graphs import graph_of, save_graph
from anymask.onnx_export.networks import DecoderNetwork, EncoderNetwork
from anymask.onnx_export.parity import drawn_image
from anymask.onnx_export.weights import store

# Float32 sums in another order.
ROUNDING = 2e-5


def largest(actual: Any, expected: torch.Tensor) -> float:
    """The largest difference, relative to the largest value or, if all are near zero, to .05."""
    assert actual.shape == tuple(expected.shape)
    return float(np.abs(actual - expected.numpy()).max() / expected.abs().max().clamp(min=0.05))


def in_numpy(image: ImageEmbedding) -> ImageEmbedding:
    skips = tuple(skip.numpy() for skip in image.skips)
    return ImageEmbedding(image.embedding.numpy(), skips)  # type: ignore[arg-type]


@torch.no_grad()
def test_an_encoder_of_any_kind_gives_the_embedding_of_torch(exported: tuple[Sam, Exported]):
    sam, export = exported
    model = load(export.folder, device="cpu")
    pixels = torch.rand(2, 3, sam.config.image_size * 3 // 4, sam.config.image_size) * 255
    expected = sam.encode_image(sam.preprocess(pixels))
    ready = model.preprocess(pixels.numpy())  # type: ignore[arg-type]
    np.testing.assert_array_equal(ready, sam.preprocess(pixels).numpy())
    actual = model.encode_image(ready)
    assert len(actual.skips) == len(expected.skips)
    for one, other in zip(
        (actual.embedding, *actual.skips), (expected.embedding, *expected.skips), strict=True
    ):
        assert largest(one, other) < ROUNDING


@torch.no_grad()
def test_any_prompts_in_any_number_give_the_masks_of_torch(exported: tuple[Sam, Exported]):
    sam, export = exported
    model, side = load(export.folder, device="cpu"), sam.config.image_size
    image = sam.encode_image(sam.preprocess(torch.rand(1, 3, side, side) * 255))
    generator = torch.Generator().manual_seed(1)
    asked = 0
    for count, points, box, mask in itertools.product((1, 3), (0, 1, 4), (0, 1), (0, 1)):
        given: dict[str, torch.Tensor] = {}
        if points:
            given["point_coords"] = torch.rand(count, points, 2, generator=generator) * side
            given["point_labels"] = torch.randint(-1, 2, (count, points), generator=generator)
        if box:
            corners = torch.rand(count, 2, 2, generator=generator) * side
            given["boxes"] = torch.cat([corners.amin(1), corners.amax(1)], 1)
        if mask:
            low = sam.config.low_res_size
            given["masks"] = torch.randn(count, 1, low, low, generator=generator)
        for several in (False, True):
            expected = sam.decode(image, **given, multimask_output=several)
            arrays: dict[str, Any] = {name: value.numpy() for name, value in given.items()}
            actual = model.decode(in_numpy(image), **arrays, multimask_output=several)
            for one, other in zip(actual, expected, strict=True):
                assert largest(one, other) < ROUNDING, (count, points, box, mask, several)
            asked += 1
    assert asked == 48


def test_the_file_beside_the_networks_says_how_far_they_are_from_torch(
    exported: tuple[Sam, Exported],
):
    _, export = exported
    facts = json.loads((export.folder / "model.json").read_text())
    assert facts["parity_with_torch"] == export.parity.to_dict()
    assert facts["parity_with_torch"]["prompts"] == 48
    assert export.parity.embedding < ROUNDING
    assert export.parity.least_mask_iou > 0.99


def test_a_predictor_gives_the_masks_of_torch(exported: tuple[Sam, Exported]):
    sam, folder = exported[0], exported[1].folder
    image = drawn_image(90)[:70]
    found = []
    for model in (sam, load(folder, device="cpu")):
        predictor = SamPredictor(model)
        predictor.set_images([image, image[:40, :80]])
        point = predictor.predict(np.array([[30, 20]]), np.array([1]), return_logits=True)
        boxes = predictor.predict(box=np.array([[5, 5, 40, 40], [20, 10, 60, 50]]))
        refined = predictor.predict(box=np.array([20, 20, 50, 40]), quality="high")
        each = predictor.predict_each(box=[[5, 5, 40, 40], [8, 8, 30, 30]])
        found.append([*point, *boxes, *refined, *each[0], *each[1]])
    for one, other in zip(*found, strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        if one.dtype == bool:
            assert np.mean(one != other) < 0.002
        else:
            assert np.abs(one - other).max() < 1e-3 * max(1, np.abs(other).max())


def test_everything_finds_the_masks_of_torch(small_export: tuple[Sam, Path]):
    sam, folder = small_export
    image = drawn_image(96)
    options: dict[str, Any] = {
        "points_per_side": 4, "pred_iou_thresh": 0, "stability_score_thresh": 0,
        "box_nms_thresh": 1.0, "max_mask_share": 1.0, "min_mask_region_area": 0,
    }  # fmt: skip
    ours, theirs = (
        SamAutomaticMaskGenerator(model, **options).generate_masks(image)
        for model in (load(folder, device="cpu"), sam)
    )
    assert len(ours) == len(theirs) > 10
    assert np.abs(ours.areas - theirs.areas).max() <= 0.01 * image.shape[0] * image.shape[1]


def test_an_embedding_saved_by_torch_is_read_by_the_exported_model(
    small_export: tuple[Sam, Path], tmp_path: Path
):
    sam, folder = small_export
    image, box = drawn_image(64), np.array([5, 5, 40, 40])
    answers = []
    for saved, read in ((sam, load(folder)), (load(folder), sam)):
        predictor = SamPredictor(saved)
        predictor.set_image(image)
        predictor.save_embedding(tmp_path / "image.safetensors")
        other = SamPredictor(read)
        other.load_embedding(tmp_path / "image.safetensors", image)
        answers.append(other.predict(box=box)[2])
    np.testing.assert_allclose(*answers, rtol=1e-3, atol=1e-3)


def test_weights_in_fewer_bits_make_smaller_files_and_close_masks(tmp_path: Path):
    # A matrix that is rounded to 8 bits, and filters that stay in 16.
    matrix = torch.nn.Linear(512, 600)
    torch.manual_seed(0)
    torch.nn.init.normal_(matrix.weight)
    x = torch.randn(5, 512)

    class Network(torch.nn.Module):
        inputs, outputs = ("x",), ("y",)

        def __init__(self) -> None:
            super().__init__()
            self.layer, self.conv = matrix, torch.nn.Conv1d(5, 400, 3)

        def examples(self) -> tuple[torch.Tensor]:
            return (x,)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(self.layer(x)[None])

    network = Network().eval()
    with torch.no_grad():
        expected = network(x)
    import onnxruntime

    sizes, errors = [], []
    for stored in ("float32", "float16", "int8"):
        graph = graph_of(network)
        store(graph, stored)  # type: ignore[arg-type]
        path = tmp_path / f"{stored}.onnx"
        save_graph(graph, path)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        errors.append(largest(session.run(None, {"x": x.numpy()})[0], expected))
        sizes.append(path.stat().st_size)
    assert sizes[1] < 0.55 * sizes[0]
    assert sizes[2] < 0.32 * sizes[0]
    assert errors[0] < ROUNDING < errors[1] < 1e-3 < errors[2] < 2e-2


def test_weights_too_large_for_one_file_lie_beside_it(tmp_path: Path):
    sam = copy.deepcopy(Sam(_config())).eval()
    graph = graph_of(EncoderNetwork(sam))
    save_graph(graph, tmp_path / "encoder.onnx", most_bytes=1000)
    save_graph(graph_of(DecoderNetwork(sam)), tmp_path / "decoder.onnx")
    assert (tmp_path / "encoder.onnx.data").stat().st_size > 10_000
    model = OnnxSam(
        sam.config, tmp_path / "encoder.onnx", tmp_path / "decoder.onnx", weights_hash="", threads=1
    )
    side = sam.config.image_size
    image = torch.rand(1, 3, side, side)
    with torch.no_grad():
        expected = sam.image_encoder(image)
    assert largest(model.encode_image(image.numpy()).embedding, expected) < ROUNDING


def test_a_file_of_the_folder_stands_for_the_folder(small_export: tuple[Sam, Path]):
    sam, folder = small_export
    assert load(folder / "encoder.onnx").config == sam.config


def test_an_onnx_file_without_its_facts_is_refused(small_export: tuple[Sam, Path], tmp_path: Path):
    _, folder = small_export
    (tmp_path / "encoder.onnx").write_bytes((folder / "encoder.onnx").read_bytes())
    with pytest.raises(CheckpointError, match=r"lies without the model\.json"):
        load(tmp_path / "encoder.onnx")


def test_a_damaged_network_is_refused(small_export: tuple[Sam, Path], tmp_path: Path):
    _, folder = small_export
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "decoder.onnx").write_bytes(b"no network")
    with pytest.raises(CheckpointError, match=r"cannot read .*decoder\.onnx"):
        load(tmp_path)


def test_a_device_that_is_not_there_is_named(small_export: tuple[Sam, Path]):
    with pytest.raises(AnymaskError, match="finds no device 'mps'"):
        load(small_export[1], device="mps")


@pytest.mark.parametrize("option", [{"variant": "vit_b"}, {"image_size": 64}, {"compile": True}])
def test_what_was_settled_on_export_cannot_be_chosen_on_loading(
    small_export: tuple[Sam, Path], option: dict[str, Any]
):
    with pytest.raises(CheckpointError, match="cannot be chosen any more"):
        load(small_export[1], **option)


def test_a_folder_that_is_no_export_is_never_replaced(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(AnymaskError, match="is no exported model"):
        export_onnx(Sam(_config()), tmp_path, overwrite=True)
    with pytest.raises(OutputError, match="exists already"):
        export_onnx(Sam(_config()), tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize(
    ("options", "message"),
    [({"weights": "int4"}, "weights is 'int4'"), ({"single_mask": True}, "goes with meta only")],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], message: str, tmp_path: Path):
    with pytest.raises(AnymaskError, match=message):
        export_onnx(Sam(_config()), tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_metas_names_are_refused_for_a_sam_2_before_anything_is_written(tmp_path: Path):
    encoder = HieraConfig(width=16, depths=(1, 1, 1, 1), global_attn_indexes=(2,))
    sam = build_model(Sam2Config("followed", encoder, image_size=64)).eval()
    with pytest.raises(AnymaskError, match="is a SAM 2, for which Meta's export has no names"):
        export_onnx(sam, tmp_path / "out", meta=True)
    assert not (tmp_path / "out").exists()


def test_the_graphs_are_valid(exported: tuple[Sam, Exported]):
    for name in ("encoder.onnx", "decoder.onnx"):
        onnx.checker.check_model(str(exported[1].folder / name), full_check=True)


def _config() -> Any:
    from tests.onnx_export.conftest import CONFIGS

    return CONFIGS["vit"]


def test_what_needs_torch_refuses_an_exported_model(small_export: tuple[Sam, Path], tmp_path: Path):
    model = load(small_export[1])
    with pytest.raises(AnymaskError, match="cannot be saved as a checkpoint"):
        save(model, tmp_path / "model.safetensors")
    with pytest.raises(AnymaskError, match="cannot be evaluated"):
        PromptedImage(model, drawn_image(64))
    with pytest.raises(AnymaskError, match="cannot be exported again"):
        export_onnx(small_export[1], tmp_path / "again")


def test_a_process_that_has_not_predicted_yet_can_export(tmp_path: Path):
    code = (
        "from anymask.onnx_export.graphs import graph_of\n"
        "from anymask.onnx_export.networks import EncoderNetwork\n"
        "from tests.onnx_export.conftest import drawn\n"
        "print(len(graph_of(EncoderNetwork(drawn('small'))).graph.node) > 10)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "True", done.stderr
