"""Replays: the prompts and edits of a session give the same masks again."""

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
from anymask.session import ClickPrompts, LayerKey, Session, Thresholds, replay


@pytest.fixture(scope="module")
def made(shipped, write_pictures, tmp_path_factory):
    """A folder with images and a session that has some steps of every kind."""
    base = tmp_path_factory.mktemp("made") / "here"
    base.mkdir()
    model = base.parent / "model.safetensors"
    anymask.save(shipped, model)
    with Session.create(base / "work") as session:
        session.images.add(write_pictures(base / "pictures"))
        session.runs.use_model(shipped, model)
        session.runs.set_options(points_per_side=4, thresholds=Thresholds(0.3, 0.5, 0.7))
        session.runs.segment(shipped)
        _work_on(session, session.layers[0], shipped)
    # A copy of the session must not find the images in their old place.
    return base.rename(base.parent / "away")


def _work_on(session, layer, sam):
    edits, clicks = session.edits, session.clicks
    session.runs.set_thresholds(layer, Thresholds(0.5, 0.6, 0.5, min_area=50))
    edits.erase(layer, [int(session.layers.objects(layer).ids[0])])
    ready = clicks.prepare(sam, layer)
    clicks.commit(clicks.predict(ready, ClickPrompts().with_point(90, 60)).next(), overwrite=True)
    clicks.commit_many(clicks.predict_boxes(ready, [(16, 10, 60, 50)]), overwrite=True)
    committed = session.layers.next_id(layer) - 1
    clicks.commit(clicks.predict(ready, ClickPrompts(object_id=committed)), id=committed)
    for label, rows in ((50, slice(0, 9)), (51, slice(12, 20))):
        painted = session.layers.labels(layer).copy()
        painted[rows, :30] = label
        edits.paint(layer, painted)
    edits.undo(layer)
    erased = session.layers.labels(layer).copy()
    erased[:4, :4] = 0
    edits.paint(layer, erased, kind="erase")
    first = int(session.layers.objects(layer).ids[0])
    edits.merge(layer, [50, first])
    edits.classify(layer, [first], "disc")
    edits.clean(layer, fill_holes=True, smooth=1.5)


