"""PyTorch's threads are divided among passes, and the rest of the process does not notice."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from anymask.predict.everything.workers import workers


@pytest.fixture
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def in_a_new_thread(call):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


@pytest.mark.parametrize(
    ("passes", "each"), [(1, [4]), (2, [2, 2]), (3, [1, 1, 2]), (4, [1] * 4), (100, [1] * 4)]
)
def test_threads_are_divided_among_the_passes_under_way(four_threads, passes, each):
    # Each waits for the others, so that no thread takes two.
    together = threading.Barrier(len(each))

    def number_of_threads(_):
        together.wait()
        return torch.get_num_threads()

    with workers(passes) as pool:
        assert sorted(pool.map(number_of_threads, each)) == each


def test_other_threads_keep_their_number_and_so_do_new_ones(four_threads):
    with workers(4) as pool:
        pool.submit(int).result()
        assert torch.get_num_threads() == 4
        assert in_a_new_thread(torch.get_num_threads) == 4
    assert torch.get_num_threads() == 4
    assert in_a_new_thread(torch.get_num_threads) == 4


def test_no_more_passes_are_under_way_than_asked_for(four_threads):
    lock, running, most = threading.Lock(), 0, 0

    def one_pass(_):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.002)
        with lock:
            running -= 1

    with workers(2) as pool:
        list(pool.map(one_pass, range(30)))
    assert most == 2


def test_after_an_error_nothing_that_waits_is_begun(four_threads):
    begun = []

    def one_pass(number):
        begun.append(number)
        time.sleep(0.01)

    with pytest.raises(ZeroDivisionError), workers(1) as pool:
        for number in range(1000):
            pool.submit(one_pass, number)
        1 / 0  # noqa: B018
    assert len(begun) < 100


def test_pools_that_are_started_at_once_leave_everybody_their_number(four_threads):
    together = threading.Barrier(4)

    def one_run():
        together.wait()
        with workers(4) as pool:
            pool.submit(int).result()
        return torch.get_num_threads()

    for _ in range(20):
        with ThreadPoolExecutor(4) as users:
            assert [f.result() for f in [users.submit(one_run) for _ in range(4)]] == [4] * 4
        assert in_a_new_thread(torch.get_num_threads) == 4
        assert torch.get_num_threads() == 4


def test_a_thread_that_cannot_be_started_is_an_error_and_nobody_waits(four_threads, monkeypatch):
    begin, begun = threading.Thread.start, []

    def start(thread):
        if thread.name.startswith("anymask-pass"):
            begun.append(thread)
            if len(begun) == 3:
                raise RuntimeError("can't start new thread")
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(RuntimeError, match="can't start new thread"), workers(4):
        pytest.fail("there are not enough threads")
    assert not any(thread.is_alive() for thread in begun)
    assert in_a_new_thread(torch.get_num_threads) == 4
