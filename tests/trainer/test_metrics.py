from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.metrics import best_threshold, bootstrap_interval, pair_accuracy, tar_at_far, wilson_interval


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
