"""``anymask info`` of a model with a card."""

from __future__ import annotations

import json
import shutil

from anymask.checkpoints.registry import SMALL_VERSION
from anymask.cli.info import essentials_of


def test_info_of_the_shipped_model_shows_the_summary_of_its_card(cli):
    shown = cli("info", "small").stdout
    for heading in ("Data", "Compute", "Figures", "Good for", "Not good for"):
        assert f"│ {heading} " in shown
    assert f"shipped with anymask, version {SMALL_VERSION}" in shown
    assert "Note: training" not in shown
    assert "{" not in shown
    found = json.loads(cli("info", "small", "--json").stdout)
    assert found["card"]["Compute"].count("views") == 1
    assert found["everything"]["box_nms_thresh"] > 0


def test_a_card_without_essentials_is_ignored_and_notes_are_shown(cli, model, tmp_path):
    copy = tmp_path / "mine.safetensors"
    shutil.copy(model, copy)
    assert essentials_of(copy) == {}
    copy.with_suffix(".md").write_text("# A card\n\n| a | b |\n|---|---|\n| c | d |\n")
    assert essentials_of(copy) == {}
    result = cli("info", copy)
    assert result.exit_code == 0
    assert "│ c " not in result.stdout
    assert "pred_iou_thresh 0.88" in result.stdout


def test_the_rows_between_the_markers_are_read_in_order(tmp_path):
    (tmp_path / "m.md").write_text(
        "| x | outside |\n<!-- begin essentials: for info -->\n\n| | |\n|---|---|\n"
        "| Data | many - and more |\n|Not good for|  thin things |\n\n<!-- end essentials -->\n"
        "| y | outside |\n"
    )
    assert essentials_of(tmp_path / "m.safetensors") == {
        "Data": "many - and more",
        "Not good for": "thin things",
    }
