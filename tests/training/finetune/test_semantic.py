"""Semantic mode: one mask per class, for the box around the whole image."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from anymask.checkpoints import load
from anymask.datasets.opening import open_dataset
from anymask.datasets.types import Example
from anymask.errors import PromptError
from anymask.predict.class_map import class_map
from anymask.predict.predictor import SamPredictor
from anymask.training.finetune.loop import finetune
from anymask.training.finetune.semantic_training import ask_for_classes, class_names, widen
from anymask.training.finetune.settings import FineTuneError
from anymask.training.finetune.training_images import describe
from tests.training.finetune.conftest import FAST, TINY, draw_example, tiny_sam


def tune(tmp_path, data, sam, **options):
    return finetune(
        sam, data[:6], tmp_path / "out", validation=data[6:], device="cpu", dtype="float32",
        cache_dir=tmp_path / "cache", semantic=True, **{**FAST, **options},
    )  # fmt: skip


def test_classes_are_learnt_and_the_saved_model_predicts_them(tuned_to_classes, of_classes):
    tuned, folder = tuned_to_classes, tuned_to_classes.folder
    assert tuned.after["val_iou"] > max(0.5, tuned.before["val_iou"] + 0.3)
    predictor = SamPredictor(load(folder / "model.safetensors", device="cpu"))
    example = of_classes[6]
    predictor.set_image(example.image)
    labels = class_map(predictor, 2)
    assert labels.shape == example.image.shape[:2]
    for number, mask in enumerate(example.masks):  # the second disk is of the second class
        inside = labels[mask]
        assert np.bincount(inside, minlength=3).argmax() == number + 1
    assert json.loads((folder / "card.json").read_text())["classes"] == ["class 0", "class 1"]


def test_targets_join_all_objects_of_a_class_in_every_view(of_classes):
    example = of_classes[0]
    both = Example("a", example.image, example.masks, "", class_ids=(1, 1))
    image, _ = describe(both, 0, 64)
    for view in (0, 3, 6):
        asked = ask_for_classes([(image, view)], 2, TINY["small"], torch.device("cpu"))
        first, second = asked.targets[0]
        assert first.sum() == 0
        assert second.sum() * 4 == sum(m.sum() for m in example.masks)
    assert asked.boxes.tolist() == [[0, 0, 47, 63]]  # turned by a quarter


def test_without_classes_all_objects_are_one(tmp_path, examples):
    tuned = tune(tmp_path, examples, tiny_sam(), epochs=1)
    assert tuned.classes == ("object",)
    assert tuned.sam.config == TINY["small"]


@pytest.mark.parametrize("kind", list(TINY))
def test_more_classes_than_candidates_add_candidates_without_changing_others(kind):
    sam, wide = tiny_sam(kind), tiny_sam(kind)
    widen(wide, 5)
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    box = torch.tensor([[0.0, 0, 63, 63]])
    assert wide.config.num_multimask_outputs == 5

    def ask(model, several):
        with torch.no_grad():
            return model.decode(model.encode_image(image), boxes=box, multimask_output=several)

    shapes = [tuple(t.shape) for t in ask(wide, True)]
    assert shapes == [(1, 5, 16, 16), (1, 5)]
    # New tokens are seen by the others' attention, so those move a little.
    for a, b in zip(ask(wide, False), ask(sam, False), strict=True):
        assert (a - b).abs().mean() < b.abs().mean()


@pytest.mark.parametrize("kind", list(TINY))
def test_a_widened_model_loads_again(tmp_path, kind):
    data = [draw_example(seed, classes=True) for seed in range(4)]
    data = [
        Example(e.name, e.image, e.masks, e.set_name, class_ids=(i, 4)) for i, e in enumerate(data)
    ]
    tuned = finetune(
        tiny_sam(kind), data[:3], tmp_path / "out", validation=data[3:], device="cpu",
        dtype="float32", cache_dir=tmp_path / "cache", semantic=True, **{**FAST, "epochs": 1},
    )  # fmt: skip
    assert len(tuned.classes) == 5
    back = load(tmp_path / "out/model.safetensors", device="cpu", dtype="float32")
    assert back.config.num_multimask_outputs == 5
    for name, tensor in tuned.sam.state_dict().items():
        assert torch.equal(back.state_dict()[name], tensor), name


def test_three_classes_keep_the_published_geometry():
    sam = tiny_sam("vit")
    widen(sam, 3)
    assert sam.config == TINY["vit"]


def test_an_undeclared_class_is_refused_with_the_name_of_the_image(of_classes):
    class Declared(list):
        classes = ("cell",)

    images = [describe(e, i, 64)[0] for i, e in enumerate(of_classes)]
    with pytest.raises(FineTuneError, match=r"drawn/image0 has an object of class 1, but only 1"):
        class_names(Declared(of_classes), images)


def test_label_values_of_files_are_classes(tmp_path, of_classes):
    for kind in ("images", "masks"):
        (tmp_path / "data" / kind).mkdir(parents=True)
    for example in of_classes:
        labels = sum((c + 1) * m for c, m in zip(example.class_ids, example.masks, strict=True))
        Image.fromarray(example.image).save(tmp_path / "data/images" / f"{example.name}.png")
        Image.fromarray(labels.astype(np.uint8)).save(
            tmp_path / "data/masks" / f"{example.name}.png"
        )
    tuned = finetune(
        tiny_sam(), tmp_path / "data", tmp_path / "out", device="cpu", dtype="float32",
        cache_dir=tmp_path / "cache", semantic=True, **{**FAST, "epochs": 1},
    )  # fmt: skip
    assert len(tuned.classes) == 2
    assert {"val_class0_iou", "val_class1_iou"} <= set(tuned.after)


def test_held_out_images_without_a_class_use_the_classes_of_the_training_images(tmp_path):
    for half, values in (("train", (1, 2, 3)), ("held_out", (3,))):
        for kind in ("images", "masks"):
            (tmp_path / half / kind).mkdir(parents=True)
        for number in range(3):
            example = draw_example(number, objects=1)
            labels = example.masks[0] * np.uint8(values[number % len(values)])
            Image.fromarray(example.image).save(tmp_path / half / "images" / f"{number}.png")
            Image.fromarray(labels).save(tmp_path / half / "masks" / f"{number}.png")
    tuned = finetune(
        tiny_sam(), tmp_path / "train", tmp_path / "out", validation=tmp_path / "held_out",
        device="cpu", dtype="float32", cache_dir=tmp_path / "cache", semantic=True,
        **{**FAST, "epochs": 1},
    )  # fmt: skip
    assert tuned.classes == ("1", "2", "3")
    assert {example.class_ids for example in tuned.held_out} == {(2,)}
    with pytest.raises(FineTuneError, match="have the classes 3, but the training images"):
        finetune(
            tiny_sam(), tmp_path / "train", tmp_path / "other",
            validation=open_dataset(tmp_path / "held_out", objects="classes"),
            device="cpu", semantic=True,
        )  # fmt: skip


def test_a_map_of_more_classes_than_the_model_is_refused():
    predictor = SamPredictor(tiny_sam())
    with pytest.raises(PromptError, match="1 to 3 classes, but 4"):
        class_map(predictor, 4)
    with pytest.raises(PromptError, match="set_image"):
        class_map(predictor, 2)


def test_pixels_where_no_class_is_likely_are_background():
    sam = tiny_sam()
    with torch.no_grad():
        for mlp in sam.mask_decoder.output_hypernetworks_mlps:
            mlp.layers[-1].weight.zero_()
            mlp.layers[-1].bias.zero_()
    predictor = SamPredictor(sam)
    predictor.set_image(draw_example(1).image)
    assert not class_map(predictor, 2).any()
