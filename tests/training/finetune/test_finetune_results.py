"""The results of a fine-tuning, and the programs that read them."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

from anymask.checkpoints import load
from anymask.checkpoints.hugging_face import save_hugging_face
from anymask.datasets.opening import open_dataset
from anymask.datasets.splits import write_split
from anymask.errors import OutputError
from anymask.training.finetune.loop import finetune
from benchmarks.side_by_side.peers import metas_sam
from tests.training.finetune.conftest import FAST, TINY, draw_example, tiny_sam


@pytest.fixture(scope="module")
def tuned_of(tmp_path_factory):
    """Fine-tune each kind of model once, the ViT for Hugging Face too; returns that model."""
    made, examples = {}, [draw_example(seed) for seed in range(8)]

    def tuned(kind):
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            made[kind] = finetune(
                tiny_sam(kind), examples[:6], folder / "out", validation=examples[6:],
                device="cpu", dtype="float32", cache_dir=folder / "cache",
                hugging_face=kind == "vit", **FAST,
            )  # fmt: skip
        return made[kind]

    return tuned


def answers(sam, image):
    box = torch.tensor([[10.0, 12, 40, 44]])
    with torch.no_grad():
        return sam.decode(sam.encode_image(image), boxes=box)


@pytest.mark.parametrize("kind", list(TINY))
def test_both_files_load_as_the_returned_model(tuned_of, kind):
    tuned = tuned_of(kind)
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    expected = answers(tuned.sam, image)
    for name in ("model.safetensors", "model.pth"):
        variant = TINY[kind] if name.endswith(".pth") else None
        loaded = load(tuned.folder / name, variant=variant, device="cpu", dtype="float32")
        assert all(torch.equal(a, b) for a, b in zip(answers(loaded, image), expected, strict=True))


def test_the_pth_of_a_vit_loads_in_metas_code_and_gives_the_same_masks(tuned_of):
    tuned = tuned_of("vit")
    theirs = metas_sam(TINY["vit"])
    state = torch.load(tuned.folder / "model.pth", weights_only=True)
    theirs.load_state_dict(state, strict=True)
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    box = torch.tensor([[10.0, 12, 40, 44]])
    with torch.no_grad():
        sparse, dense = theirs.prompt_encoder(None, box, None)
        masks, iou = theirs.mask_decoder(
            theirs.image_encoder(image), theirs.prompt_encoder.get_dense_pe(), sparse, dense, True
        )
    ours = answers(tuned.sam, image)
    torch.testing.assert_close(ours[0], masks, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ours[1], iou, atol=1e-5, rtol=1e-4)


def test_hugging_faces_layout_loads_in_transformers_and_gives_the_same_masks(tuned_of):
    from transformers import SamModel

    tuned = tuned_of("vit")
    model, loading = SamModel.from_pretrained(
        tuned.folder / "hugging_face", output_loading_info=True
    )
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        theirs = model(pixel_values=image, input_boxes=torch.tensor([[[10.0, 12, 40, 44]]]))
    ours = answers(tuned.sam, image)
    torch.testing.assert_close(ours[0], theirs.pred_masks[0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ours[1], theirs.iou_scores[0], atol=1e-5, rtol=1e-4)


def test_hugging_faces_layout_loads_with_the_same_weights(tmp_path):
    sam = tiny_sam("vit")
    save_hugging_face(sam, tmp_path / "hf")
    back = load(tmp_path / "hf", device="cpu", dtype="float32")
    for name, tensor in sam.state_dict().items():
        assert torch.equal(back.state_dict()[name], tensor), name


def test_the_processor_of_that_layout_prepares_images_like_anymask(tmp_path):
    from transformers import SamImageProcessor

    sam = tiny_sam("vit")
    save_hugging_face(sam, tmp_path / "hf")
    pixels = np.random.default_rng(0).integers(0, 256, (64, 48, 3)).astype(np.uint8)
    theirs = SamImageProcessor.from_pretrained(tmp_path / "hf")(pixels, return_tensors="pt")
    ours = sam.preprocess(torch.from_numpy(pixels).permute(2, 0, 1))
    torch.testing.assert_close(theirs["pixel_values"][0], ours, atol=1e-5, rtol=1e-5)


def test_other_encoders_cannot_be_saved_for_hugging_face(tmp_path):
    with pytest.raises(OutputError, match="only ViT encoders"):
        save_hugging_face(tiny_sam("small"), tmp_path / "hf")


def test_the_card_has_settings_data_and_figures(tuned_of):
    tuned = tuned_of("small")
    card = json.loads((tuned.folder / "card.json").read_text())
    assert card["settings"]["epochs"] == 2
    assert card["settings"]["lr"] == FAST["lr"]
    assert card["images"] == {"train": 6, "validation": 2}
    assert card["before"] == tuned.history[0]
    assert card["after"] == tuned.history[tuned.best]
    assert card["after"]["val_score"] == max(row["val_score"] for row in tuned.history)
    assert card["dtype"] == "float32"
    assert {len(value) for value in card["hashes"].values()} == {64}
    assert card["versions"]["torch"] == torch.__version__


def test_figures_of_every_epoch_are_in_the_table_and_the_plot(tuned_of):
    tuned = tuned_of("small")
    with (tuned.folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    for row, figures in zip(rows, tuned.history, strict=True):
        assert float(row["val_box_iou"]) == pytest.approx(figures["val_box_iou"], rel=1e-5)
    assert rows[0]["loss"] == ""
    picture = np.asarray(Image.open(tuned.folder / "curves.png"))
    assert picture[..., :3].std() > 10


def test_the_split_is_saved_and_has_every_image_once(tmp_path, folder_of_examples):
    finetune(
        tiny_sam(), folder_of_examples, tmp_path / "out", device="cpu", dtype="float32",
        cache_dir=tmp_path / "cache", seed=4, validation_share=0.25, **{**FAST, "epochs": 1},
    )  # fmt: skip
    split = json.loads((tmp_path / "out/split.json").read_text())
    assert (split["seed"], split["fraction"], len(split["validation"])) == (4, 0.25, 2)
    both = split["train"] + split["validation"]
    assert sorted(both) == [f"data/image{i}" for i in range(8)]


@pytest.mark.parametrize("told_by", ["split.json", "folders"])
def test_a_declared_split_is_used(tmp_path, folder_of_examples, told_by):
    data, held_out = folder_of_examples, {"image2", "image5", "image6"}
    names = {path.stem for path in (data / "images").iterdir()}
    if told_by == "split.json":
        opened = open_dataset(data)
        halves = [
            opened.subset(i for i, s in enumerate(opened.sources) if (s.name in held_out) == held)
            for held in (False, True)
        ]
        write_split(data / "split.json", *halves, seed=0, fraction=0.4)
    else:
        for name in names:
            half = "val" if name in held_out else "train"
            for kind in ("images", "masks"):
                (data / half / kind).mkdir(parents=True, exist_ok=True)
                (data / kind / f"{name}.png").rename(data / half / kind / f"{name}.png")
        for kind in ("images", "masks"):
            (data / kind).rmdir()
    tuned = finetune(
        tiny_sam(), data, tmp_path / "out", cache_dir=tmp_path / "cache", device="cpu",
        **{**FAST, "epochs": 1},
    )  # fmt: skip
    assert {example.name for example in tuned.held_out} == held_out
    assert {example.name for example in tuned.train} == names - held_out
    written = json.loads((tmp_path / "out/split.json").read_text())
    assert (written["seed"], written["fraction"], len(written["validation"])) == (None, None, 3)


def test_nothing_temporary_is_left(tuned_of):
    tuned = tuned_of("vit")
    names = {p.relative_to(tuned.folder).as_posix() for p in tuned.folder.rglob("*")}
    assert names == {
        "model.safetensors", "model.pth", "card.json", "metrics.csv", "curves.png", "split.json",
        "last.safetensors", f"best-{tuned.best:04}.safetensors", "hugging_face",
        "hugging_face/config.json",
        "hugging_face/preprocessor_config.json", "hugging_face/model.safetensors",
    }  # fmt: skip
