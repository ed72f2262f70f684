"""How sure a difference is: as sure as other people and other strangers would leave it, and no surer."""

from __future__ import annotations

import numpy as np

from tests.fakes.simulated import TRUE, WITHIN, head_of, people
from trainer.dealt import Found, deal, find_all
from trainer.metrics import threshold_at_fpir
from trainer.paired import difference, resampled_fnir

FPIR = 0.01
FACTORS = np.random.default_rng(0).permutation(np.repeat([3.0, 1 / 3], 12))
# Both as wrong as the other, each in its own way.
ONE, OTHER = head_of(WITHIN * FACTORS), head_of(WITHIN / FACTORS)


def found(count: int, seed: int, outside: int = 0) -> tuple[Found, Found]:
    """What the two heads find among other people each time."""
    those = [person.trial() for person in people(count, seed, within=2.2 * WITHIN)]
    strangers = [person.trial() for person in people(outside, seed + 1, within=2.2 * WITHIN)]
    tables = deal(count, min(20, count // 2), 1)
    one, other = (find_all(head.head(), those, strangers, tables, FPIR) for head in (ONE, OTHER))
    return one, other


def test_a_draw_is_what_those_who_were_drawn_would_have_shown_as_often_as_they_were() -> None:
    one, _ = found(30, seed=1, outside=9)
    drawn = np.random.default_rng(2).multinomial(39, np.full(39, 1 / 39), 120).astype(np.int32)
    strangers, enrolled = one.strangers, one.enrolled
    for counts, fnir in zip(drawn, resampled_fnir(one, drawn, FPIR), strict=True):
        threshold = threshold_at_fpir(np.repeat(strangers.top, counts[strangers.person]), FPIR)
        assert fnir == np.repeat(enrolled.missed(threshold), counts[enrolled.person]).mean()


def test_everybody_once_is_what_was_found() -> None:
    one, _ = found(30, seed=1, outside=9)
    assert resampled_fnir(one, np.ones((1, 39), np.int32), FPIR)[0] == one.missed_at(FPIR).mean()


def test_who_makes_up_the_highest_strangers_alone_may_be_drawn_or_not() -> None:
    one, _ = found(30, seed=1)
    drawn = np.zeros((1, 30), np.int32)
    drawn[0, one.strangers.person[np.argsort(one.strangers.top)[0]]] = 1  # whose searches may all be far down
    assert 0 <= resampled_fnir(one, drawn, FPIR)[0] <= 1


def test_the_interval_holds_what_the_heads_differ_by_on_average_as_often_as_it_says() -> None:
    differences = [difference(*found(40, seed), FPIR, 300) for seed in range(100, 125)]
    mean = np.mean([one.value for one in differences])
    assert sum(one.low <= mean <= one.high for one in differences) >= 22  # of 25; with thresholds fixed 16


def test_a_head_does_not_differ_from_itself() -> None:
    one, _ = found(30, seed=1)
    same = difference(one, one, FPIR, 200)
    assert (same.value, same.low, same.high, same.better, same.worse) == (0, 0, 0, 0, 0)


def test_a_head_that_is_plainly_better_is_so_in_every_draw() -> None:
    those = [person.trial() for person in people(40, seed=5)]
    right, wrong = (find_all(h.head(), those, (), deal(40, 20, 2), FPIR) for h in (TRUE, head_of(WITHIN[::-1])))
    shown = difference(right, wrong, FPIR, 300)
    assert shown.high < 0
    assert (shown.better, shown.worse) == (1, 0)
