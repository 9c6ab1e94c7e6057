"""A session keeps all steps when its program is killed."""

from __future__ import annotations

import signal

import numpy as np
import pytest

import anymask
from anymask.session import LayerKey, Session, Thresholds

PAINT = """
import sys
import numpy as np
from anymask.session import LayerKey, Session
session = Session.open(sys.argv[1])
layer = LayerKey("i1", "rgb")
snapshots = sys.argv[2] == "snapshots"
for number in range(5000):
    copy = np.array(session.layers.labels(layer))
    row, column = divmod(number, 110)
    copy[row:row + 3, column:column + 5] = number % 900 + 1
    session.edits.paint(layer, copy)
    print(number, flush=True)
    if snapshots and number % 3 == 0:
        session.edits.checkpoint()
"""

SEGMENT = """
import sys, warnings
import anymask
from anymask.session import Session, Thresholds
session = Session.open(sys.argv[1])
sam = anymask.load(sys.argv[2], dtype="float32")
session.runs.set_options(points_per_side=6, thresholds=Thresholds(0.0, 0.3, 0.7))
names = []
def progress(now):
    names.append(now.title)
    print(now.title, now.index, flush=True)
session.runs.segment(sam, progress=progress)
print("finished", flush=True)
"""


def painted(strokes: int) -> np.ndarray:
    labels = np.zeros((90, 120), np.uint16)
    for number in range(strokes):
        row, column = divmod(number, 110)
        labels[row : row + 3, column : column + 5] = number % 900 + 1
    return labels


@pytest.mark.parametrize(("how", "strokes"), [("plain", 25), ("snapshots", 40), ("snapshots", 73)])
def test_killed_while_painting_it_has_all_recorded_strokes(session, child, how, strokes):
    folder = session.folder
    session.close()
    process = child(PAINT, folder, how)
    told = 0
    while told < strokes:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        told = int(line) + 1
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split()
    process.wait()
    told = max([told, *(int(number) + 1 for number in rest[:-1])])
    with Session.open(folder) as again:
        layer = LayerKey("i1", "rgb")
        done = len(again.edits.steps(layer))
        assert told <= done <= told + 2
        np.testing.assert_array_equal(again.layers.labels(layer), painted(done))
        # The session can be continued.
        for _ in range(3):
            again.edits.undo(layer)
        np.testing.assert_array_equal(again.layers.labels(layer), painted(done - 3))
        again.edits.redo(layer)
        np.testing.assert_array_equal(again.layers.labels(layer), painted(done - 2))


def test_killed_while_segmenting_it_has_the_masks_of_finished_images(
    session, child, small_reference_sam, tmp_path
):
    folder, model = session.folder, tmp_path / "model.safetensors"
    anymask.save(small_reference_sam, model)
    session.close()
    process = child(SEGMENT, folder, model)
    for line in process.stdout:
        if line.startswith("c "):
            break
    else:
        raise AssertionError(process.stderr.read())
    process.send_signal(signal.SIGKILL)
    process.wait()
    with Session.open(folder) as again:
        first, second, third = again.layers
        assert [again.layers.state(key) for key in (first, second, third)] == [
            "segmented",
            "segmented",
            "new",
        ]
        before = np.array(again.layers.labels(second))
        assert before.any()
        assert again.runs.has_candidates(first)
        run = again.runs.segment(small_reference_sam, [third])
        assert run.done == [third]
        assert again.layers.labels(third).any()
        np.testing.assert_array_equal(again.layers.labels(second), before)
        assert again.runs.options.thresholds == Thresholds(0.0, 0.3, 0.7)


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_journal_cut_anywhere_in_its_last_step_opens_without_that_step(
    session, layer, paint, cut
):
    paint(session, layer, 1, slice(0, 5), slice(0, 5))
    paint(session, layer, 2, slice(10, 40), slice(5, 90))
    before = np.array(session.layers.labels(layer))
    paint(session, layer, 3, slice(20, 60), slice(0, 70))
    session._store._journal.sync()
    journal = (session.folder / "journal.jsonl").read_bytes()
    session.close()
    (session.folder / "journal.jsonl").write_bytes(journal[:-cut])
    for file in (session.folder / "labels").glob("*"):
        file.unlink()
    with Session.open(session.folder) as again:
        assert any("last step" in message for message in again.messages)
        np.testing.assert_array_equal(again.layers.labels(layer), before)


def test_a_damaged_snapshot_is_skipped(session, layer, paint):
    for label in range(1, 6):
        paint(session, layer, label, slice(label, label + 9), slice(0, 50))
        session.edits.checkpoint()
    expected = np.array(session.layers.labels(layer))
    session.close()
    last = max((session.folder / "labels").glob("*.npz"), key=lambda p: p.stat().st_mtime)
    last.write_bytes(last.read_bytes()[:40])
    with Session.open(session.folder) as again:
        np.testing.assert_array_equal(again.layers.labels(layer), expected)
        assert sorted(again.layers.objects(layer).ids) == sorted(np.unique(expected[expected > 0]))


def test_steps_that_make_no_sense_are_skipped_with_a_message(session, layer, paint):
    paint(session, layer, 1, slice(0, 9), slice(0, 9))
    expected = np.array(session.layers.labels(layer))
    session._store._journal.append({"n": 900, "do": "images.add", "images": [{"id": 5}]})
    session._store._journal.append({"n": 901, "do": "dance"})
    session._store._journal.append(
        {
            "n": 902, "do": "step", "layer": ["i1", "rgb"], "kind": "paint", "args": {},
            "pixels": {"at": [85, 0], "shape": [90, 5], "dtype": "uint8", "data": "eJwDAAAAAAE="},
        }
    )  # fmt: skip
    session.close()
    for file in (session.folder / "labels").glob("*"):
        file.unlink()
    with Session.open(session.folder) as again:
        assert "images.add" in again.messages[0]
        np.testing.assert_array_equal(again.layers.labels(layer), expected)
        assert "damaged" in again.messages[-1]
        paint(again, layer, 2, slice(20, 30), slice(0, 9))
        assert again.layers.objects(layer).ids.tolist() == [1, 2]


def test_partly_written_files_are_removed(session, layer, paint):
    paint(session, layer, 1, slice(0, 9), slice(0, 9))
    session.edits.checkpoint()
    left = session.folder / "labels" / ".anymask-0123456789abcdef.npz"
    left.write_bytes(b"half a file")
    session.close()
    with Session.open(session.folder):
        assert not left.exists()