@pytest.fixture
def worked(made, tmp_path):
    """A copy of the session with steps of every kind, for a test to change."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    with Session.open(tmp_path / "work") as session:
        yield session


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
        np.testing.assert_array_equal(layer.labels, worked.layers.labels(layer.key))
        assert layer.sentences == ()


def test_on_another_machine_the_folder_of_images_is_enough(worked, cli, tmp_path):
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
        for key in session.layers:
            name = f"{session.layers.title(key)}.labels.tif"
            np.testing.assert_array_equal(tifffile.imread(out / name), session.layers.labels(key))
    assert sorted(path.name for path in moved.iterdir()) == before


def test_repeated_label_images_have_the_place_of_their_map(cli, tmp_path, field, paint):
    with Session.create(tmp_path / "work") as session:
        session.images.add(field())
        paint(session, LayerKey("i1", "rgb"), 3, slice(10, 20), slice(10, 20))
    result = cli("replay", tmp_path / "work.anymask", "-o", tmp_path / "again")
    assert result.exit_code == 0, result.output
    before = anymask.read(tmp_path / "field.tif")
    after = anymask.read(tmp_path / "again" / "field.labels.tif")
    assert (after.geo["transform"], after.geo["crs"]) == (before.geo["transform"], "EPSG:32632")
    assert (after.array == 3).sum() == 100


def test_without_an_image_the_replay_names_the_steps_it_could_not_repeat(worked, shipped):
    worked.images["i1"].path.unlink()
    worked.images._files._in_memory.clear()
    worked.images._rendered._kept.clear()
    shutil.rmtree(worked.folder / "embeddings")
    result = replay(worked, sam=shipped)
    first, second, third = result.layers
    assert first.status == "not repeated"
    assert any("Step 1 (segment) could not be repeated" in s for s in first.sentences)
    assert any("a.png is missing" in s for s in first.sentences)
    # The recorded pixels are used instead, so that later steps give the same result.
    assert first.iou == 1.0
    assert (second.status, third.status) == ("same", "same")
    assert not result.is_reproduced


def test_with_another_model_the_replay_names_the_first_step_that_differs(
    worked, small_reference_sam
):
    result = replay(worked, sam=small_reference_sam)
    first = result.layers[0]
    assert first.status in ("different", "not repeated")
    assert any("made with another model" in sentence for sentence in first.sentences)
    assert any("From step 1 (segment) on" in sentence for sentence in first.sentences)
    assert first.different_pixels > 0


def test_each_step_is_repeated_with_the_model_it_was_made_with(
    tmp_path, shipped, small_reference_sam, write_pictures, monkeypatch
):
    files = [tmp_path / "one.safetensors", tmp_path / "two.safetensors"]
    monkeypatch.chdir(tmp_path)
    with Session.create(tmp_path / "work") as session:
        session.images.add(write_pictures(tmp_path / "pictures"))
        for sam, file, x in zip((shipped, small_reference_sam), files, (90, 40), strict=True):
            anymask.save(sam, file)
            session.runs.use_model(sam, file.name)  # as typed, in this working directory
            ready = session.clicks.prepare(sam, session.layers[0])
            preview = session.clicks.predict(ready, ClickPrompts().with_point(x, 60))
            session.clicks.commit(preview, overwrite=True)
        assert len(session.runs.models) == 2
    monkeypatch.chdir("/")
    result = replay(tmp_path / "work", dtype="float32")
    assert (result.layers[0].status, result.layers[0].sentences) == ("same", ())
    anymask.save(shipped, files[1])
    result = replay(tmp_path / "work", dtype="float32")
    assert result.sentences == [f"The model {files[1]} has changed since the session used it."]
    assert "Step 2 (click) was made with another model." in result.layers[0].sentences
    files[0].unlink()
    result = replay(tmp_path / "work", dtype="float32")
    assert result.layers[0].status == "not repeated"
    assert "The model of the session could not be loaded" in result.sentences[0]


def test_the_command_reports_by_exit_code_and_json(worked, cli, tmp_path):
    worked.close()
    (tmp_path / "pictures" / "b.png").unlink()
    result = cli("replay", worked.folder, "--json", "--dtype", "float32")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert [layer["status"] for layer in found["layers"]] == ["same", "not repeated", "same"]


def test_semantic_runs_and_stacks_are_repeated(tmp_path, stack_file, shipped):
    key = LayerKey("i1", "rgb")
    with Session.create(tmp_path / "work") as session:
        session.images.add(stack_file)
        session.images.add_recipe("semantic=ch[0]")
        session.runs.use_model(shipped)
        session.runs.set_options(mode="semantic", semantic_points=((45, 40),), semantic_labels=(1,))
        session.runs.segment(shipped, [LayerKey("i1", "semantic")])
        session.runs.set_semantic_threshold(LayerKey("i1", "semantic"), 0.5)
        ready = session.clicks.prepare(shipped, key, 1)
        session.clicks.commit(session.clicks.predict(ready, ClickPrompts(box=(22, 20, 64, 60))))
        session.clicks.propagate(shipped, key, 1, 1)
        labels = np.array(session.layers.labels(key))
        labels[4, 30:50, 40:70] = 2
        labels[2, 70:90, 90:110] = 2
        session.edits.paint(key, labels)
        session.edits.interpolate(key, 2)
        result = replay(session, sam=shipped)
        assert [layer.status for layer in result.layers] == ["same", "same"]
        assert all(layer.labels.any() for layer in result.layers)


def test_the_export_command_writes_the_same_as_the_window(worked, cli, tmp_path):
    layer = worked.layers[0]
    expected = np.array(worked.layers.labels(layer))
    worked.close()
    out = tmp_path / "out"
    result = cli("export", worked.folder, "--to", "labels", "--to", "coco", "-o", out)
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(tifffile.imread(out / "a.labels.tif"), expected)
    assert (out / "annotations.json").is_file()
    again = cli("export", worked.folder, "--to", "labels", "-o", out)
    assert again.exit_code == 2
    assert "exist already" in again.output


def test_a_folder_that_is_not_a_session_gives_a_sentence(cli, tmp_path):
    result = cli("replay", tmp_path)
    assert result.exit_code == 2
    assert "not an anymask session" in result.output
