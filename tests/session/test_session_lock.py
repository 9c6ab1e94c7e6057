"""Only one window per session, even if the last one was killed."""

from __future__ import annotations

import signal

import numpy as np
import pytest

from anymask.session import Session, SessionError

HOLD = """
import sys, time
from anymask.session import Session
session = Session.open(sys.argv[1])
print("open", flush=True)
time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path):
    with Session.create(tmp_path / "work") as session:
        return session.folder


def test_a_second_window_is_refused_and_the_message_names_the_first(folder, child):
    process = child(HOLD, folder)
    assert process.stdout.readline() == "open\n"
    with pytest.raises(SessionError, match=f"another window .process {process.pid} on"):
        Session.open(folder)
    process.kill()
    process.wait()


def test_the_lock_of_a_killed_process_is_free(folder, child):
    process = child(HOLD, folder)
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    with Session.open(folder) as session:
        assert not session.read_only


def test_a_session_is_not_opened_twice_in_one_process(folder):
    with Session.open(folder), pytest.raises(SessionError, match="another window"):
        Session.open(folder)
    Session.open(folder).close()


def test_a_session_can_be_opened_read_only_beside_another_window(folder):
    with Session.open(folder) as session:
        session.remember(current="i1")
        with Session.open(folder, read_only=True) as other:
            assert other.ui == {"current": "i1"}
            with pytest.raises(SessionError, match="read-only"):
                other.remember(current="i2")


def test_an_edit_of_a_read_only_session_writes_no_pixels(session, layer):
    noise = np.random.default_rng(0).integers(1, 60_000, (90, 120)).astype(np.uint16)
    session.close()
    with Session.open(session.folder, read_only=True) as looked:
        before = sorted(session.folder.rglob("*"))
        with pytest.raises(SessionError, match="read-only"):
            looked.edits.paint(layer, noise)
        assert not looked.layers.labels(layer).any()
        assert sorted(session.folder.rglob("*")) == before


def test_a_folder_that_is_not_a_session_is_refused(tmp_path):
    with pytest.raises(SessionError, match="not an anymask session"):
        Session.open(tmp_path)


def test_a_session_does_not_replace_an_existing_folder(folder):
    with pytest.raises(SessionError, match="exists already"):
        Session.create(folder)


def test_a_session_of_a_later_version_is_refused(folder):
    (folder / "session.json").write_text('{"format": 99}')
    with pytest.raises(SessionError, match="later version"):
        Session.open(folder)
