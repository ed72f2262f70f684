"""Who is enrolled with what and searched with what, so that a head is tried as a door would use it."""

from __future__ import annotations

import numpy as np
import pytest

from edge.recognition.types import Embedding
from tests.fakes.probes import DIM, cosine_head, direction
from trainer.trials import Picture, TrialPerson, joined, run_trials, trial_person, visits_of

HOUR_S = 3600.0


def picture(number: int, taken_s: float) -> Picture:
    return Picture(Embedding(direction(number), 60.0), (Embedding(direction(1000 + number), 30.0),), taken_s)


def test_pictures_hours_apart_are_of_several_visits() -> None:
    assert visits_of([0.0, 60.0, 120.0, 9 * HOUR_S, 9 * HOUR_S + 1]).tolist() == [0, 0, 0, 1, 1]


def test_the_first_visit_is_enrolled_and_the_later_ones_search() -> None:
    pictures = [picture(n, taken) for n, taken in enumerate([30 * HOUR_S, 0.0, 10.0, 60 * HOUR_S])]
    person = trial_person("p", pictures)
    assert [shot.x.tolist() for shot in person.shots] == [direction(1).tolist(), direction(2).tolist()]
    assert (len(person.clean), len(person.night), person.one_visit) == (2, 2, False)


def test_one_visit_alone_is_parted_and_said_to_be_one() -> None:
    person = trial_person("p", [picture(n, 10.0 * n) for n in range(5)])
    assert (len(person.shots), len(person.clean), person.one_visit) == (3, 2, True)


def test_somebody_with_one_picture_is_enrolled_and_never_searched_with() -> None:
    person = trial_person("p", [picture(0, 0.0)])
    assert (len(person.shots), person.clean, person.night) == (1, (), ())


def test_somebody_without_a_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="p: has no picture"):
        trial_person("p", [])


def test_two_records_of_one_person_are_enrolled_as_the_first_and_searched_with_all_that_the_other_has() -> None:
    first, other = (trial_person(f"{n}", [picture(10 * n + m, 10.0 * m) for m in range(4)]) for n in range(2))
    both = joined(first, other)
    assert (both.person, both.shots, both.records, both.one_visit) == ("0", first.shots, 2, False)
    assert both.clean == (*first.clean, *other.shots, *other.clean)
    assert both.night == (*first.night, *other.night)
    assert joined(both, first).records == 3


def test_every_search_is_scored_against_everybody() -> None:
    people = [trial_person(str(n), [picture(10 * n + m, m * 10 * HOUR_S) for m in range(3)]) for n in range(4)]
    trials = run_trials(cosine_head(), people)
    assert trials.scores.shape == (16, 4)
    assert trials.owner.tolist() == [0, 0, 1, 1, 2, 2, 3, 3] * 2
    assert trials.at_night.tolist() == [False] * 8 + [True] * 8
    assert trials.same.sum() == 16


def test_nobody_to_search_with_is_an_error() -> None:
    with pytest.raises(ValueError, match="nobody with a picture to search with"):
        run_trials(cosine_head(), [TrialPerson("p", (Embedding(np.ones(DIM, np.float32), 1.0),), (), ())])
