"""Items that another thread makes, taken by one who must not wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from edge.adapters.ahead import Ahead
from tests.fakes.world import wait_until


def taken(ahead: Ahead[int]) -> list[int]:
    return [item for item in ahead if item is not None]


def test_every_item_comes_once_and_in_order() -> None:
    with Ahead(range(100)) as ahead:
        assert taken(ahead) == list(range(100))


def test_nothing_to_give_is_an_end_too() -> None:
    with Ahead[int](()) as ahead:
        assert taken(ahead) == []


def test_who_takes_is_given_nothing_while_the_next_is_not_ready() -> None:
    ready = threading.Event()

    def slow() -> Iterator[int]:
        yield 1
        assert ready.wait(20)
        yield 2

    with Ahead(slow()) as ahead:
        items = iter(ahead)
        assert next(item for item in items if item is not None) == 1
        assert next(items) is None
        ready.set()
        assert taken_rest(items) == [2]


def taken_rest(items: Iterator[int | None]) -> list[int]:
    return [item for item in items if item is not None]


def test_what_the_other_thread_raises_is_raised_after_what_came_before_it() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    found: list[int] = []
    with Ahead(failing()) as ahead, pytest.raises(ValueError, match="no more"):
        found.extend(item for item in ahead if item is not None)
    assert found == [1]


def test_only_a_few_are_made_ahead_and_none_once_nobody_takes_any() -> None:
    made: list[int] = []

    def endless() -> Iterator[int]:
        while True:
            made.append(len(made))
            yield made[-1]

    before = threading.active_count()
    with Ahead(endless(), most=2) as ahead:
        assert next(item for item in ahead if item is not None) == 0
        wait_until(lambda: len(made) == 4, "two lie ready and one is held")
    wait_until(lambda: threading.active_count() == before, "the thread ends")
    assert len(made) == 4
