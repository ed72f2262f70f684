"""Sufficient statistics: adding, taking away and pooling people is exact, whatever the order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.recognition.types import Floats
from trainer.distill import distill
from trainer.statistics import FOLDS, NORM_BINS, Statistics, bin_log_norms, fold_of, norm_bin

DIM = 6
Person = tuple[Floats, Floats]


def person(seed: int, pictures: int) -> Person:
    random = np.random.default_rng(seed)
    centre = random.standard_normal(DIM)
    views = centre + 0.3 * random.standard_normal((pictures, DIM))
    return (views / np.linalg.norm(views, axis=1, keepdims=True)).astype(np.float32), random.uniform(
        20, 90, pictures
    ).astype(np.float32)


def fleet(seeds: list[int]) -> list[Person]:
    return [person(seed, 1 + seed % 5) for seed in seeds]


def pooled(people: list[Person]) -> Statistics:
    total = Statistics.empty(DIM)
    for views, norms in people:
        total = total + Statistics.of_person(views, norms)
    return total


def assert_same(one: Statistics, other: Statistics) -> None:
    for name in Statistics.__slots__:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-9, atol=1e-9, err_msg=name)


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=12, unique=True), st.randoms())
@settings(deadline=None, max_examples=50)
def test_the_order_in_which_people_join_does_not_matter(seeds: list[int], shuffle: object) -> None:
    people = fleet(seeds)
    reordered = list(people)
    shuffle.shuffle(reordered)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    assert_same(pooled(people), pooled(reordered))


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=12, unique=True))
@settings(deadline=None, max_examples=50)
def test_somebody_who_is_erased_leaves_the_sums_as_if_never_there(seeds: list[int]) -> None:
    people = fleet(seeds)
    erased = pooled(people) - Statistics.of_person(*people[0])
    assert_same(erased, pooled(people[1:]))


def test_two_sites_pool_to_what_one_fleet_would_have_been() -> None:
    people = fleet(list(range(20)))
    assert_same(pooled(people[:7]) + pooled(people[7:]), pooled(people))


def test_the_head_of_people_added_one_by_one_is_the_head_of_all_at_once() -> None:
    people = fleet(list(range(40)))
    one_by_one, at_once = distill(pooled(people), "e"), distill(pooled(people[20:]) + pooled(people[:20]), "e")
    np.testing.assert_allclose(one_by_one.beta, at_once.beta, rtol=1e-9)
    np.testing.assert_allclose(np.abs(one_by_one.transform), np.abs(at_once.transform), rtol=1e-6, atol=1e-9)


def test_the_sums_are_what_a_plain_computation_gives() -> None:
    views, norms = person(3, 4)
    sums = Statistics.of_person(views, norms)
    wide = views.astype(np.float64)
    np.testing.assert_allclose(sums.within_scatter / 3, np.cov(wide.T), rtol=1e-9)
    np.testing.assert_allclose(sums.mean_sum, wide.mean(axis=0), rtol=1e-12)
    assert sums.norm_count.sum() == 4
    np.testing.assert_allclose(sums.norm_energy.sum(), np.trace(sums.within_scatter), rtol=1e-9)


def test_one_picture_tells_of_the_mean_and_nothing_of_the_spread() -> None:
    sums = Statistics.of_person(*person(5, 1))
    assert sums.spread_freedom == 0
    assert not sums.within_scatter.any()


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_number_that_is_none_is_refused(broken: float) -> None:
    views, norms = person(1, 3)
    views[1, 2] = broken
    with pytest.raises(ValueError, match="not a finite number"):
        Statistics.of_person(views, norms)


def test_shapes_that_do_not_fit_are_refused() -> None:
    views, norms = person(1, 3)
    with pytest.raises(ValueError, match="a norm for each"):
        Statistics.of_person(views, norms[:2])
    with pytest.raises(ValueError, match="6 and 7 dimensions"):
        Statistics.empty(6) + Statistics.empty(7)


def test_norms_fall_into_bins_whose_middle_is_near_them() -> None:
    norms = np.array([1.5, 20.0, 70.0, 400.0])
    middles = np.exp(bin_log_norms()[norm_bin(norms)])
    np.testing.assert_allclose(middles, norms, rtol=0.04)
    assert norm_bin(np.array([0.0, 1e9])).tolist() == [0, NORM_BINS - 1]


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=12, unique=True), st.randoms())
@settings(deadline=None, max_examples=50)
def test_many_at_once_give_what_one_after_the_other_does(seeds: list[int], shuffle: object) -> None:
    people = fleet(seeds)
    views, norms = (np.concatenate(parts) for parts in zip(*people, strict=True))
    owners = np.repeat(np.array(seeds), [len(views) for views, _ in people])
    order = list(range(len(owners)))
    shuffle.shuffle(order)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    assert_same(Statistics.of_people(views[order], norms[order], owners[order]), pooled(people))


@given(st.lists(st.integers(0, 10_000), min_size=0, max_size=5, unique=True))
@settings(deadline=None, max_examples=20)
def test_sums_come_back_from_bytes_to_the_last_bit(seeds: list[int]) -> None:
    before = pooled(fleet(seeds))
    after = Statistics.from_bytes(before.to_bytes())
    for name in Statistics.__slots__:
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name), err_msg=name)


@pytest.mark.parametrize("damage", [b"", b"DWS1", b"XXXX", b"DWS1" + b"\0" * 40])
def test_bytes_that_are_cut_or_something_else_are_refused(damage: bytes) -> None:
    with pytest.raises(ValueError, match="hold no statistics, or are cut"):
        Statistics.from_bytes(damage)


def test_somebody_stays_in_their_fold_and_the_folds_are_even() -> None:
    folds = [fold_of(f"door-{number}/p_{number}") for number in range(4000)]
    assert fold_of("door-7/p_7") == folds[7]
    assert np.bincount(folds, minlength=FOLDS).min() > 400


def test_pictures_of_one_day_tell_who_somebody_is_and_nothing_of_how_they_change() -> None:
    views, norms = person(3, 4)
    owners = np.zeros(4, np.intp)
    one_day = Statistics.of_people(views, norms, owners, np.zeros(4, np.intp))
    two_days = Statistics.of_people(views, norms, owners, np.array([0, 0, 7, 7]))
    assert one_day.spread_freedom == 0
    assert not one_day.within_scatter.any()
    assert not one_day.norm_energy.any()
    assert one_day.inverse_counts == 1
    np.testing.assert_allclose(one_day.mean_scatter, two_days.mean_scatter)
    assert_same(two_days, Statistics.of_person(views, norms))
