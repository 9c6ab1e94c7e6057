"""Reports: tables, JSON and a page with pictures."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from anymask.datasets.types import Example, LeftOut, Skipped
from anymask.evaluation.baselines import evaluate_baselines
from anymask.evaluation.clicks import Click
from anymask.evaluation.everything import EverythingRecord
from anymask.evaluation.html import PICTURED, to_html
from anymask.evaluation.matching import Overlaps
from anymask.evaluation.pictures import draw_answer, draw_everything, extremes
from anymask.evaluation.protocols import evaluate_interactive
from anymask.evaluation.records import ObjectRecord, Score, merged
from anymask.evaluation.report import Report, format_figure
from anymask.masks.mask_set import MaskSet
from anymask.masks.rle import counts_of

SIMPLE = ["filled_box", "ellipse"]


@pytest.fixture
def report(small_reference_sam, scene_examples) -> Report:
    model = evaluate_interactive(small_reference_sam, scene_examples, clicks=3, keep_masks=PICTURED)
    records = merged(model, evaluate_baselines(scene_examples, SIMPLE))
    everything = [EverythingRecord("a", "left", Overlaps(np.array([[0.8, 0.1]]), np.ones(1)))]
    return Report({"model": "reference"}, {"limit": None}, records, everything)


def record(iou: float, set_name: str = "a", index: int = 0) -> ObjectRecord:
    scores = {"box": Score(iou, 0.5, 0.9)}
    return ObjectRecord(set_name, "x", index, (4, 4), (0, 0, 1, 1), Click(0, 0), 4, scores)


def test_means_over_sets_weigh_sets_alike_however_many_objects_they_have():
    records = [record(1.0, "a", i) for i in range(9)] + [record(0.5, "b")]
    data = Report({}, {}, records).to_dict()
    assert data["figures"]["iou"]["by_set"] == {"a": {"box": 1.0}, "b": {"box": 0.5}}
    assert data["figures"]["iou"]["mean_over_sets"] == {"box": 0.75}
    assert data["figures"]["dice"]["by_set"]["b"]["box"] == pytest.approx(2 / 3, abs=1e-6)
    # Predicted .9 against .75 on average, each set weighing the same.
    assert data["calibration"]["bias"] == pytest.approx(0.15)
    assert data["calibration"]["bias_by_set"] == pytest.approx({"a": -0.1, "b": 0.4})
    assert data["counts"]["a"] == {"images": 1, "objects": 9}


def test_too_high_on_one_set_does_not_make_up_for_too_low_on_another():
    data = Report({}, {}, [record(1.0, "a"), record(0.8, "b")]).to_dict()["calibration"]
    assert data["bias"] == pytest.approx(0)  # .9 predicted of both
    assert data["error_by_set"] == pytest.approx({"a": 0.1, "b": 0.1})
    assert data["expected_calibration_error"] == pytest.approx(0.1)
    assert [row["masks"] for row in data["bins"] if row["masks"]] == [2]


def test_json_holds_every_object_s_scores_and_no_nan(report):
    data = json.loads(report.to_json(), parse_constant=lambda name: pytest.fail(name))
    assert len(data["objects"]) == len(report.records) == 5
    for given, record in zip(data["objects"], report.records, strict=True):
        assert given["scores"]["box"]["iou"] == pytest.approx(record.scores["box"].iou, abs=1e-6)
        assert given["scores"]["ellipse"]["predicted_iou"] is None
    assert data["everything"]["by_set"]["a"]["average_recall"] == pytest.approx(0.35)
    (image,) = data["everything"]["images"]
    assert (image["set"], image["image"], image["masks"], image["objects"]) == ("a", "left", 1, 2)
    assert image["mean_best_overlap"] == pytest.approx(0.45)
    assert image["f1_50"] == pytest.approx(2 / 3, abs=1e-6)


def test_a_report_made_twice_has_the_same_bytes(small_reference_sam, scene_examples, report):
    again = evaluate_interactive(small_reference_sam, scene_examples, clicks=3, keep_masks=PICTURED)
    records = merged(again, evaluate_baselines(scene_examples, SIMPLE))
    second = Report(report.model, report.settings, records, report.everything)
    assert second.to_json() == report.to_json()
    find = finder(scene_examples)
    assert to_html(second, find) == to_html(report, find)


def test_the_tables_show_model_and_baselines_of_each_set_and_their_mean(report):
    console = Console(width=200, file=io.StringIO())
    for table in report.tables():
        console.print(table)
    text = console.file.getvalue()
    for words in ("Box", "3 clicks", "Ellipse in the box", "AR@1000", "mean over sets", "Dice"):
        assert words in text
    mean = report.to_dict()["figures"]["iou"]["mean_over_sets"]["box"]
    assert format_figure(mean) in text


def test_without_interactive_prompts_only_everything_is_reported(report):
    alone = Report({}, {}, [], report.everything)
    assert [section.names[0] for section in alone.sections] == ["average_recall"]
    assert alone.to_dict()["calibration"] == {}
    assert len(alone.tables()) == 1


def test_the_page_is_well_formed_holds_its_pictures_and_links_to_nothing(report, scene_examples):
    page = to_html(report, finder(scene_examples), pictures=3)

    class Check(HTMLParser):
        open_tags: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "img"):
                self.open_tags.append(tag)

        def handle_startendtag(self, tag, attrs):
            assert tag in ("rect", "line")

        def handle_endtag(self, tag):
            assert self.open_tags.pop() == tag

    check = Check()
    check.feed(page)
    assert check.open_tags == []
    assert not re.search(r"https?://|<script|<link", page)
    # Three worst and three best, of the box and of the click.
    pictures = re.findall(r"data:image/jpeg;base64,([^\"]+)", page)
    assert len(pictures) == 12
    for picture in pictures:
        with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
            assert max(image.size) == 320


def test_names_from_files_cannot_break_the_page():
    odd = [record(0.5, "<script>alert(1)</script>")]
    page = to_html(Report({"model": "<b>"}, {}, odd))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_the_worst_and_best_come_from_several_sets():
    records = [record(i / 10, "a", i) for i in range(9)] + [record(0.35, "b")]
    worst = extremes(records, "box", 4, worst=True)
    assert [(r.set_name, r.scores["box"].iou) for r in worst] == [("a", 0), ("a", 0.1), ("b", 0.35)]
    best = extremes(records, "box", 2, worst=False)
    assert [r.scores["box"].iou for r in best] == [0.8, 0.7]


def test_the_answer_is_tinted_the_truth_outlined_and_the_prompt_drawn():
    truth, answer = np.zeros((2, 160, 160), bool)
    truth[40:120, 40:120] = True
    answer[40:120, 40:100] = True
    example = Example("x", np.zeros((160, 160, 3), np.uint8), [truth], "a")
    given = ObjectRecord(
        "a",
        "x",
        0,
        (160, 160),
        (40, 40, 119, 119),
        Click(60, 80),
        6400,
        {name: Score(0.75, counts=counts_of(answer)) for name in PICTURED},
    )
    clicked = draw_answer(example, given, "click1_predicted")
    assert clicked.shape == (320, 320, 3)
    assert tuple(clicked[160, 180]) == (15, 72, 127)  # answer over black
    assert tuple(clicked[160, 220]) == (0, 0, 0)  # object that the answer misses
    assert tuple(clicked[160, 239]) == (255, 220, 0)  # right outline of the truth
    assert tuple(clicked[161, 121]) == (255, 40, 40)  # the click
    boxed = draw_answer(example, given, "box")
    assert tuple(boxed[80, 200]) == (255, 40, 40)
    assert tuple(boxed[161, 121]) == (15, 72, 127)


def test_a_small_object_is_shown_enlarged_with_its_surroundings():
    truth = np.zeros((400, 600), bool)
    truth[390:400, 100:110] = True  # at the lower border
    image = np.zeros((800, 1200, 3), np.uint8)  # twice the frame of scoring
    image[780:800, 200:220] = 255
    example = Example("x", image, [truth.repeat(2, 0).repeat(2, 1)], "a")
    scores = {"box": Score(1.0, counts=counts_of(np.zeros_like(truth)))}
    given = ObjectRecord(
        "a", "x", 0, (400, 600), (100, 390, 109, 399), Click(105, 395), 100, scores
    )
    drawn = draw_answer(example, given, "box")
    # 240×240 pixels from the lower left corner become 320×320: x 100 becomes 133.
    assert drawn.shape == (320, 320, 3)
    assert (drawn[-7, 137:144] > 250).all()
    assert drawn[:300].max() < 10


def test_records_of_different_objects_are_not_merged():
    with pytest.raises(ValueError, match="is not object"):
        merged([record(0.5, index=0)], [record(0.5, index=1)])


def finder(examples: list[Example]):
    return lambda set_name, name: next(
        e for e in examples if (e.set_name, e.name) == (set_name, name)
    )


def test_whole_images_are_shown_with_what_was_found_and_the_true_outlines(scene_examples):
    left, right = scene_examples
    records = [
        EverythingRecord("a", "left", Overlaps(np.full((1, 2), 0.25), np.ones(1)), found(left)),
        EverythingRecord("b", "right", Overlaps(np.full((1, 3), 0.75), np.ones(1)), found(right)),
    ]
    page = to_html(Report({}, {}, [], records), finder(scene_examples), pictures=1)
    worst, best = page.split("<h2>Best whole images by mean best overlap</h2>")
    assert "a / left: mean best overlap 0.25, F1 0.00; masks found 1, labelled 2" in worst
    assert "b / right: mean best overlap 0.75, F1 0.50; masks found 1, labelled 3" in best
    assert page.count("data:image/jpeg;base64,") == 2
    forgotten = [EverythingRecord(r.set_name, r.image, r.overlaps) for r in records]
    assert "<img" not in to_html(Report({}, {}, [], forgotten), finder(scene_examples))


def test_a_found_mask_is_tinted_and_the_truth_outlined_on_the_whole_image():
    truth, answer = np.zeros((2, 120, 240), bool)
    truth[20:60, 20:60], answer[70:110, 150:200] = True, True
    example = Example("x", np.zeros((120, 240, 3), np.uint8), [truth], "a")
    drawn = draw_everything(example, MaskSet.from_masks(answer[None]))
    assert drawn.shape == (240, 480, 3)
    assert tuple(drawn[40, 80]) == (255, 220, 0)  # upper edge of the truth, twice as large
    assert tuple(drawn[80, 80]) == (0, 0, 0)
    assert drawn[180, 350].max() > 40


def test_the_page_and_the_json_say_what_was_left_out_and_which_weights_were_measured():
    model = {"model": "mine.pth", "known_as": None, "weights_sha256": "0123456789abcdef" * 4}
    bad = Skipped("a", "x", Path("a/x.png"), "a/x.png <is> damaged.")
    unused = LeftOut((), (), (Path("a/y.png"),), tuple(Path(f"a/z{i}.png") for i in range(12)))
    report = Report(model, {}, [record(0.5)], unreadable=[bad], unused=unused)
    page = to_html(report)
    assert "a/x.png &lt;is&gt; damaged." in page
    assert "1 image without masks is left out: y.png." in page
    assert "12 files without their images are left out: z0.png, z1.png, z2.png, …" in page
    assert "<dd>0123456789ab</dd>" in page
    assert report.heading == "model mine.pth, weights sha256 0123456789ab"
    data = report.to_dict()
    assert data["model"]["weights_sha256"] == "0123456789abcdef" * 4
    assert [each["file"] for each in data["unreadable"]] == ["a/x.png"]
    assert data["unused"]["without_masks"] == {"count": 1, "first": ["a/y.png"]}
    assert data["unused"]["without_image"]["count"] == 12


def found(example: Example) -> MaskSet:
    return MaskSet.from_masks(np.stack(example.masks[:1]))
