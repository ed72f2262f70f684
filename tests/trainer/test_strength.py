"""How much a fleet may change a head: nothing without evidence, much where the fleet is plainly another."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge.recognition.types import Embedding
from trainer.distill import HeadParameters, distill
from trainer.statistics import FOLDS, Doubles, Statistics
from trainer.strength import STRENGTHS, all_alike, choose_strength, person_costs
from trainer.trials import TrialPerson, Trials, run_trials

DIM = 16
BETWEEN = np.linspace(1.0, 0.2, DIM)
WITHIN = np.linspace(0.02, 0.3, DIM)


def person(random: np.random.Generator, name: str, within: Doubles) -> tuple[TrialPerson, Statistics]:
    centre = random.standard_normal(DIM) * np.sqrt(BETWEEN)
    x = (centre + np.sqrt(within) * random.standard_normal((8, DIM))).astype(np.float32)
    views = [Embedding(row, 60.0) for row in x]
    return TrialPerson(name, tuple(views[:3]), tuple(views[3:]), ()), Statistics.of_person(x, np.full(8, 60.0))


def fleet(count: int, within: Doubles, seed: int = 0) -> tuple[list[Statistics], dict[int, list[TrialPerson]]]:
    random = np.random.default_rng(seed)
    sums = [Statistics.empty(DIM)] * FOLDS
    people: dict[int, list[TrialPerson]] = {fold: [] for fold in range(FOLDS)}
    for number in range(count):
        trial, statistics = person(random, str(number), within)
        fold = number % FOLDS
        sums[fold] = sums[fold] + statistics
        people[fold].append(trial)
    return sums, people


def factory(seed: int = 99) -> HeadParameters:
    return distill(sum(fleet(600, WITHIN, seed)[0], Statistics.empty(DIM)), "e" * 64)


def test_a_fleet_of_nobody_keeps_the_head() -> None:
    choice = choose_strength([Statistics.empty(DIM)] * FOLDS, {}, factory())
    assert (choice.strength, choice.people) == (math.inf, 0)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_a_handful_of_people_is_no_evidence(count: int) -> None:
    sums, people = fleet(count, WITHIN)
    assert choose_strength(sums, people, factory()).strength == math.inf


def test_a_fleet_like_that_which_the_head_was_learned_from_hardly_moves_it() -> None:
    sums, people = fleet(160, WITHIN, seed=5)
    assert choose_strength(sums, people, factory()).strength >= 3000


def test_a_fleet_that_is_plainly_another_moves_it() -> None:
    sums, people = fleet(400, WITHIN[::-1], seed=6)
    choice = choose_strength(sums, people, factory())
    assert choice.strength in STRENGTHS
    assert choice.strength <= 10_000
    best = next(tried for tried in choice.tried if tried.strength == choice.strength)
    assert best.gain > 3 * best.error > 0
    assert choice.people == 400


def identical(x: Doubles, name: str) -> tuple[TrialPerson, Statistics]:
    """Somebody with eight times the same picture, on several days."""
    view = Embedding(x.astype(np.float32), 60.0)
    sums = Statistics.of_person(np.repeat(x[None].astype(np.float32), 8, axis=0), np.full(8, 60.0))
    return TrialPerson(name, (view,) * 3, (view,) * 5, ()), sums


def test_where_all_searches_cost_the_same_rounding_is_no_gain() -> None:
    x = np.random.default_rng(3).standard_normal(DIM)
    made = [identical(x, str(number)) for number in range(160)]
    folds = [sum((one for _, one in made[fold::FOLDS]), Statistics.empty(DIM)) for fold in range(FOLDS)]
    people = {fold: [trial for trial, _ in made[fold::FOLDS]] for fold in range(FOLDS)}
    assert choose_strength(folds, people, factory()).strength == math.inf


def test_pictures_that_are_all_alike_are_said_to_be_so() -> None:
    random = np.random.default_rng(4)
    one = random.standard_normal(DIM)
    same = sum((identical(one, "")[1] for _ in range(30)), Statistics.empty(DIM))
    each = sum((identical(random.standard_normal(DIM), "")[1] for _ in range(30)), Statistics.empty(DIM))
    assert all_alike(same, factory()) == "the pictures are all alike, whoever they are said to show"
    assert all_alike(each, factory()) == "the pictures of each person are all alike"


@pytest.mark.parametrize("count", [0, 1, 2, 3, 40])
def test_people_who_differ_are_not_said_to_be_alike(count: int) -> None:
    assert all_alike(sum(fleet(count, WITHIN)[0], Statistics.empty(DIM)), factory()) is None


def test_scores_that_tell_people_apart_cost_less_than_scores_that_do_not() -> None:
    _, people = fleet(40, WITHIN)
    told = run_trials(factory().head(), people[0] + people[1])
    random = Trials(
        np.random.default_rng(1).standard_normal(told.scores.shape).astype(np.float32), told.owner, told.at_night
    )
    assert person_costs(told).mean() < 0.5 * person_costs(random).mean()


def test_the_cost_does_not_depend_on_the_scale_of_the_scores() -> None:
    _, people = fleet(40, WITHIN)
    trials = run_trials(factory().head(), people[0] + people[1])
    scaled = Trials(7 * trials.scores - 3, trials.owner, trials.at_night)
    np.testing.assert_allclose(person_costs(trials), person_costs(scaled), rtol=1e-3, atol=1e-6)
