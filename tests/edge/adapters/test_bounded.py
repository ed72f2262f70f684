from __future__ import annotations

import threading

import pytest

from edge.adapters.bounded import Bounded


def test_a_value_comes_through() -> None:
    assert Bounded("driver").call(lambda: 42, 5) == 42


def test_what_it_raises_comes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        Bounded("driver").call(lambda: 1 // 0, 5)


def test_all_calls_are_made_on_one_thread_that_is_not_ours() -> None:
    worker = Bounded("driver")
    threads = {worker.call(threading.get_ident, 5) for _ in range(3)}
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_a_call_that_hangs_is_left_and_refuses_all_others_until_it_is_back() -> None:
    worker, release, back = Bounded("driver"), threading.Event(), threading.Event()

    def hang() -> None:
        release.wait(10)
        back.set()

    with pytest.raises(TimeoutError):
        worker.call(hang, 0.01)
    assert worker.stuck
    with pytest.raises(TimeoutError, match="not come back from an earlier call"):
        worker.call(lambda: 1, 5)
    release.set()
    assert back.wait(5)
    while worker.stuck:
        pass
    assert worker.call(lambda: 2, 5) == 2


def test_after_finish_the_thread_is_gone_and_the_next_call_works_all_the_same() -> None:
    worker = Bounded("driver")
    first = worker.call(threading.current_thread, 5)
    worker.finish()
    first.join(5)
    assert not first.is_alive()
    assert worker.call(lambda: 3, 5) == 3
