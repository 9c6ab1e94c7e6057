"""``anymask finetune``: from files to a model that the other commands load."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

import anymask
from anymask.cli.finetune import finetune

app = typer.Typer()
app.command()(finetune)


@pytest.fixture
def data(tmp_path):
    """A data set of six 64×48 images with a bright square each."""
    for kind in ("images", "masks"):
        (tmp_path / "data" / kind).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(6):
        image = rng.integers(0, 60, (48, 64, 3)).astype(np.uint8)
        mask = np.zeros((48, 64), np.uint8)
        y, x = rng.integers(4, 24, 2)
        mask[y : y + 18, x : x + 22] = 255
        image[mask > 0] = 220
        Image.fromarray(image).save(tmp_path / "data/images" / f"{number}.png")
        Image.fromarray(mask).save(tmp_path / "data/masks" / f"{number}.png")
    return tmp_path / "data"


@pytest.fixture
def run(tmp_path, data, model):
    """Fine-tune the small reference model for an epoch, with further arguments."""

    def call(*arguments):
        fixed = ["--data", data, "--model", model, "--out", tmp_path / "out", "--epochs", 1]
        fixed += ["--device", "cpu", "--dtype", "float32", "--cache", tmp_path / "cache"]
        fixed += ["--verdict", "none"]
        result = CliRunner().invoke(app, [str(a) for a in (*fixed, *arguments)])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return call


def test_the_fine_tuned_model_loads_from_its_file(run, tmp_path, small_reference_sam):
    result = run()
    assert result.exit_code == 0, result.output
    loaded = anymask.load(tmp_path / "out/model.safetensors", device="cpu", dtype="float32")
    assert loaded.config == small_reference_sam.config
    card = json.loads((tmp_path / "out/card.json").read_text())
    assert card["images"] == {"train": 5, "validation": 1}
    said = " ".join(result.output.split())
    assert "5 images to train on, 1 held out" in said
    assert f"{card['before']['val_box_iou']:.3f}" in said
    assert f"{card['after']['val_box_iou']:.3f}" in said


def test_memory_and_disk_needs_are_printed_before_training(run):
    output = " ".join(run().output.split())
    assert output.index("Memory: about") < output.index("Before training")
    assert "Embeddings on disk:" in output


def test_every_option_reaches_the_settings(run, tmp_path):
    run(
        "--freeze", "image_encoder", "--lora", 2, "--loss", "dice+bce", "--lr", "2e-4",
        "--optimizer", "adam", "--batch-size", 3, "--accumulate", 2, "--augment", 1, "--prompts",
        "point", "--patience", 4, "--seed", 9, "--box-jitter", 0.1, "--box-jitter-pixels", 3,
        "--blend", 0.5,
    )  # fmt: skip
    settings = json.loads((tmp_path / "out/card.json").read_text())["settings"]
    expected = {
        "freeze": ["image_encoder"], "lora_rank": 2, "loss": "dice+bce", "lr": 2e-4,
        "optimizer": "adam", "batch_size": 3, "accumulate": 2, "augment": 1, "prompts": ["point"],
        "patience": 4, "seed": 9, "epochs": 1, "box_jitter": 0.1, "box_jitter_pixels": 3,
        "blend": 0.5,
    }  # fmt: skip
    assert {k: settings[k] for k in expected} == expected


def test_a_fine_tuning_is_resumed_only_with_resume(run):
    assert run().exit_code == 0
    refused = run()
    assert refused.exit_code == 2
    assert "already has a fine-tuning" in refused.output
    resumed = run("--resume", "--epochs", 2)
    assert resumed.exit_code == 0
    assert "Epoch 2:" in resumed.output
    assert "Epoch 1:" not in resumed.output


def test_also_hugging_face_writes_that_layout(run, tmp_path):
    assert run("--also", "hugging-face").exit_code == 0
    assert (tmp_path / "out/hugging_face/config.json").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--also", "onnx"), "--also is 'onnx'; it can only be hugging-face."),
        (("--loss", "mse"), "loss is 'mse'; it can be dice, dice+bce, dice+focal."),
        (("--freeze", "head"), "freeze is 'head'"),
        (("--data", "nowhere"), "nowhere"),
    ],
)
def test_mistakes_give_a_sentence(run, arguments, sentence):
    result = run(*arguments)
    assert result.exit_code == 2
    assert sentence in result.output
    assert "Traceback" not in result.output


def test_a_session_and_an_archive_can_be_trained_on_together(run, tmp_path, data, model):
    from anymask.session import LayerKey, Session

    with Session.create(tmp_path / "work") as session:
        session.images.add(sorted((data / "images").glob("[0-2].png")))
        for number in range(3):
            key = LayerKey(
                session.images[number].id, session.images[f"i{number + 1}"].recipes[0].name
            )
            mask = np.asarray(Image.open(data / "masks" / f"{number}.png")) > 0
            session.edits.paint(key, mask.astype(session.layers.labels(key).dtype))
    shutil.make_archive(str(tmp_path / "packed"), "zip", data)
    fixed = ["--data", tmp_path / "work.anymask", "--data", tmp_path / "packed.zip"]
    fixed += ["--model", model, "--out", tmp_path / "tuned", "--epochs", 1, "--verdict", "none"]
    fixed += ["--device", "cpu", "--dtype", "float32", "--cache", tmp_path / "cache"]
    result = CliRunner().invoke(app, [str(a) for a in fixed])
    assert result.exit_code == 0, result.output
    split = json.loads((tmp_path / "tuned/split.json").read_text())
    assert {name.split("/")[0] for name in split["train"]} == {"work", "packed"}
    assert len(split["train"]) + len(split["validation"]) == 9
