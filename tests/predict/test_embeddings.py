"""Encoded images on disk: the same masks afterwards, and nothing that does not belong."""

from __future__ import annotations

import json
import os
import resource
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from anymask.errors import ImageError, OutputError, PromptError
from anymask.model.config import VARIANTS
from anymask.model.sam import Sam
from anymask.predict.embeddings import image_hash, model_hash
from anymask.predict.predictor import SamPredictor


def copy_of(model: Sam) -> Sam:
    copy = Sam(model.config)
    copy.load_state_dict(model.state_dict())
    return copy.eval()


def refused(predictor: SamPredictor, path: Path, **options: object) -> str:
    before = predictor.is_image_set
    with pytest.raises(ImageError) as error:
        predictor.load_embedding(path, **options)  # type: ignore[arg-type]
    message = str(error.value)
    assert "\n" not in message
    assert str(path) in message
    assert predictor.is_image_set == before
    return message


@pytest.fixture
def saved(small_reference_sam: Sam, scene: np.ndarray, tmp_path: Path) -> Path:
    predictor = SamPredictor(small_reference_sam)
    predictor.set_image(scene)
    predictor.save_embedding(tmp_path / "scene.safetensors")
    return tmp_path / "scene.safetensors"


@pytest.fixture
def fresh(small_reference_sam: Sam) -> SamPredictor:
    """A predictor with an equal model that is another object, and no image."""
    return SamPredictor(copy_of(small_reference_sam))


