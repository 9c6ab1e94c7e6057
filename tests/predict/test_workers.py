"""PyTorch's threads are divided among passes, and the rest of the process does not notice."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from anymask.predict.workers import workers

CPU = torch.device("cpu")


@pytest.fixture
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def in_a_new_thread(call):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


@pytest.mark.parametrize(("passes", "each"), [(1, 4), (2, 2), (3, 1), (4, 1), (100, 1)])
def test_threads_are_divided_among_the_passes_under_way(four_threads, passes, each):
    with workers(CPU, passes) as pool:
        found = list(pool.map(lambda _: torch.get_num_threads(), range(20)))
    assert found == [each] * 20


def test_other_threads_keep_their_number_and_so_do_new_ones(four_threads):
    with workers(CPU, 4) as pool:
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

    with workers(CPU, 2) as pool:
        list(pool.map(one_pass, range(30)))
    assert most == 2


def test_after_an_error_nothing_that_waits_is_begun(four_threads):
    begun = []

    def one_pass(number):
        begun.append(number)
        time.sleep(0.01)

    with pytest.raises(ZeroDivisionError), workers(CPU, 1) as pool:
        for number in range(1000):
            pool.submit(one_pass, number)
        1 / 0  # noqa: B018
    assert len(begun) < 100
