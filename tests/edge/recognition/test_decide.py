from __future__ import annotations

import math

import pytest

from edge.recognition.decide import decide
from edge.recognition.quality import REASONS
from edge.recognition.types import Candidate, Known, LookAgain, Reason, Stranger

ADA, BOB = Candidate("ada", 0.62), Candidate("bob", 0.41)


def test_the_best_candidate_above_the_threshold_is_known_with_the_margin() -> None:
    assert decide([ADA, BOB], 0.5, None) == Known("ada", 0.62, 0.62 - 0.5)


def test_a_score_at_the_threshold_is_enough() -> None:
    assert decide([ADA], 0.62, None) == Known("ada", 0.62, 0.0)


def test_a_best_candidate_below_the_threshold_makes_a_stranger_with_that_score() -> None:
    assert decide([ADA, BOB], 0.63, None) == Stranger(0.62)


def test_with_nobody_enrolled_everybody_is_a_stranger() -> None:
    assert decide([], math.inf, None) == Stranger(-math.inf)


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("candidates", [[], [ADA, BOB]])
def test_a_poor_picture_is_neither_a_person_nor_a_stranger(reason: Reason, candidates: list[Candidate]) -> None:
    assert decide(candidates, 0.1, reason) == LookAgain(reason)


def test_a_score_that_is_no_number_makes_nobody_known() -> None:
    assert isinstance(decide([Candidate("ada", math.nan)], 0.5, None), Stranger)
