"""After a fine-tuning: the verdict, and thresholds for "everything"."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

import anymask
from anymask.datasets.opening import open_dataset
from anymask.errors import AnymaskError, OutputError
from anymask.model.config import EverythingConfig
from anymask.training.finetune.loop import finetune
from anymask.training.judging import (
    judge_class_fine_tuning,
    judge_fine_tuning,
    tune_fine_tuned,
    write_verdict,
)
from tests.reports.conftest import verdict_of
from tests.training.finetune.conftest import FAST, draw_example, tiny_sam

CPU = {"device": "cpu", "dtype": "float32"}
QUICK = {"everything": 2, "points_per_side": 2, **CPU}


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """A model trained for boxes alone."""
    folder, examples = tmp_path_factory.mktemp("boxes"), [draw_example(i) for i in range(8)]
    options = {**FAST, "prompts": ("box",)}
    return finetune(
        tiny_sam(), examples, folder / "out", cache_dir=folder / "cache", device="cpu", **options
    )


def test_the_saved_model_is_judged_on_held_out_images(tuned, sam):
    verdict = judge_fine_tuning(tuned, sam, **QUICK)
    held_out = {example.name for example in tuned.held_out}
    assert {record.image for record in verdict.after} == held_out
    assert verdict.overall.units == len(held_out) == 2
    assert verdict.trained == ("box",)  # what it was not trained for does not decide
    assert held_out.isdisjoint(example.name for example in tuned.train)
    card = json.loads((tuned.folder / "card.json").read_text())
    assert card["verdict"]["sentence"] == verdict.sentence
    assert card["settings"]["epochs"] == 2  # other entries stay
    page = (tuned.folder / "report.html").read_text()
    assert verdict.sentence.split(":")[0] in page
    assert "<dt>the epoch was chosen by</dt><dd>these images</dd>" in page


def test_separate_test_images_can_be_used_instead(tuned, sam):
    apart = [draw_example(seed) for seed in (50, 51, 52)]
    verdict = judge_fine_tuning(tuned, sam, apart, **{**QUICK, "everything": 0})
    assert {record.image for record in verdict.after} == {"image50", "image51", "image52"}
    page = (tuned.folder / "report.html").read_text()
    assert "<dt>the epoch was chosen by</dt><dd>other images</dd>" in page


def test_images_of_a_group_count_as_one(tuned, sam, folder_of_examples):
    data = open_dataset(folder_of_examples).subset(range(4))
    quick = {**QUICK, "everything": 0}
    # image0 and image1 have a group each, image2 and image3 another.
    assert judge_fine_tuning(tuned, sam, data, group="image(0|1|)", **quick).overall.units == 3
    assert judge_fine_tuning(tuned, sam, data, group="(image)", **quick).word == "untested"


def test_a_damaged_card_is_named_and_neither_file_changes(tmp_path):
    (tmp_path / "card.json").write_text("[1, 2")
    with pytest.raises(OutputError, match=r"card\.json is not the card"):
        write_verdict(verdict_of([0.5], [0.7], 0.1, 0.3), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["card.json"]
    assert (tmp_path / "card.json").read_text() == "[1, 2"


def test_a_model_of_classes_beats_the_constant_map_in_its_card_and_page(
    tuned_to_classes, of_classes
):
    folder = tuned_to_classes.folder
    verdict = judge_class_fine_tuning(tuned_to_classes, tiny_sam(), of_classes, **CPU)
    assert verdict.word == "better"
    assert verdict.overall.low > 0.2
    card = json.loads((folder / "card.json").read_text())
    assert card["verdict"]["sentence"] == verdict.sentence
    assert card["mode"] == "semantic"  # other entries stay
    page = (folder / "report.html").read_text()
    assert page.count("<img ") == 1 + 2 * 6  # the curves, the worst and the best


def test_a_model_started_from_one_of_the_same_classes_is_compared_with_it(
    tuned_to_classes, of_classes, tmp_path
):
    start = tuned_to_classes.folder
    more = finetune(
        start, of_classes[:6], tmp_path / "more", validation=of_classes[6:],
        cache_dir=tmp_path / "cache", **CPU, **{**FAST, "semantic": True, "epochs": 1},
    )  # fmt: skip
    verdict = judge_class_fine_tuning(more, start, of_classes, **CPU)
    alone = judge_class_fine_tuning(tuned_to_classes, None, of_classes, **CPU)
    assert verdict.constant is None
    assert verdict.overall.before == pytest.approx(alone.overall.after, abs=0.01)


def test_a_model_of_classes_has_no_verdict_on_objects(tuned_to_classes):
    with pytest.raises(AnymaskError, match="classes of pixels"):
        judge_fine_tuning(tuned_to_classes, tiny_sam(), **QUICK)


def test_tuned_thresholds_are_in_the_folder_s_model_and_card(examples, tmp_path):
    strict = tiny_sam()
    own = EverythingConfig(0.99, 0.99, 0.5, 0.7, 0)
    strict.config = replace(strict.config, everything=own)
    tuned = finetune(
        strict,
        examples,
        tmp_path / "out",
        cache_dir=tmp_path / "cache",
        device="cpu",
        **{**FAST, "epochs": 1},
    )
    before = anymask.load(tuned.folder, device="cpu", dtype="float32")
    assert before.config.everything == own  # a fine-tuning keeps the model's
    tuning = tune_fine_tuned(tuned, images=3, device="cpu", dtype="float32", points_per_side=2)
    assert len(tuning.images) == 3
    assert {image.name for image in tuning.images} <= {example.name for example in tuned.train}
    after = anymask.load(tuned.folder, device="cpu", dtype="float32")
    assert after.config.everything == tuning.chosen == tuned.sam.config.everything
    for name, value in before.state_dict().items():
        assert (after.state_dict()[name] == value).all()
    noted = json.loads((tuned.folder / "card.json").read_text())["everything"]
    assert {k: noted[k] for k in asdict(tuning.chosen)} == asdict(tuning.chosen)
