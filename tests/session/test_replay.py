"""The masks of a session, made again from its prompts and edits."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tifffile
import typer
from typer.testing import CliRunner

import anymask
from anymask.cli.export import export
from anymask.cli.replay import replay as replay_command
from anymask.session import Clicker, LayerKey, Prompts, Session, Thresholds, replay


@pytest.fixture
def worked(session, shipped, tmp_path, paint):
    """A session in which a bit of everything was done in the first image, and a run in others."""
    path = tmp_path / "model.safetensors"
    anymask.save(shipped, path)
    session.use_model(shipped, path)
    session.set_options(points_per_side=4, thresholds=Thresholds(0.3, 0.5, 0.7))
    session.segment(shipped)
    layer = session.all_layers()[0]
    session.set_thresholds(layer, Thresholds(0.5, 0.6, 0.5, min_area=50))
    session.erase(layer, [int(session.objects(layer).ids[0])])
    clicker = Clicker(shipped, session)
    clicker.select(clicker.prepare(layer))
    session.commit(clicker.predict(Prompts().with_point(90, 60)).next(), overwrite=True)
    session.commit_many(clicker.predict_boxes([(16, 10, 60, 50)]), overwrite=True)
    paint(session, layer, 50, slice(0, 9), slice(0, 30))
    paint(session, layer, 51, slice(12, 20), slice(0, 30))
    session.undo(layer)
    erased = np.array(session.labels(layer))
    erased[:4, :4] = 0
    session.record_pixels(layer, erased, kind="erase")
    first = int(session.objects(layer).ids[0])
    session.merge(layer, [50, first])
    session.set_class(layer, [first], "disc")
    session.clean(layer, fill_holes=True, smooth=1.5)
    return session


@pytest.fixture
def cli():
    app = typer.Typer()
    app.command()(replay_command)
    app.command()(export)

    def run(*arguments: object):
        return CliRunner().invoke(app, [str(a) for a in arguments])

    return run


def test_a_replay_makes_the_same_masks_from_prompts_and_edits(worked, shipped):
    result = replay(worked, sam=shipped)
    assert [layer.status for layer in result.layers] == ["same"] * 3
    assert result.is_reproduced
    for layer in result.layers:
        np.testing.assert_array_equal(layer.labels, worked.labels(layer.key))
        assert layer.sentences == ()


def test_on_another_machine_images_are_named_and_the_rest_is_the_same(worked, cli, tmp_path):
    worked.close()
    away = tmp_path / "away"
    away.mkdir()
    shutil.move(tmp_path / "pictures", away / "data")
    moved = away / "moved" / "work.anymask"
    shutil.copytree(worked.folder, moved, ignore=shutil.ignore_patterns("embeddings", "found"))
    shutil.rmtree(worked.folder)
    before = sorted(path.name for path in moved.iterdir())
    out = away / "again"
    result = cli("replay", moved, "--images", away / "data", "-o", out, "--dtype", "float32")
    assert result.exit_code == 0, result.output
    assert result.output.count("same") == 3
    with Session.open(moved, read_only=True) as session:
        for key in session.all_layers():
            name = f"{session.title(key)}.labels.tif"
            np.testing.assert_array_equal(tifffile.imread(out / name), session.labels(key))
    assert sorted(path.name for path in moved.iterdir()) == before


def test_without_an_image_the_replay_says_which_steps_it_could_not_repeat(worked, shipped):
    worked.image("i1").path.unlink()
    worked._images.clear()
    worked._pictures.clear()
    shutil.rmtree(worked.folder / "embeddings")
    result = replay(worked, sam=shipped)
    first, second, third = result.layers
    assert first.status == "not repeated"
    assert any("Step 1 (segment) could not be repeated" in s for s in first.sentences)
    assert any("a.png is gone" in s for s in first.sentences)
    # The recorded pixels stand in, so that what follows is as it was.
    assert first.iou == 1.0
    assert (second.status, third.status) == ("same", "same")
    assert not result.is_reproduced


def test_with_another_model_the_replay_says_from_which_step_masks_are_others(
    worked, small_reference_sam
):
    result = replay(worked, sam=small_reference_sam)
    first = result.layers[0]
    assert first.status in ("different", "not repeated")
    assert any("made with another model" in sentence for sentence in first.sentences)
    assert any("From step 1 (segment) on" in sentence for sentence in first.sentences)
    assert first.different_pixels > 0


def test_the_command_tells_by_its_exit_code_and_in_json(worked, cli, tmp_path):
    worked.close()
    (tmp_path / "pictures" / "b.png").unlink()
    result = cli("replay", worked.folder, "--json", "--dtype", "float32")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert [layer["status"] for layer in found["layers"]] == ["same", "not repeated", "same"]


def test_semantic_runs_and_stacks_are_repeated_too(tmp_path, stack_file, shipped):
    key = LayerKey("i1", "rgb")
    with Session.create(tmp_path / "work") as session:
        session.add_images(stack_file)
        session.add_recipe("semantic=ch[0]")
        session.use_model(shipped)
        session.set_options(mode="semantic", semantic_points=((45, 40),), semantic_labels=(1,))
        session.segment(shipped, [LayerKey("i1", "semantic")])
        session.set_semantic_threshold(LayerKey("i1", "semantic"), 0.5)
        clicker = Clicker(shipped, session)
        clicker.select(clicker.prepare(key, 1))
        session.commit(clicker.predict(Prompts(box=(22, 20, 64, 60))))
        session.propagate(clicker, key, 1, 1)
        labels = np.array(session.labels(key))
        labels[4, 30:50, 40:70] = 2
        labels[2, 70:90, 90:110] = 2
        session.record_pixels(key, labels)
        session.interpolate(key, 2)
        result = replay(session, sam=shipped)
        assert [layer.status for layer in result.layers] == ["same", "same"]
        assert all(layer.labels.any() for layer in result.layers)


def test_the_export_command_writes_what_the_window_would(worked, cli, tmp_path):
    layer = worked.all_layers()[0]
    expected = np.array(worked.labels(layer))
    worked.close()
    out = tmp_path / "out"
    result = cli("export", worked.folder, "--to", "labels", "--to", "coco", "-o", out)
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(tifffile.imread(out / "a.labels.tif"), expected)
    assert (out / "annotations.json").is_file()
    again = cli("export", worked.folder, "--to", "labels", "-o", out)
    assert again.exit_code == 2
    assert "exist already" in again.output


def test_what_is_no_session_ends_the_command_with_a_sentence(cli, tmp_path):
    result = cli("replay", tmp_path)
    assert result.exit_code == 2
    assert "no anymask session" in result.output
