"""A session as training data, and in a bug report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anymask.datasets.dataset import Dataset
from anymask.session import LayerKey, Session, SessionError, session_dataset, session_examples
from anymask.session.bug_reports import bug_report, without_folders


def test_the_images_with_masks_are_examples(session, paint):
    first, second, _ = session.layers
    paint(session, first, 4, slice(10, 40), slice(10, 40))
    paint(session, first, 2, slice(50, 60), slice(50, 60))
    paint(session, second, 1, slice(10, 30), slice(10, 40))
    session.edits.classify(first, [2, 4], "cell")
    sources = session_examples(session.folder)  # while the window is open
    assert [(s.set_name, s.name) for s in sources] == [("work", "a"), ("work", "b")]
    example = Dataset(sources)[0]
    np.testing.assert_array_equal(example.image, Image.open(session.images["i1"].path))
    labels = session.layers.labels(first)
    for mask, label in zip(example.masks, (2, 4), strict=True):
        np.testing.assert_array_equal(mask, labels == label)
    assert sources[0].read()[1].classes == ("cell", "cell")


def test_pseudo_rgbs_and_planes_are_separate_examples(tmp_path, stack_file, paint):
    with Session.create(tmp_path / "work") as session:
        session.images.add(stack_file)
        session.images.add_recipe("inverse=0 - ch[0]")
        key = LayerKey("i1", "inverse")
        paint(session, key, 1, slice(10, 40), slice(10, 40), plane=2)
        (source,) = session_examples(session.folder)
        image, truth = source.read()
        np.testing.assert_array_equal(image, session.images.rgb(key, 2))
        np.testing.assert_array_equal(truth.masks[0], session.layers.labels(key)[2] == 1)


def test_edited_only_lists_edited_or_saved_images(session, paint, small_reference_sam):
    from anymask.session import Thresholds

    first, second, _ = session.layers
    session.runs.set_options(points_per_side=5, thresholds=Thresholds(0.1, 0.4))
    session.runs.segment(small_reference_sam, [second])
    paint(session, first, 4, slice(10, 40), slice(10, 40))
    assert [s.name for s in session_examples(session.folder)] == ["a", "b"]
    assert [s.name for s in session_examples(session.folder, edited_only=True)] == ["a"]


def test_a_session_is_a_data_set_with_its_classes_in_order(session, paint):
    first, second, third = session.layers
    session.edits.set_classes([("soil", None), ("unused", None), ("leaf", None)])
    for key, name in ((first, "leaf"), (second, "soil")):
        paint(session, key, 7, slice(10, 40), slice(10, 40))
        paint(session, key, 8, slice(50, 52), slice(50, 52))
        session.edits.classify(key, [7], name)
    paint(session, third, 1, slice(0, 3), slice(0, 3))
    with pytest.warns(UserWarning, match="1 of 3 images is left out .*: work/c"):
        dataset = session_dataset(session.folder)
    assert dataset.keys == ["work/a", "work/b"]
    assert dataset.classes == ("soil", "leaf")
    assert [list(example.class_ids) for example in dataset] == [[1], [0]]
    np.testing.assert_array_equal(dataset[1].masks[0], session.layers.labels(second) == 7)
    halves = dataset.split(0.5, seed=1)
    assert [len(half) for half in halves] == [1, 1]


def test_a_session_without_masks_is_refused_as_training_data(session):
    with pytest.raises(SessionError, match="no masks to learn from"):
        session_examples(session.folder)


def test_a_bug_report_has_versions_and_the_log_but_no_folder_names(session, pictures):
    session.log(f"Could not read {pictures}/secret project/x y.png: it is damaged.")
    session.log(f"See {session.folder} and /opt/somewhere/else/file.txt")
    text = bug_report(session)
    assert "anymask" in text.splitlines()[0]
    assert "YXS (90, 120, 3) uint8" in text
    assert "broken.png" in text
    for name in ("pictures/", str(session.folder.parent), "/opt/somewhere", "else/"):
        assert name not in text
    assert "file.txt" in text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Cannot read /home/ann/a b/c.png now", "Cannot read c.png now"),
        (r"Cannot read C:\Users\ann\pictures\c.png now", "Cannot read c.png now"),
        ("a/b and 3/4 stay", "a/b and 3/4 stay"),
    ],
)
def test_paths_are_shortened_to_their_last_name(text, plain):
    assert without_folders(text, [Path("/home/ann/a b")]) == plain
