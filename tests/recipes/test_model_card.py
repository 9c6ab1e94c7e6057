"""The card of the shipped model: essentials, and figures that come from the benchmark."""

from __future__ import annotations

import json
import re

import pytest
from tools.card import (
    BASELINES,
    CARD,
    EVERYTHING,
    MEAN,
    MODEL,
    compute,
    everything,
    figures,
    headline,
    main,
    replace_block,
    replace_line,
)

from anymask.checkpoints.registry import SMALL_SHA256
from anymask.cli.info import essentials_of

SETS = ("camvid", "voc2012_sbd", MEAN)


@pytest.fixture
def results():
    """Results as the benchmark writes them, with a different figure in every place."""
    by_set = {
        name: {figure: 0.31 + 0.01 * i + 0.2 * j for i, figure in enumerate((*MODEL, *BASELINES))}
        for j, name in enumerate(SETS)
    }
    for error, of_set in zip((0.041, 0.007, 0.024), by_set.values(), strict=True):
        of_set.update(iou_calibration_error=error, iou_bias=-0.013)
    by_set["camvid"]["ellipse"], by_set["voc2012_sbd"]["ellipse"] = 0.99, 0.1
    found = {
        name: {f: 0.11 + 0.01 * i + 0.3 * j for i, f in enumerate(EVERYTHING)}
        for j, name in enumerate(SETS)
    }
    return {
        "weights_sha256": SMALL_SHA256,
        "machine": {"cpu": "Some CPU"},
        "input_size": 512,
        "dtype": "bfloat16",
        "images_per_set": 20,
        "by_set": by_set,
        "everything": {
            "images_per_set": 4,
            "thresholds": {"pred_iou_thresh": 0.5},
            "by_set": found,
        },
        "times": {
            "threads": 2,
            "machine": {"cpu": "Some CPU"},
            "milliseconds": {
                dtype: {"encoder": 28.4, "click": 4.2, "1024 prompts": 1868.9}
                for dtype in ("float32", "bfloat16")
            },
        },
    }


def test_the_card_has_blocks_for_figures_and_its_essentials():
    text = CARD.read_text(encoding="utf-8")
    for name in ("figures", "everything"):
        assert "new" in replace_block(text, name, "new")
    essentials = essentials_of(CARD.with_suffix(".safetensors"))
    assert list(essentials) == ["Data", "Compute", "Figures", "Good for", "Not good for"]
    assert re.search(r"box 0\.\d\d", essentials["Figures"])


def test_figures_are_listed_by_set_with_the_sets_where_a_baseline_is_better(results):
    text = figures(results)
    words = " ".join(text.split())
    assert "| boundary F, box | IoU error |" in text
    assert "| camvid | 0.31 | 0.32 | 0.33 | 0.34 | 0.35 | 0.36 | 0.37 | 0.04 |" in text
    assert "| **mean over sets** | 0.71 |" in text
    assert "GrabCut (box) | ellipse (box) | filled box | GrabCut (click) | flood fill" in text
    assert "below the ellipse on camvid; GrabCut on camvid, voc2012_sbd." in words
    assert "calibration error 0.024 and bias -0.013 on average over sets. On 2 threads" in words
    assert "1.9 and 1.9 s" in words
    assert max(len(line) for line in text.splitlines() if "|" not in line) <= 100


def test_a_baseline_that_was_not_run_has_no_column(results):
    for of_set in results["by_set"].values():
        del of_set["grabcut_box"], of_set["grabcut_click"]
    assert "GrabCut" not in figures(results)


def test_times_that_were_not_measured_are_left_out(results):
    del results["times"]
    words = " ".join(figures(results).split())
    assert words.endswith("bias -0.013 on average over sets.")


def test_precision_is_reported_only_where_everything_is_labelled(results):
    complete, sparse = everything(results).split("Where only some are")
    assert "AP50" in complete
    assert "| camvid | 0.11 | 0.12 |" in complete
    assert "voc2012_sbd" not in complete
    assert "AP50" not in sparse
    assert "| voc2012_sbd | 0.41 | 0.44 | 0.46 |" in sparse


def test_essentials_are_replaced_line_by_line(results):
    card = "| Compute | old; two cores |\n| Figures | old |\n"
    card = replace_line(card, compute({"images": 94712, "seconds": 7200}, card))
    card = replace_line(card, headline(results))
    first, second = card.splitlines()
    assert first == "| Compute | 94,712 views in 2.0 hours; two cores |"
    assert second.startswith("| Figures | mean IoU over 2 validation sets: box 0.76")
    assert second.endswith("calibration error of predicted IoU 0.024 |")
    with pytest.raises(SystemExit, match="no line"):
        replace_line("nothing", headline(results))
    with pytest.raises(SystemExit, match="no block"):
        replace_block("nothing", "figures", "new")


def test_rewriting_a_card_twice_changes_nothing_the_second_time(results, tmp_path, monkeypatch):
    card = tmp_path / "small.md"
    card.write_text(CARD.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr("tools.card.CARD", card)
    source = tmp_path / "results.json"
    source.write_text(json.dumps(results))
    main(source)
    once = card.read_text(encoding="utf-8")
    assert "| camvid | 0.31 |" in once
    assert "## Intended use, and known weaknesses" in once
    main(source)
    assert card.read_text(encoding="utf-8") == once


@pytest.mark.parametrize(
    ("measured", "says"),
    [("0123456789abcdef", "with the weights 0123456789ab,"), (None, "weights it does not name")],
)
def test_figures_of_other_weights_raise_an_error_and_the_card_does_not_change(
    results, tmp_path, monkeypatch, measured, says
):
    card = tmp_path / "small.md"
    card.write_text("as it was")
    monkeypatch.setattr("tools.card.CARD", card)
    del results["weights_sha256"]
    source = tmp_path / "results.json"
    source.write_text(json.dumps(results | ({"weights_sha256": measured} if measured else {})))
    with pytest.raises(SystemExit, match=says) as refused:
        main(source)
    assert f"those shipped are {SMALL_SHA256[:12]}; run" in str(refused.value)
    assert card.read_text() == "as it was"
