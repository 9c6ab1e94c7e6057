"""`anymask session import`: masks of other programs in the images of a session."""

from __future__ import annotations

import json

import numpy as np
from PIL import Image

import anymask
from anymask.session import Session


def test_masks_go_to_the_images_that_they_are_named_after(cli, tmp_path):
    labels = np.zeros((20, 30), np.uint16)
    labels[2:8, 3:9], labels[12:18, 20:28] = 1, 2
    for name in ("cell", "cell 2"):
        Image.fromarray(np.full((20, 30), 90, np.uint8)).save(tmp_path / f"{name}.png")
    with Session.create(tmp_path / "work") as session:
        session.images.add([tmp_path / "cell.png", tmp_path / "cell 2.png"])
        first, second = session.layers
        session.edits.paint(second, np.full((20, 30), 5, np.uint16))
    Image.fromarray(labels).save(tmp_path / "cell_cp_masks.png")  # as Cellpose names it
    masks = anymask.MaskSet.from_labels(labels)
    anymask.save_masks(masks, tmp_path / "cell 2.geojson")
    (tmp_path / "of_nobody.png").write_bytes((tmp_path / "cell_cp_masks.png").read_bytes())
    files = [tmp_path / name for name in ("cell_cp_masks.png", "cell 2.geojson", "of_nobody.png")]

    told = cli("session", "import", tmp_path / "work.anymask", *files, "--json")
    assert told.exit_code == 1
    facts = json.loads(told.stdout)
    assert [each["objects"] for each in facts["done"]] == [2]
    assert "edited by hand" in facts["failed"][0]["reason"]
    assert "named after no image" in facts["failed"][1]["reason"]
    told = cli("session", "import", tmp_path / "work.anymask", files[1], "--replace")
    assert told.exit_code == 0
    with Session.open(tmp_path / "work") as session:
        for key in (first, second):
            np.testing.assert_array_equal(session.layers.labels(key), labels)
        session.edits.undo(second)
        assert (session.layers.labels(second) == 5).all()
