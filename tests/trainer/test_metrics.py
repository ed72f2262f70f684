from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.metrics import (
    Searches,
    best_threshold,
    bootstrap_interval,
    fnir_at_fpir,
    fnir_interval,
    fpir_at,
    pair_accuracy,
    share_interval,
    tar_at_far,
    threshold_at_fpir,
    wilson_interval,
)


def test_each_fold_is_judged_by_the_threshold_of_the_others() -> None:
    # The third fold's scores are shifted up, so that the others' threshold judges its impostors wrongly.
    scores = np.array([0.9, 0.1, 0.8, 0.2, 0.95, 0.7])
    same = np.array([True, False] * 3)
    result = pair_accuracy(scores, same, np.array([0, 0, 1, 1, 2, 2]))
    assert (result.correct, result.total) == (5, 6)
    assert result.right.tolist() == [True, True, True, True, True, False]
    assert result.mean == pytest.approx(5 / 6)
    assert result.interval[0] < result.mean < result.interval[1]


def test_one_fold_has_no_other_to_learn_from() -> None:
    with pytest.raises(ValueError, match="two folds"):
        pair_accuracy(np.array([0.5]), np.array([True]), np.array([0]))


def test_the_best_threshold_lies_between_the_classes() -> None:
    assert best_threshold(np.array([0.1, 0.2, 0.6, 0.8]), np.array([False, False, True, True])) == pytest.approx(0.4)


def test_at_most_the_allowed_share_of_impostors_is_let_in() -> None:
    impostors, genuine = np.arange(1000) / 1000, np.array([0.9995, 0.9985, 0.998, 0.5])
    scores = np.concatenate([impostors, genuine])
    same = np.array([False] * 1000 + [True] * 4)
    tar, threshold = tar_at_far(scores, same, 1e-3)
    assert (impostors > threshold).mean() == pytest.approx(1e-3)
    assert tar == 0.5


def test_a_rate_without_impostors_is_refused() -> None:
    with pytest.raises(ValueError, match="impostor"):
        tar_at_far(np.array([0.5]), np.array([True]), 1e-3)


@given(st.integers(1, 5000), st.data())
def test_the_wilson_interval_holds_the_share_and_stays_in_bounds(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    low, high = wilson_interval(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    assert low < high


def test_the_wilson_interval_is_the_published_one() -> None:
    # Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_the_bootstrap_of_a_mean_covers_it_and_repeats() -> None:
    values = np.random.default_rng(1).normal(3, 1, 400)
    low, high = bootstrap_interval(lambda drawn: float(values[drawn].mean()), 400)
    assert low < 3 < high
    assert high - low == pytest.approx(4 * 1 / 20, rel=0.2)
    assert (low, high) == bootstrap_interval(lambda drawn: float(values[drawn].mean()), 400)


def searches(*tops: float, right: Sequence[bool] | None = None, person: Sequence[int] | None = None) -> Searches:
    count = len(tops)
    return Searches(
        np.array(tops, np.float64),
        np.array([True] * count if right is None else right),
        np.array(range(count) if person is None else person),
    )


def test_a_search_misses_below_the_threshold_or_with_somebody_else_at_rank_1() -> None:
    found = searches(0.9, 0.9, 0.5, -np.inf, right=[True, False, True, False])
    assert found.missed(0.6).tolist() == [False, True, True, True]
    assert found.missed(0.5).tolist() == [False, True, False, True]
    assert found.of(np.array([True, False, True, False])).missed(0.6).tolist() == [False, True]


def test_fnir_is_taken_where_no_more_strangers_are_named_than_allowed() -> None:
    strangers = np.arange(100) / 100  # 0.99 is the highest
    rate, threshold = fnir_at_fpir(searches(0.985, 0.98, 0.5, 0.99), strangers, 0.01)
    assert fpir_at(strangers, threshold) == 0.01
    assert 0.98 < threshold < 0.985
    assert rate == 0.5


def test_a_target_finer_than_the_strangers_names_none_of_them() -> None:
    strangers = np.array([0.1, 0.7, 0.3], np.float32)
    threshold = threshold_at_fpir(strangers, 0.001)
    assert fpir_at(strangers, threshold) == 0
    assert threshold == pytest.approx(0.7)
    assert threshold > 0.7 - 1e-6


def test_a_target_of_all_names_everybody() -> None:
    assert threshold_at_fpir(np.array([0.1, 0.2]), 1.0) == -np.inf


def test_strangers_of_one_score_are_all_named_or_none() -> None:
    strangers = np.full(10, 0.4)
    assert fpir_at(strangers, threshold_at_fpir(strangers, 0.5)) == 0


@given(
    st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=60),
    st.floats(0.0, 1.0),
    st.lists(st.floats(-50, 50), min_size=1, max_size=20),
)
def test_the_threshold_never_lets_in_more_than_the_target_and_is_the_lowest_such(
    strangers: list[float], target: float, tops: list[float]
) -> None:
    scores = np.array(strangers, np.float32)
    rate, threshold = fnir_at_fpir(searches(*tops), scores, target)
    assert fpir_at(scores, threshold) <= target + 1e-9
    assert 0 <= rate <= 1
    lower = scores[scores < threshold]
    if len(lower):
        assert fpir_at(scores, float(lower.max())) > target - 1e-9


def test_rates_without_searches_or_strangers_are_refused() -> None:
    with pytest.raises(ValueError, match="searches"):
        fnir_at_fpir(searches(), np.array([0.5]), 0.01)
    with pytest.raises(ValueError, match="strangers"):
        fnir_at_fpir(searches(0.5), np.array([]), 0.01)


def test_the_interval_over_people_is_wider_where_their_pictures_fail_together() -> None:
    strangers = np.zeros(50)
    fails = np.repeat([1.0] * 16 + [-1.0] * 4, 10)  # 20 people, 10 pictures each, all or none recognized
    together = fnir_interval(searches(*fails, person=np.repeat(range(20), 10).tolist()), strangers, 0.01)
    apart = fnir_interval(searches(*fails), strangers, 0.01)
    assert together[0] < 0.2 < together[1]
    assert together[1] - together[0] > 2 * (apart[1] - apart[0])
    assert together == fnir_interval(searches(*fails, person=np.repeat(range(20), 10).tolist()), strangers, 0.01)


def test_the_interval_takes_in_that_the_threshold_is_a_few_strangers() -> None:
    found = searches(*np.linspace(0, 1, 200))
    few = fnir_interval(found, np.linspace(0, 0.5, 10), 0.1)
    many = fnir_interval(found, np.linspace(0, 0.5, 1000), 0.1)
    assert few[1] - few[0] > 1.5 * (many[1] - many[0])


def test_the_interval_of_a_share_counts_people_not_pictures() -> None:
    hits, person = np.array([True] * 50 + [False] * 50), np.repeat([3, 8], 50)
    assert share_interval(hits, person) == (0.0, 1.0)
    low, high = share_interval(hits, np.arange(100))
    assert 0.38 < low < 0.5 < high < 0.62
