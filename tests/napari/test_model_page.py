"""Models in the window: loading, wrong types and broken files."""

from __future__ import annotations

import shutil

import pytest

import anymask
from anymask.checkpoints.saving import save
from anymask.napari.model_loading import Choice
from anymask.session import Session


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
    assert panel.message.text.text().startswith("The model is ready: anymask small, 8 million")
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


def test_a_session_opens_with_the_model_it_was_made_with(
    panel, idle, wait, tmp_path, shipped, small_reference_sam
):
    file = tmp_path / "own.safetensors"
    anymask.save(small_reference_sam, file)
    with Session.create(tmp_path / "earlier") as session:
        session.runs.use_model(small_reference_sam, file)
    try:
        panel.control.set_session(Session.open(tmp_path / "earlier"))
        assert panel.models.choice.path == str(file)
        assert panel.model.checkpoint.currentData() == str(file)
        assert panel.control.sam is None  # until it is needed
        used = []
        panel.models.with_model(used.append)
        idle()
        wait(lambda: used)
        assert used[0].config == small_reference_sam.config

        panel.control.set_session(None)
        anymask.save(shipped, file)  # other weights under the same name
        panel.control.model_source = None
        panel.control.set_session(Session.open(tmp_path / "earlier"))
        panel.models.with_model(used.append)
        idle()
        wait(lambda: "own.safetensors has changed since" in panel.message.text.text())

        panel.control.set_session(None)
        file.unlink()
        panel.control.model_source = None
        panel.control.set_session(Session.open(tmp_path / "earlier"))
        assert f"made with the model {file.name}, which is" in panel.message.text.text()
        assert str(file) in panel.message.text.toolTip()
    finally:
        panel.control.sam, panel.control.model_source = shipped, "small"
        panel.models.loaded, panel.models.choice = Choice(dtype="float32"), Choice()
        panel.models.chosen.emit()
