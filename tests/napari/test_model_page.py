"""Models in the window: loading, wrong types and broken files."""

from __future__ import annotations

import shutil

import pytest

from anymask.checkpoints.saving import save


@pytest.fixture(scope="module")
def fine_tuned(tmp_path_factory, small_reference_sam):
    """A small checkpoint of a geometry of its own."""
    path = tmp_path_factory.mktemp("models") / "mine.safetensors"
    save(small_reference_sam, path)
    return path


def _choose(panel, variant):
    panel.model.variant.setCurrentIndex(panel.model.variant.findData(variant))


def test_the_shipped_model_loads_and_says_what_it_is(panel, idle):
    _choose(panel, "small")
    panel.model.checkpoint.setCurrentIndex(0)
    panel.model.load()
    idle()
    assert panel.message.kind == "good"
    assert panel.message.text.text().startswith("The model is ready: anymask small, 11 million")
    assert "on cpu in" in panel.model.state.text()


def test_a_checkpoint_of_another_type_is_refused_and_the_right_one_offered(panel, idle, tmp_path):
    from anymask.checkpoints.sources import shipped_weights

    path = tmp_path / "who_knows.safetensors"
    shutil.copy(shipped_weights(), path)
    panel.model.add_checkpoint(path)
    _choose(panel, "vit_b")
    panel.model.load()
    idle()
    assert panel.message.kind == "error"
    assert panel.message.text.text() == (
        "who_knows.safetensors is anymask small, not SAM ViT-B; load it as that model, or choose "
        "another file."
    )
    assert panel.message.action.text() == "Load it as anymask small (built in)"
    panel.message.action.click()
    idle()
    assert "who_knows.safetensors (anymask small)" in panel.message.text.text()
    assert panel.model.variant.currentData() == "small"


def test_a_geometry_without_a_name_can_be_loaded_as_what_it_is(
    panel, idle, fine_tuned, small_reference_sam
):
    panel.model.add_checkpoint(fine_tuned)
    _choose(panel, "vit_l")
    panel.model.load()
    idle()
    assert panel.message.action.text() == "Load it as the type of the file"
    panel.message.action.click()
    idle()
    assert panel.message.kind == "good"
    config = panel.control.sam.config
    assert config.image_encoder == small_reference_sam.config.image_encoder
    assert config.image_size == small_reference_sam.config.image_size


def test_a_broken_checkpoint_ends_in_a_sentence_and_the_model_stays(panel, idle, tmp_path):
    before = panel.control.sam
    path = tmp_path / "broken.pth"
    path.write_bytes(b"these are no weights")
    panel.model.add_checkpoint(path)
    panel.model.load()
    idle()
    assert panel.message.kind == "error"
    assert "broken.pth" in panel.message.text.text()
    assert not panel.message.action.isVisible()
    assert panel.control.sam is before
