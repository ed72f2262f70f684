from __future__ import annotations

import itertools

import pytest

from edge.recognition.strangers import StrangerMemory
from tests.fakes.probes import Actor, cosine_head

DAY_S = 86_400.0
HEAD = cosine_head()


def memory(seconds: float = DAY_S) -> StrangerMemory:
    numbers = itertools.count(1)
    return StrangerMemory(seconds, lambda: f"stranger-{next(numbers)}")


def test_a_stranger_who_comes_back_has_the_same_id() -> None:
    strangers, sam = memory(), Actor("sam")
    assert [strangers.identify(sam.embedding(), HEAD, 3600.0 * hour) for hour in range(5)] == ["stranger-1"] * 5


def test_strangers_have_ids_of_their_own() -> None:
    strangers = memory()
    people = [Actor(f"stranger{n}") for n in range(30)]
    first = [strangers.identify(who.embedding(), HEAD, 10.0) for who in people]
    assert len(set(first)) == 30
    assert [strangers.identify(who.embedding(), HEAD, 20.0) for who in people] == first


def test_after_a_day_unseen_a_stranger_is_a_new_one() -> None:
    strangers, sam = memory(), Actor("sam")
    assert strangers.identify(sam.embedding(), HEAD, 0.0) == "stranger-1"
    assert strangers.identify(sam.embedding(), HEAD, DAY_S) == "stranger-1"
    assert strangers.identify(sam.embedding(), HEAD, 2 * DAY_S + 1) == "stranger-2"


def test_a_memory_of_no_time_knows_nobody_again() -> None:
    strangers, sam = memory(0.0), Actor("sam")
    assert strangers.identify(sam.embedding(), HEAD, 1.0) == "stranger-1"
    assert strangers.identify(sam.embedding(), HEAD, 1.1) == "stranger-2"


def test_whoever_stands_beside_a_stranger_is_another_one() -> None:
    strangers, sam = memory(), Actor("sam")
    assert strangers.identify(sam.embedding(), HEAD, 1.0) == "stranger-1"
    assert strangers.identify(sam.embedding(), HEAD, 1.0, apart={"stranger-1"}) == "stranger-2"


def test_one_who_was_dropped_is_new_and_the_others_are_not() -> None:
    strangers, sam, tom = memory(), Actor("sam"), Actor("tom")
    for who in (sam, tom):
        strangers.identify(who.embedding(), HEAD, 1.0)
    strangers.drop("stranger-1")
    strangers.drop("nobody of this name")
    assert strangers.identify(tom.embedding(), HEAD, 2.0) == "stranger-2"
    assert strangers.identify(sam.embedding(), HEAD, 2.0) == "stranger-3"


def test_a_cleared_memory_knows_nobody() -> None:
    strangers, sam = memory(), Actor("sam")
    strangers.identify(sam.embedding(), HEAD, 1.0)
    strangers.clear()
    assert strangers.identify(sam.embedding(), HEAD, 2.0) == "stranger-2"


def test_of_too_many_the_one_unseen_for_longest_is_forgotten() -> None:
    strangers = memory()
    crowd = [Actor(f"visitor{n}") for n in range(70)]
    ids = [strangers.identify(who.embedding(), HEAD, float(n)) for n, who in enumerate(crowd)]
    assert strangers.identify(crowd[69].embedding(), HEAD, 70.0) == ids[69]
    assert strangers.identify(crowd[20].embedding(), HEAD, 71.0) == ids[20]
    assert strangers.identify(crowd[0].embedding(), HEAD, 72.0) not in ids


@pytest.mark.parametrize("seed", range(3))
def test_a_new_head_of_the_same_embedder_keeps_the_ids(seed: int) -> None:
    strangers, sam = memory(), Actor(f"sam{seed}")
    assert strangers.identify(sam.embedding(), cosine_head(), 1.0) == "stranger-1"
    assert strangers.identify(sam.embedding(), cosine_head(), 2.0) == "stranger-1"
