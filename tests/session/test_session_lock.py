"""One window a session, however the last one ended."""

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


def test_a_second_window_is_refused_and_told_who_has_the_session(folder, child):
    process = child(HOLD, folder)
    assert process.stdout.readline() == "open\n"
    with pytest.raises(SessionError, match=f"another window .process {process.pid} on"):
        Session.open(folder)
    process.kill()
    process.wait()


def test_the_lock_of_a_process_that_was_killed_holds_nobody_up(folder, child):
    process = child(HOLD, folder)
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    with Session.open(folder) as session:
        assert not session.read_only


def test_in_one_process_a_session_is_not_opened_twice_either(folder):
    with Session.open(folder), pytest.raises(SessionError, match="another window"):
        Session.open(folder)
    Session.open(folder).close()


def test_looking_at_a_session_works_beside_the_window_that_has_it(folder):
    with Session.open(folder) as session:
        session.remember(current="i1")
        with Session.open(folder, read_only=True) as other:
            assert other.ui == {"current": "i1"}
            with pytest.raises(SessionError, match="look at only"):
                other.remember(current="i2")


def test_an_edit_of_a_session_opened_to_look_at_writes_no_pixels(session, layer):
    noise = np.random.default_rng(0).integers(1, 60_000, (90, 120)).astype(np.uint16)
    session.close()
    with Session.open(session.folder, read_only=True) as looked:
        before = sorted(session.folder.rglob("*"))
        with pytest.raises(SessionError, match="look at only"):
            looked.edits.paint(layer, noise)
        assert not looked.layers.labels(layer).any()
        assert sorted(session.folder.rglob("*")) == before


def test_what_is_no_session_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(SessionError, match="not an anymask session"):
        Session.open(tmp_path)


def test_a_session_is_not_made_where_something_stands(folder):
    with pytest.raises(SessionError, match="exists already"):
        Session.create(folder)


def test_a_session_of_a_later_version_is_refused(folder):
    (folder / "session.json").write_text('{"format": 99}')
    with pytest.raises(SessionError, match="later version"):
        Session.open(folder)
