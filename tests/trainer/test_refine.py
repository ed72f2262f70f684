"""A head refined by a fleet: the prior where there is little to learn, the fleet where there is much."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge.recognition.types import Floats
from trainer.distill import HeadParameters, distill
from trainer.refine import covariances, refined
from trainer.statistics import Doubles, Statistics

DIM = 8
WITHIN = np.linspace(0.01, 0.08, DIM)


def fleet(people: int, seed: int, *, within: Doubles = WITHIN, views: int = 6) -> list[tuple[Floats, Floats]]:
    """People whose pictures spread by a diagonal `within` around means that spread by 0.8 .. 0.1."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(people):
        centre = random.standard_normal(DIM) * np.sqrt(np.linspace(0.8, 0.1, DIM))
        x = centre + np.sqrt(within) * random.standard_normal((views, DIM))
        made.append((x.astype(np.float32), np.full(views, 60, np.float32)))
    return made


def summed(people: list[tuple[Floats, Floats]]) -> Statistics:
    return sum((Statistics.of_person(*person) for person in people), Statistics.empty(DIM))


def assert_same_head(one: HeadParameters, other: HeadParameters, rtol: float = 1e-9) -> None:
    """By what it says of the world; the transform's signs are free."""
    np.testing.assert_allclose(one.mean, other.mean, rtol=rtol, atol=1e-12)
    for a, b in zip(covariances(one), covariances(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.abs(b).max())
    assert one.quality == pytest.approx(other.quality)


PRIOR = distill(summed(fleet(400, seed=1)), "e" * 64)


def test_a_fleet_of_nobody_leaves_the_prior_as_it_is() -> None:
    assert refined(Statistics.empty(DIM), PRIOR, 100.0) is PRIOR


def test_a_prior_of_endless_worth_is_not_moved() -> None:
    assert refined(summed(fleet(50, seed=2)), PRIOR, math.inf) is PRIOR


@pytest.mark.parametrize("strength", [0.0, -1.0, math.nan])
def test_a_worth_that_is_none_is_refused(strength: float) -> None:
    with pytest.raises(ValueError, match="a prior worth"):
        refined(summed(fleet(5, seed=2)), PRIOR, strength)


def test_a_fleet_of_another_dimension_is_refused() -> None:
    with pytest.raises(ValueError, match="does not go with 4"):
        refined(Statistics.empty(4), PRIOR, 10.0)


def test_somebody_alone_moves_the_head_a_little_and_breaks_nothing() -> None:
    one = refined(summed(fleet(1, seed=3)), PRIOR, 1000.0)
    assert np.isfinite(one.transform).all()
    assert (one.beta > 0).all()
    within, prior = covariances(one)[0], covariances(PRIOR)[0]
    assert np.abs(within - prior).max() < 0.05 * np.abs(prior).max()


def test_pictures_that_are_all_alike_tell_nothing_of_the_spread() -> None:
    same = np.tile(np.float32(DIM**-0.5), (6, DIM))
    alike = Statistics.of_person(same, np.full(6, 60, np.float32))
    np.testing.assert_allclose(covariances(refined(alike, PRIOR, 10.0))[0], covariances(PRIOR)[0])


def test_with_ever_more_people_the_head_goes_over_to_what_the_fleet_is_like() -> None:
    other = WITHIN[::-1]
    errors = []
    for people in (10, 100, 2000):
        within, _ = covariances(refined(summed(fleet(people, seed=4, within=other)), PRIOR, 300.0))
        errors.append(np.abs(np.diag(within) - other).max())
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.02  # W is shrunk towards a scaled identity, however many there are


def test_people_one_by_one_give_the_head_of_learning_from_everybody() -> None:
    people = fleet(60, seed=5)
    one_by_one = Statistics.empty(DIM)
    for person in people:
        one_by_one = one_by_one + Statistics.of_person(*person)
    x, norms = (np.concatenate(parts) for parts in zip(*people, strict=True))
    at_once = Statistics.of_people(x, norms, np.repeat(np.arange(60), 6))
    assert_same_head(refined(one_by_one, PRIOR, 300.0), refined(at_once, PRIOR, 300.0))


def test_erasing_somebody_gives_the_head_as_if_they_had_never_been_there() -> None:
    people = fleet(60, seed=6)
    without = summed(people) - Statistics.of_person(*people[17])
    assert_same_head(refined(without, PRIOR, 300.0), refined(summed(people[:17] + people[18:]), PRIOR, 300.0))


def test_the_covariances_of_a_head_are_those_that_it_was_made_of() -> None:
    within, between = covariances(PRIOR)
    transform = PRIOR.transform
    np.testing.assert_allclose(transform @ within @ transform.T, np.eye(DIM), atol=1e-9)
    np.testing.assert_allclose(transform @ between @ transform.T, np.diag(PRIOR.beta), atol=1e-9)
