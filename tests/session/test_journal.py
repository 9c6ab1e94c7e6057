"""The journal: only lines with a correct checksum are read."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.journal import Journal
from anymask.session.errors import SessionError
from anymask.session.store.deltas import Delta
from anymask.session.store.folder import inside
from anymask.session.store.pixels import fetch_pixels, keep_pixels


def steps_of(path, *, writable=True):
    journal = Journal(path, writable=writable)
    found = [line.step for line in journal.lines()]
    messages = journal.messages
    journal.close()
    return found, messages


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, writable=True)
    list(journal.lines())
    for number in range(1, 6):
        journal.append({"n": number, "do": "ui", "text": 'an "odd" ütext\n,"sum":"'})
    journal.close()
    return path


def test_steps_are_read_as_they_were_written(path):
    found, messages = steps_of(path)
    assert [step["n"] for step in found] == [1, 2, 3, 4, 5]
    assert found[0]["text"] == 'an "odd" ütext\n,"sum":"'
    assert messages == []


@pytest.mark.parametrize("missing", [1, 2, 20, 45])
def test_an_incomplete_last_line_is_dropped_with_a_message(path, missing):
    path.write_bytes(path.read_bytes()[:-missing])
    found, messages = steps_of(path)
    assert [step["n"] for step in found] == [1, 2, 3, 4]
    assert len(messages) == 1
    assert "last step" in messages[0]


def test_the_journal_continues_after_an_incomplete_line(path):
    path.write_bytes(path.read_bytes()[:-7])
    journal = Journal(path, writable=True)
    list(journal.lines())
    journal.append({"n": 5, "do": "again"})
    journal.close()
    found, messages = steps_of(path)
    assert [step.get("do") for step in found] == ["ui"] * 4 + ["again"]
    assert messages == []


def test_reading_an_incomplete_journal_does_not_change_it(path):
    torn = path.read_bytes()[:-7]
    path.write_bytes(torn)
    found, messages = steps_of(path, writable=False)
    assert len(found) == 4
    assert messages
    assert path.read_bytes() == torn


def test_a_damaged_line_is_skipped_and_the_others_are_kept(path):
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"n":3', b'"n":9')
    path.write_bytes(b"".join(lines))
    found, messages = steps_of(path)
    assert [step["n"] for step in found] == [1, 2, 4, 5]
    assert "1 damaged step in the journal was skipped" in messages[0]


@pytest.mark.parametrize("shape", [(40, 50), (3, 20, 30)])
def test_a_delta_has_exactly_the_changed_box(shape):
    rng = np.random.default_rng(0)
    old = rng.integers(0, 400, shape).astype(np.uint16)
    new = old.copy()
    box = tuple(slice(n // 4, n // 2 + 1) for n in shape)
    new[box] += 1
    delta = Delta.between(old, new)
    assert delta.window == box
    again = Delta.unpacked(*delta.packed())
    changed = old.copy()
    again.apply(changed)
    np.testing.assert_array_equal(changed, new)
    again.reversed().apply(changed)
    np.testing.assert_array_equal(changed, old)


def test_two_small_distant_changes_take_little_space():
    old = np.random.default_rng(0).integers(1, 400, (500, 600)).astype(np.uint16)
    new = old.copy()
    new[:9, :9] = new[-9:, -9:] = 0
    delta = Delta.between(old, new)
    assert delta.after.shape == (500, 600)
    _, content = delta.packed()
    assert len(content) < 10_000
    changed = old.copy()
    Delta.unpacked(*delta.packed()).apply(changed)
    np.testing.assert_array_equal(changed, new)


def test_equal_labels_have_no_delta():
    labels = np.arange(12).reshape(3, 4)
    assert Delta.between(labels, labels.copy()) is None


@pytest.mark.parametrize("size", [10, 100_000])
def test_pixels_are_read_from_the_line_or_from_a_separate_file(tmp_path, size):
    content = np.random.default_rng(0).bytes(size)
    kept = keep_pixels(tmp_path, content)
    assert ("file" in kept) == (size > 50_000)
    assert fetch_pixels(tmp_path, kept) == content


def test_a_damaged_pixel_file_is_reported(tmp_path):
    kept = keep_pixels(tmp_path, np.random.default_rng(0).bytes(50_000))
    file = tmp_path / kept["file"]
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(SessionError, match="damaged"):
        fetch_pixels(tmp_path, kept)
    file.unlink()
    with pytest.raises(SessionError, match="missing"):
        fetch_pixels(tmp_path, kept)


@pytest.mark.parametrize("name", ["../other", "/etc/passwd", "a/../../b", ""])
def test_a_journal_cannot_name_files_outside_its_session(tmp_path, name):
    with pytest.raises(SessionError, match="outside"):
        inside(tmp_path, name)