def test_a_loaded_embedding_gives_the_masks_of_the_image(
    saved: Path, fresh: SamPredictor, small_reference_sam: Sam, scene: np.ndarray
) -> None:
    direct = SamPredictor(small_reference_sam)
    direct.set_image(scene)
    fresh.load_embedding(saved, scene)
    assert fresh.is_image_set
    assert (fresh.original_size, fresh.input_size) == ((180, 240), (192, 256))
    prompt = {"box": [30, 40, 130, 150], "return_logits": True}
    for found, expected in zip(fresh.predict(**prompt), direct.predict(**prompt), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_models_with_finer_maps_keep_them(tmp_path: Path, tall: np.ndarray) -> None:
    torch.manual_seed(0)
    model = Sam(VARIANTS["small"]).eval()
    predictor, other = SamPredictor(model), SamPredictor(model)
    predictor.set_image(tall)
    predictor.save_embedding(tmp_path / "e.safetensors")
    other.load_embedding(tmp_path / "e.safetensors", tall)
    assert predictor.image_features is not None
    assert other.image_features is not None
    assert len(other.image_features.skips) == len(predictor.image_features.skips) == 2
    for found, expected in zip(
        other.image_features.skips, predictor.image_features.skips, strict=True
    ):
        assert torch.equal(found, expected)
    prompt = {"point_coords": [[9, 9]], "point_labels": [1]}
    for found, expected in zip(other.predict(**prompt), predictor.predict(**prompt), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_selected_one_of_several_images_is_saved(
    small_reference_sam: Sam, scene: np.ndarray, tall: np.ndarray, tmp_path: Path
) -> None:
    predictor = SamPredictor(small_reference_sam)
    predictor.set_images([scene, tall])
    predictor.select(1)
    predictor.save_embedding(tmp_path / "tall.safetensors")
    predictor.load_embedding(tmp_path / "tall.safetensors", tall)
    assert predictor.original_size == (300, 201)


def test_a_loaded_embedding_can_be_saved_again(
    saved: Path, fresh: SamPredictor, scene: np.ndarray, tmp_path: Path
) -> None:
    fresh.load_embedding(saved)
    fresh.save_embedding(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == saved.read_bytes()
    fresh.load_embedding(tmp_path / "again.safetensors", scene)


def test_the_file_is_safetensors_with_both_hashes(
    saved: Path, small_reference_sam: Sam, scene: np.ndarray
) -> None:
    predictor = SamPredictor(small_reference_sam)
    resized = torch.from_numpy(predictor.transform.apply_image(scene)).permute(2, 0, 1)[None]
    with safe_open(saved, "pt") as file:
        facts = json.loads(file.metadata()["anymask_embedding"])
        assert file.get_tensor("embedding").shape == (1, 32, 16, 16)
    assert facts["model_sha256"] == model_hash(small_reference_sam)
    assert facts["image_sha256"] == image_hash(resized, (180, 240))


def test_another_image_is_refused(
    saved: Path, fresh: SamPredictor, scene: np.ndarray, tall: np.ndarray
) -> None:
    changed = scene.copy()
    changed[90, 120] ^= 255
    assert "another image" in refused(fresh, saved, image=changed)
    assert "height 180 and width 240" in refused(fresh, saved, image=tall)
    assert "another image" in refused(fresh, saved, image=scene, image_format="BGR")
    fresh.load_embedding(saved, scene[:, :, ::-1], image_format="BGR")


def test_an_image_enlarged_to_the_same_pixels_is_another(
    small_reference_sam: Sam, tmp_path: Path
) -> None:
    predictor = SamPredictor(small_reference_sam)
    predictor.set_image(np.full((10, 10, 3), 80, np.uint8))
    predictor.save_embedding(tmp_path / "flat.safetensors")
    refused(predictor, tmp_path / "flat.safetensors", image=np.full((20, 20, 3), 80, np.uint8))


def test_another_model_is_refused(saved: Path, small_reference_sam: Sam) -> None:
    changed = copy_of(small_reference_sam)
    with torch.no_grad():
        changed.mask_decoder.iou_token.weight[0, 0] += 0.1
    message = refused(SamPredictor(changed), saved)
    assert "another model" in message
    assert model_hash(small_reference_sam)[:12] in message
    assert model_hash(changed)[:12] in message
    refused(SamPredictor(Sam(VARIANTS["small"]).eval()), saved)


def test_the_model_hash_follows_changes_of_the_weights(small_reference_sam: Sam) -> None:
    model = copy_of(small_reference_sam)
    original = model_hash(model)
    assert original == model_hash(small_reference_sam)
    with torch.no_grad():
        model.image_encoder.pos_embed[0, 0, 0, 0] += 1
    changed = model_hash(model)
    assert changed != original
    model.load_state_dict(small_reference_sam.state_dict())
    assert model_hash(model) == original


def test_an_embedding_in_bfloat16_serves_the_same_model_in_float32(
    small_reference_sam: Sam, fresh: SamPredictor, scene: np.ndarray, tmp_path: Path
) -> None:
    half = SamPredictor(copy_of(small_reference_sam).to(torch.bfloat16))
    half.set_image(scene)
    half.save_embedding(tmp_path / "half.safetensors")
    fresh.load_embedding(tmp_path / "half.safetensors", scene)
    assert fresh.get_image_embedding().dtype == torch.float32
    masks, _, _ = fresh.predict([[120, 90]], [1], multimask_output=False)
    fresh.set_image(scene)
    expected, _, _ = fresh.predict([[120, 90]], [1], multimask_output=False)
    assert (masks & expected).sum() / (masks | expected).sum() > 0.9


@pytest.mark.parametrize("kept", [0, 5, 100, 0.5, -1])
def test_cut_off_files_are_refused(saved: Path, fresh: SamPredictor, kept: float) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: kept if isinstance(kept, int) else len(content) // 2])
    assert "damaged" in refused(fresh, saved)


def test_a_single_changed_byte_is_noticed(saved: Path, fresh: SamPredictor) -> None:
    content = bytearray(saved.read_bytes())
    content[-1000] ^= 1
    saved.write_bytes(content)
    assert "damaged" in refused(fresh, saved)


def test_files_of_other_kinds_are_refused(
    small_reference_sam: Sam, fresh: SamPredictor, tmp_path: Path
) -> None:
    assert "no embedding file" in refused(fresh, tmp_path / "none.safetensors")
    (tmp_path / "folder").mkdir()
    assert "no embedding file" in refused(fresh, tmp_path / "folder")
    (tmp_path / "text").write_text("these are not tensors " * 9)
    assert "no embedding file" in refused(fresh, tmp_path / "text")
    save_file(dict(small_reference_sam.state_dict()), tmp_path / "weights.safetensors")
    assert "not an image embedding" in refused(fresh, tmp_path / "weights.safetensors")


def test_saving_without_an_image_is_refused(fresh: SamPredictor, tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="set_image"):
        fresh.save_embedding(tmp_path / "e.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_leaves_nothing_behind(
    saved: Path, fresh: SamPredictor, tmp_path: Path
) -> None:
    fresh.load_embedding(saved)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OutputError, match="Cannot write") as error:
        fresh.save_embedding(saved / "inside a file" / "e.safetensors")
    assert "\n" not in str(error.value)
    (tmp_path / "taken").mkdir()
    with pytest.raises(OutputError, match="Cannot write"):
        fresh.save_embedding(tmp_path / "taken")
    assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / "taken"])


def test_a_full_disk_leaves_the_earlier_file_whole(saved: Path, fresh: SamPredictor) -> None:
    content = saved.read_bytes()
    fresh.load_embedding(saved)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OutputError):
            fresh.save_embedding(saved)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert saved.read_bytes() == content
    assert os.listdir(saved.parent) == [saved.name]
