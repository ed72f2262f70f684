"""One person's records at several doors are found by id and by likeness, and nobody else's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge.recognition.scoring import CentredCosine
from tests.fakes.simulated import BETWEEN, DIM, EMBEDDER, WITHIN, people
from trainer.copies import join_copies, without_copies
from trainer.trials import TrialPerson

HEAD = CentredCosine(EMBEDDER, np.zeros(DIM, np.float32), np.diag(BETWEEN).astype(np.float32))
PEOPLE = people(60, seed=3, pictures=10, within=0.1 * WITHIN)


def record(number: int, door: str) -> TrialPerson:
    """One half of somebody's pictures, as a door of that name has them: "a" the first, any other the second."""
    person = PEOPLE[number]
    half = slice(0, 5) if door == "a" else slice(5, 10)
    trial = replace(person, clean=person.clean[half], night=person.night[half]).trial()
    return replace(trial, person=f"{door}/{person.name}")


def joined(records: list[TrialPerson], ids: list[str] | None = None) -> dict[int, TrialPerson]:
    return join_copies(records, ids or [one.person for one in records], HEAD)


def test_the_same_people_at_two_doors_are_each_one() -> None:
    found = joined([record(number, "a") for number in range(60)] + [record(number, "b") for number in range(60)])
    assert sum(one.records == 2 for one in found.values()) >= 57
    assert all(one.person == f"a/p{place}" for place, one in found.items() if place < 60)
    assert len(found) == 120 - sum(one.records - 1 for one in found.values())


def test_different_people_stay_different() -> None:
    found = joined([record(number, "a") for number in range(60)])
    assert list(found) == list(range(60))
    assert {one.records for one in found.values()} == {1}


def test_the_same_id_is_the_same_person_however_unlike_the_pictures() -> None:
    found = joined([record(0, "a"), record(1, "a"), record(2, "b")], ["x", "y", "x"])
    assert [one.records for one in found.values()] == [2, 1]
    assert len(found[0].clean) == len(record(0, "a").clean) + len(record(2, "b").shots) + len(record(2, "b").clean)


def test_somebody_at_three_doors_is_one() -> None:
    found = joined([record(5, "a"), record(6, "a"), record(5, "b"), record(5, "c")])
    assert [one.records for one in found.values()] == [3, 1]


def test_whose_copy_is_learned_from_does_not_judge() -> None:
    judges = [record(number, "a") for number in range(30)]
    apart = without_copies(judges, [record(number, "b") for number in range(20, 60)], HEAD)
    assert {one.person for one in judges[:20]} <= {one.person for one in apart}
    assert len(apart) <= 21


@pytest.mark.parametrize("others", [0, 3])
def test_nobody_has_no_copy(others: int) -> None:
    assert join_copies([], [], HEAD) == {}
    assert without_copies([], [record(number, "a") for number in range(others)], HEAD) == ()
