"""One model serves all users in turns."""

from __future__ import annotations

import threading

import pytest

from anymask.web.model_queue import BusyError, ModelQueue


def test_users_take_turns_and_long_work_lets_short_work_in():
    queue, done, started = ModelQueue(), list[str](), threading.Event()
    waiting = threading.Event()

    def long() -> None:
        started.set()
        waiting.wait()
        done.append("run begins")
        queue.give_way()
        done.append("run ends")

    futures = [queue.ask("ann", long, long=True)]
    started.wait()
    for name in ("ann 1", "ann 2", "ann 3"):
        futures.append(queue.ask("ann", lambda name=name: done.append(name)))
    futures.append(queue.ask("bob", lambda: done.append("bob 1")))
    waiting.set()
    for future in futures:
        future.result(timeout=60)
    queue.close()
    assert done == ["run begins", "ann 1", "bob 1", "run ends", "ann 2", "ann 3"]


def test_too_much_is_refused_and_errors_reach_the_one_who_asked():
    queue, waiting = ModelQueue(), threading.Event()
    blocked = queue.ask("ann", waiting.wait)
    while not blocked.running():
        pass
    futures = [queue.ask("ann", lambda: 1 // 0) for _ in range(8)]
    with pytest.raises(BusyError, match="try again"):
        queue.ask("ann", lambda: None)
    other = queue.ask("bob", lambda: "answer")
    waiting.set()
    assert other.result(timeout=60) == "answer"
    with pytest.raises(ZeroDivisionError):
        futures[0].result(timeout=60)
    queue.close()
    with pytest.raises(BusyError, match="stopping"):
        queue.ask("ann", lambda: None)
