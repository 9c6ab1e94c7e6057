"""The images on which the thresholds of the shipped model are tuned."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from tools.tune_shipped import COMPLETE, examples_of, settings_of

from anymask.model.config import EverythingConfig
from recipes.small import cache


@pytest.fixture
def sets(tmp_path):
    """Three sets, each with two images that are held out by the list or with their whole set."""
    fixed = json.loads(cache._SPLIT_FILE.read_text())
    labels = np.zeros((64, 80), np.uint16)
    labels[10:30, 10:30], labels[30:50, 10:30] = 1, 2
    for name in ("wbc", "balloon", "crackforest"):
        listed = [i.split("/")[1] for i in fixed["images"] if i.startswith(f"{name}/")]
        for folder in ("images", "masks"):
            (tmp_path / name / folder).mkdir(parents=True)
        (tmp_path / name / "set.json").write_text(json.dumps({"name": name}))
        for stem in [*(listed or ["a", "b"])[:2], "trained_on"]:
            Image.fromarray(np.full((64, 80, 3), 90, np.uint8)).save(
                tmp_path / name / "images" / f"{stem}.png"
            )
            Image.fromarray(labels).save(tmp_path / name / "masks" / f"{stem}.png")
    return tmp_path


def test_held_out_images_are_used_without_thin_sets_and_with_unions_of_parts(sets):
    examples = list(examples_of(sets, per_set=4))
    assert [e.set_name for e in examples] == ["balloon"] * 2 + ["wbc"] * 2
    assert "trained_on" not in {e.name for e in examples}
    assert [len(e.masks) for e in examples] == [2, 2, 3, 3]
    parts, whole = examples[-1].masks[:2], examples[-1].masks[2]
    np.testing.assert_array_equal(whole, parts[0] | parts[1])


def test_settings_are_parsed_and_keep_the_offset():
    own = EverythingConfig(0.5, 0.65, 0.6, 0.5, 25)
    assert settings_of(".45,.7,.4,50", own) == EverythingConfig(0.45, 0.7, 0.6, 0.4, 50)
    assert settings_of(".45,.7,.4,50,mask", own).nms_by == "mask"


def test_every_listed_set_is_marked_as_completely_labelled_or_not():
    fixed = json.loads(cache._SPLIT_FILE.read_text())
    names = {i.split("/")[0] for i in fixed["images"]} | set(fixed["sets"])
    assert set(COMPLETE) < names
