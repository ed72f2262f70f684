"""A trial's judgement: as many known and as clearly as before, enough of them, and long enough; else it ends."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pytest

from edge.recognition.types import Decision, Known, LookAgain, Stranger
from edge.recognition.visit import Phase, VisitEvent
from edge.update.trial import Judgement, TrialRules, Visits, judge, seen
from tests.fakes.probes import Actor, active_model, plda_head

ADA, BOB = Actor("ada"), Actor("bob")
MODEL = active_model(ADA, BOB, head=plda_head(), target=0.01)
RULES = TrialRules(least_s=600.0, visits=10, longest_s=7200.0)
BEFORE = Visits(reaches=(1.0,) * 18 + (None,) * 2)


def visits(*reaches: float | None) -> Visits:
    return Visits(reaches=reaches)


def ended(decision: Decision, *, phase: Phase = "ended", provisional: bool = False) -> VisitEvent:
    return VisitEvent(phase, "visit-1", decision, None, provisional, 1.0, 2.0, 5, 5, ADA.at(100))


def judged(now: Visits, lasted_s: float = 600.0, *, before: Visits = BEFORE, age_s: float | None = 0.1) -> str:
    return judge(now, before, RULES, lasted_s, age_s).act


def test_as_good_as_before_is_committed_when_time_and_visits_are_there() -> None:
    good = visits(*(1.0,) * 10)
    assert judge(good, BEFORE, RULES, 600.0, 0.1) == Judgement("commit")
    assert judged(good, 599.9) == "wait"
    assert judged(visits(*(1.0,) * 9)) == "wait"


def test_a_quiet_door_commits_after_the_longest_time_and_not_before() -> None:
    assert judged(visits(), 7199.0) == "wait"
    assert judged(visits(), 7200.0) == "commit"


@pytest.mark.parametrize("age_s", [None, 61.0, math.inf])
def test_nothing_is_committed_while_no_frames_flow(age_s: float | None) -> None:
    assert judged(visits(*(1.0,) * 20), 10_000.0, age_s=age_s) == "wait"


def test_usual_visitors_who_are_strangers_now_end_the_trial_at_once() -> None:
    found = judge(visits(None, None, None, None, 1.0), BEFORE, RULES, 1.0, 0.1)
    assert found == Judgement("give_up", "of 5 visitors 20% were known, 90% of 20 before")


def test_usual_visitors_who_are_known_less_clearly_end_the_trial() -> None:
    found = judge(visits(*(0.3,) * 5), BEFORE, RULES, 1.0, 0.1)
    assert found == Judgement("give_up", "known visitors reach 0.30 above the threshold in the median, 1.00 before")
    assert judged(visits(*(0.55,) * 10)) == "commit"


def test_four_visits_prove_nothing_and_neither_do_four_before() -> None:
    assert judged(visits(*(None,) * 4), 1.0) == "wait"
    assert judged(visits(*(None,) * 20), before=visits(1.0, 1.0, 1.0, 1.0)) == "commit"


def test_a_few_strangers_more_are_chance() -> None:
    assert judged(visits(*(1.0,) * 7, *(None,) * 3)) == "commit"


def test_an_equal_head_is_hardly_ever_given_up() -> None:
    """Visits of one door drawn twice: at every moment of a thousand trials of ten visits."""
    dice, given_up = random.Random(1), 0
    for _ in range(1000):
        share = dice.uniform(0.3, 1.0)

        def draw(share: float = share) -> float | None:
            return dice.lognormvariate(0.0, 0.5) if dice.random() < share else None

        before, now = visits(*(draw() for _ in range(40))), [draw() for _ in range(10)]
        given_up += any(judged(visits(*now[:n]), 1.0, before=before) == "give_up" for n in range(5, 11))
    assert given_up <= 20


def test_of_visits_only_firm_answers_at_their_end_are_remembered() -> None:
    known = Known("ada", MODEL.threshold + 2.0, 2.0)
    kept = Visits()
    for event in (
        ended(known, phase="started"),
        ended(known, phase="updated"),
        ended(known, provisional=True),
        ended(LookAgain("blurred")),
    ):
        kept = seen(kept, event, MODEL)
    assert len(kept) == 0
    kept = seen(seen(kept, ended(known), MODEL), ended(Stranger(-3.0)), MODEL)
    median = float(np.median(MODEL.ceiling.best))
    assert kept.known == pytest.approx([2.0 / (MODEL.threshold - median)])
    assert kept.reaches[1:] == (None,)


def test_where_nobody_is_enrolled_strangers_tell_nothing() -> None:
    assert len(seen(Visits(), ended(Stranger(-math.inf)), active_model(head=plda_head()))) == 0


def test_a_head_whose_scores_are_on_another_scale_has_the_same_reach() -> None:
    twice = replace(MODEL, threshold=2 * MODEL.threshold, ceiling=replace(MODEL.ceiling, best=2 * MODEL.ceiling.best))
    one = seen(Visits(), ended(Known("ada", 9.0, 3.0)), MODEL)
    other = seen(Visits(), ended(Known("ada", 18.0, 6.0)), twice)
    assert other.known == pytest.approx(one.known)


def test_the_last_visits_are_remembered_over_a_restart_and_hold_no_name() -> None:
    kept = Visits()
    for number in range(100):
        kept = kept.with_visit(number / 7 if number % 3 else None)
    assert len(kept) == 64
    payload = kept.to_json()
    assert Visits.from_json(payload) == kept
    assert b"ada" not in payload
