"""The verdict on a fine-tuning: figures, intervals, words, page and card."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from anymask.datasets.types import Example
from anymask.errors import OutputError
from anymask.evaluation.clicks import Click
from anymask.evaluation.compare import Difference
from anymask.evaluation.protocols import evaluate_interactive
from anymask.evaluation.records import ObjectRecord, Score, means_by_set
from anymask.masks.rle import counts_of
from anymask.model.sam import Sam
from anymask.training.finetune.settings import FineTuneError
from anymask.training.verdict import PROMPTED, UNPROMPTED, Verdict, judge
from anymask.training.verdict_page import (
    add_to_card,
    draw_pair,
    most_changed,
    to_html,
    write_verdict,
)


@pytest.fixture(scope="module")
def examples(scene) -> list[Example]:
    """The reference scene in four pieces, with two discs each."""
    y, x = np.ogrid[:90, :120]
    discs = [(x - 40) ** 2 + (y - 45) ** 2 < 25**2, (x - 90) ** 2 + (y - 30) ** 2 < 15**2]
    pieces = [scene[t : t + 90, le : le + 120] for t in (0, 90) for le in (0, 120)]
    return [Example(f"piece{i}", piece, discs, "pieces") for i, piece in enumerate(pieces)]


@pytest.fixture(scope="module")
def other(small_reference_sam, small_reference_config) -> Sam:
    """A model that answers otherwise: the reference with its upscaling disturbed."""
    sam = Sam(small_reference_config)
    sam.load_state_dict(small_reference_sam.state_dict())
    for parameter in sam.mask_decoder.output_upscaling.parameters():
        parameter.data += 0.5 * parameter.data.flip(0)
    return sam.eval()


@pytest.fixture(scope="module")
def verdict(small_reference_sam, other, examples) -> Verdict:
    return judge(small_reference_sam, other, examples, everything=2, points_per_side=3)


def made(before: list[float], after: list[float], **changes) -> Verdict:
    """A verdict on one object an image with these IoUs, by all prompts alike."""
    mask = counts_of(np.eye(4, dtype=bool))
    sides = [
        [
            ObjectRecord(
                "s",
                f"image{i}",
                0,
                (4, 4),
                (0, 0, 3, 3),
                Click(1, 1),
                4,
                {name: Score(iou, predicted_iou=0.5, counts=mask) for name in PROMPTED},
            )
            for i, iou in enumerate(ious)
        ]
        for ious in (before, after)
    ]
    low, high = changes.pop("interval", (float("nan"),) * 2)
    change = Difference(float(np.mean(before)), float(np.mean(after)), low, high, len(before))
    figures = dict.fromkeys(PROMPTED, change)
    return replace(Verdict(figures, change, PROMPTED, *sides, ([], [])), **changes)


def test_the_figures_are_those_of_the_evaluation(small_reference_sam, other, examples, verdict):
    for sam, when in ((small_reference_sam, "before"), (other, "after")):
        means = means_by_set(evaluate_interactive(sam, examples, clicks=5))["pieces"]
        for name in PROMPTED:
            assert getattr(verdict.figures[name], when) == pytest.approx(means[name])
    assert set(verdict.figures) == {*PROMPTED, *UNPROMPTED}
    assert verdict.overall.after == pytest.approx(
        np.mean([verdict.figures[name].after for name in PROMPTED])
    )
    assert (verdict.images, len(verdict.everything[0])) == (4, 2)


def test_a_model_is_no_different_from_itself(small_reference_sam, examples):
    same = judge(small_reference_sam, small_reference_sam, examples[:2], everything=0)
    assert same.word == "no different"
    assert same.overall.mean == 0
    assert set(same.figures) == set(PROMPTED)


def test_what_was_trained_decides(small_reference_sam, other, examples):
    by_box, by_click = (
        judge(small_reference_sam, other, examples, prompts=[kind], everything=0)
        for kind in ("box", "point")
    )
    assert by_box.overall == by_box.figures["box"]
    assert "by box" in by_box.sentence
    assert by_click.trained == ("click1_predicted", "click3", "click5")
    assert "by clicks" in by_click.sentence


@pytest.mark.parametrize(
    ("before", "after", "interval", "word", "begins"),
    [
        (
            [0.5, 0.6],
            [0.7, 0.8],
            (0.1, 0.3),
            "better",
            "Better: on 2 held-out images the mean IoU by box and clicks",
        ),
        ([0.5, 0.6], [0.5, 0.7], (-0.1, 0.2), "no different", "No different as far as 2 "),
        ([0.7, 0.8], [0.5, 0.6], (-0.3, -0.1), "worse", "Worse, do not use: "),
        ([0.7], [0.9], (float("nan"),) * 2, "untested", "Not told: "),
    ],
)
def test_the_sentence_says_whether_to_use_it(before, after, interval, word, begins):
    verdict = made(before, after, interval=interval)
    assert verdict.word == word
    assert verdict.sentence.startswith(begins)
    assert f"{np.mean(before):.3f} to {np.mean(after):.3f}".replace("0.", ".") in verdict.sentence


def test_what_is_worse_though_the_whole_is_better_is_said():
    better = made([0.5, 0.6], [0.7, 0.8], interval=(0.1, 0.3))
    loss = Difference(0.6, 0.5, -0.15, -0.05, 2)
    worse_box = replace(better, figures={**better.figures, "box": loss})
    assert worse_box.sentence.endswith("But by box it is worse.")
    worse_all = replace(better, figures={**better.figures, "f1_50": loss})
    said = "'everything' is worse: F1 at IoU .5 goes from .600 to .500"
    assert f"{said}; 'anymask tune' fits its thresholds." in worse_all.sentence
    assert f"{said}." in replace(worse_all, tuned=True).sentence


def test_the_table_has_each_figure_and_its_interval(verdict):
    console = Console(width=120, file=io.StringIO())
    console.print(verdict.table())
    text = console.file.getvalue()
    for words in ("IoU, box", "IoU, 1 click, own best of 3", "5 clicks", "AP .5", "F1 at .5"):
        assert words in text
    box = verdict.figures["box"]
    assert f"{box.mean:+.3f}" in text
    assert f"{box.low:+.3f} to {box.high:+.3f}" in text


def test_the_card_gets_the_figures_and_keeps_what_it_had(verdict, tmp_path):
    (tmp_path / "card.json").write_text('{"model": "mine"}')
    write_verdict(verdict, tmp_path)
    card = json.loads(
        (tmp_path / "card.json").read_text(), parse_constant=lambda name: pytest.fail(name)
    )
    assert card["model"] == "mine"
    told = card["verdict"]
    assert told["sentence"] == verdict.sentence
    assert told["figures"]["box"]["after"] == pytest.approx(verdict.figures["box"].after, abs=1e-6)
    assert told["calibration"]["before"].keys() == {
        "expected_calibration_error",
        "mean_absolute_error",
        "bias",
    }


def test_a_damaged_card_is_told(tmp_path):
    (tmp_path / "card.json").write_text("[1, 2")
    with pytest.raises(OutputError, match=r"card\.json"):
        add_to_card(tmp_path, verdict={})
    assert (tmp_path / "card.json").read_text() == "[1, 2"


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[str] = []

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.images.append(dict(attributes)["src"])
        elif tag not in ("meta", "line", "circle", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("line", "circle", "rect"):
            assert self.open.pop() == tag


def test_the_page_is_one_file_with_figures_intervals_calibration_and_pictures(verdict, examples):
    html = to_html(verdict, lambda _, name: examples[int(name[-1])], {"model": "a <b>"}, pictures=2)
    page = _Page()
    page.feed(html)
    assert page.open == []
    assert len(page.images) == 2 * 3 * 2  # by click and by box: most changed, worst, best
    pictures = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(src.split(",")[1]))))
        for src in page.images
    ]
    assert all(p.shape[1] > 2 * p.shape[0] for p in pictures)  # two landscape pictures a pair
    assert "a &lt;b&gt;" in html
    assert not re.search(r"(src|href)=\"http", html)
    for words in ("Most changed by: Box", "Best by: 1 click", "95% interval", "<p>Before</p>"):
        assert words in html
    assert html.count("<svg") == 4  # IoU, AP and F1, and predicted IoU before and after


def test_the_report_shows_the_curves_of_the_training(verdict, tmp_path):
    write_verdict(verdict, tmp_path)
    assert "Epoch by epoch" not in (tmp_path / "report.html").read_text()
    Image.new("RGB", (30, 20), (9, 8, 7)).save(tmp_path / "curves.png")
    write_verdict(verdict, tmp_path)
    page = (tmp_path / "report.html").read_text()
    shown = page.split('src="data:image/png;base64,')[1].split('"')[0]
    assert base64.b64decode(shown) == (tmp_path / "curves.png").read_bytes()


def test_a_page_made_twice_has_the_same_bytes(small_reference_sam, other, examples, verdict):
    again = judge(small_reference_sam, other, examples, everything=2, points_per_side=3)
    assert to_html(again) == to_html(verdict)
    assert again.to_dict() == verdict.to_dict()


def test_the_most_changed_are_the_largest_gains_and_losses():
    told = made([0.5, 0.5, 0.5, 0.5], [0.6, 0.1, 0.5, 0.8])
    chosen = most_changed(list(zip(told.before, told.after, strict=True)), "box", 9)
    assert [after.image for _, after in chosen] == ["image1", "image3", "image0"]


def test_a_pair_shows_both_answers_side_by_side(examples, verdict):
    pair = verdict.before[0], verdict.after[0]
    picture = draw_pair(examples[0], pair, "box")
    half = (picture.shape[1] - 6) // 2
    left, right = picture[:, :half], picture[:, -half:]
    assert (picture[:, half : half + 6] == 255).all()
    differ = (pair[0].mask("box") != pair[1].mask("box")).mean()
    assert differ > 0
    assert (left != right).any(2).mean() == pytest.approx(differ, rel=0.3)


def test_images_without_objects_cannot_be_judged_by(small_reference_sam, examples):
    empty = [replace(examples[0], masks=[])]
    with pytest.raises(FineTuneError, match="None of the 1 held-out images"):
        judge(small_reference_sam, small_reference_sam, empty)
