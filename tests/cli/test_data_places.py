"""All commands open the same data sets and refuse bad ones with the same message."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from anymask.session import Session
from tests.datasets.drawn_sets import save, two_discs, write_pairs

COMMANDS = {
    "dataset check": ("dataset", "check"),
    "evaluate": ("evaluate", "--data"),
    "tune": ("tune", "--data"),
    "finetune": ("finetune", "--out", "tuned", "--data"),
}


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Data sets in the current folder that cannot be opened, each for another reason."""
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "cells", 4)
    whole = shutil.make_archive("whole", "zip", "cells")
    (tmp_path / "broken.zip").write_bytes(Path(whole).read_bytes()[:-60])
    Session.create(tmp_path / "empty").close()
    (tmp_path / "other.json").write_text('{"images": []}')
    for name in ("00", "01"):
        save(tmp_path / "cells" / "masks" / f"{name}.png", two_discs()[:-1])
    return tmp_path


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("nowhere", "There is no file or folder nowhere; check the name."),
        ("broken.zip", "cannot be unpacked"),
        ("empty.anymask", "No image with masks was found in empty.anymask;"),
        ("other.json", "other.json is not COCO JSON"),
        ("cells/images/02.png", "cells/images/02.png is not a data set;"),
    ],
)
def test_a_bad_data_set_is_refused_with_the_same_sentence_everywhere(cli, places, place, says):
    messages = {cli(*words, place).stderr for words in COMMANDS.values()}
    assert len(messages) == 1
    assert says in messages.pop()


def test_too_many_bad_images_are_refused_before_training(cli, places):
    messages = {cli(*COMMANDS[name], "cells").stderr for name in ("tune", "finetune")}
    (sentence,) = messages
    assert sentence.startswith("2 of 4 images cannot be used (00: A mask of ")
    assert "; likewise 01); that is more than 10%, so fix or remove them." in sentence


def test_a_zipped_session_and_a_folder_are_measured_as_two_sets(cli, model, places):
    with Session.create(places / "work") as session:
        session.images.add(places / "cells" / "images" / "03.png")
        key = session.layers[0]
        session.edits.paint(key, two_discs(3).astype(session.layers.labels(key).dtype))
    shutil.make_archive("packed", "zip", ".", "work.anymask")
    result = cli(
        *("evaluate", "--data", "packed.zip", "--data", "cells", "--model", model, "--json"),
        *("--prompts", "box", "--baselines", "none", "--dtype", "float32"),
    )
    assert result.exit_code == 1  # because some images cannot be used
    found = json.loads(result.stdout)
    assert found["counts"] == {
        "work": {"images": 1, "objects": 2},
        "cells": {"images": 2, "objects": 4},
    }
    assert [bad["image"] for bad in found["unreadable"]] == ["00", "01"]
