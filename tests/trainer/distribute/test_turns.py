"""Every door in turn: one that asks without end costs the others one piece of time each round, and itself the rest."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from edge.contract.update import MOST_UNDER_WAY, UpdateRequest
from trainer.distribute.turns import Asked, Turns


def asked(door: str, number: int, offset: int | None = None) -> Asked:
    place = number if offset is None else offset
    return Asked(door, None, UpdateRequest(number=number, file="targets/x.zip", offset=place))


def numbers(turns: Turns) -> list[tuple[str, int]]:
    found = []
    while (one := turns.next()) is not None:
        assert one.request is not None
        found.append((one.door, one.request.number))
    return found


def test_doors_take_turns_and_each_keeps_its_order() -> None:
    turns = Turns()
    for door, number in (("a", 1), ("a", 2), ("a", 3), ("b", 1), ("c", 1), ("b", 2)):
        turns.add(asked(door, number))
    assert len(turns) == 6
    assert numbers(turns) == [("a", 1), ("b", 1), ("c", 1), ("a", 2), ("b", 2), ("a", 3)]
    assert turns.next() is None


def test_a_door_that_asks_for_everything_loses_its_own_requests_and_nobody_else_s() -> None:
    turns = Turns()
    turns.add(asked("b", 1))
    for number in range(1_000):
        turns.add(asked("a", number))
    assert numbers(turns) == [("b", 1), ("a", 996), ("a", 997), ("a", 998), ("a", 999)]
    assert turns.dropped == 996


def test_a_piece_asked_for_twice_is_sent_once_and_answers_the_newer_request() -> None:
    turns = Turns()
    turns.add(asked("a", 1, offset=0))
    turns.add(asked("a", 2, offset=9))
    turns.add(asked("a", 3, offset=0))
    assert numbers(turns) == [("a", 3), ("a", 2)]


def test_more_doors_than_there_is_room_for_are_passed_over() -> None:
    turns = Turns(most_doors=2)
    for door in ("a", "b", "c", "a"):
        turns.add(asked(door, len(turns)))
    assert {door for door, _ in numbers(turns)} == {"a", "b"}
    assert turns.dropped == 1


def test_to_clear_forgets_everything() -> None:
    turns = Turns()
    turns.add(asked("a", 1))
    turns.clear()
    assert (len(turns), turns.next()) == (0, None)


@given(doors=st.lists(st.sampled_from("abcd"), max_size=60))
def test_while_a_door_waits_no_other_is_served_twice(doors: list[str]) -> None:
    turns = Turns()
    for number, door in enumerate(doors):
        turns.add(asked(door, number))
    order = [door for door, _ in numbers(turns)]
    expected = {door: min(count, MOST_UNDER_WAY) for door, count in Counter(doors).items()}
    assert Counter(order) == expected
    for start in range(len(order)):
        waiting = set(order[start:])
        assert set(order[start : start + len(waiting)]) == waiting
