from __future__ import annotations

import itertools
import json

import pytest

from edge.enrollment.panel_patterns import NAMES, PATTERNS, Channel, Colour, PatternName, Step, base_pattern, lit
from edge.enrollment.refusals import REASONS, class_of, hint_pattern, refused_pattern, sentence


def rhythm(name: PatternName) -> str:
    """What one single LED and nothing else tells: when it shines and when not, to 50 ms, and whether it goes on."""
    runs: list[list[float]] = []
    for step in PATTERNS[name].steps:
        shines = float(step.colour != "off")
        if runs and runs[-1][0] == shines:
            runs[-1][1] += step.seconds
        else:
            runs.append([shines, step.seconds])
    return json.dumps([PATTERNS[name].repeats, [[shines, round(seconds / 0.05)] for shines, seconds in runs]])


def test_every_pattern_has_a_rhythm_of_its_own_for_a_single_led() -> None:
    rhythms = {name: rhythm(name) for name in NAMES}
    assert set(PATTERNS) == set(NAMES)
    same = [pair for pair in itertools.combinations(NAMES, 2) if rhythms[pair[0]] == rhythms[pair[1]]]
    assert same == []


def test_a_refusal_counts_its_class_out() -> None:
    def short_tones(name: PatternName) -> int:
        return sum(step.buzzer and step.seconds < 0.3 for step in PATTERNS[name].steps)

    order: list[PatternName] = ["refused_face", "refused_light", "refused_policy", "refused_store", "refused_known"]
    assert [short_tones(name) for name in order] == [1, 2, 3, 4, 5]


def test_what_is_played_once_ends_dark_and_silent_and_soon() -> None:
    for name in NAMES:
        pattern = PATTERNS[name]
        if not pattern.repeats:
            assert pattern.steps[-1].colour == "off", name
            assert not pattern.steps[-1].buzzer, name
            assert pattern.seconds <= 3.5, name


def test_only_the_question_makes_a_noise_for_as_long_as_it_lasts() -> None:
    noisy = [name for name in NAMES if PATTERNS[name].repeats and any(s.buzzer for s in PATTERNS[name].steps)]
    assert noisy == ["ask_undo"]


@pytest.mark.parametrize(
    ("colour", "there", "shining"),
    [
        ("off", ["red", "green", "blue"], []),
        ("blue", ["red", "green", "blue"], ["blue"]),
        ("yellow", ["red", "green", "blue"], ["red", "green"]),
        ("blue", ["red", "green"], ["red", "green"]),
        ("white", ["red", "green"], ["red", "green"]),
        ("red", ["green"], ["green"]),
        ("yellow", ["green"], ["green"]),
        ("red", [], []),
        ("off", ["green"], []),
    ],
)
def test_a_colour_on_the_leds_that_are_there(colour: Colour, there: list[Channel], shining: list[Channel]) -> None:
    assert lit(colour, there) == set(shining)


def test_a_lost_camera_shows_before_all_else() -> None:
    assert base_pattern("looking", camera_lost=True, degraded=True) == "camera_lost"


def test_a_session_shows_before_lesser_trouble() -> None:
    assert base_pattern("looking", camera_lost=False, degraded=True) == "looking"
    assert base_pattern("idle", camera_lost=False, degraded=True) == "degraded"
    assert base_pattern("idle", camera_lost=False, degraded=False) == "idle"


def test_every_reason_has_a_sentence_of_its_own_and_a_pattern() -> None:
    sentences = [sentence(reason) for reason in REASONS]
    assert len(set(sentences)) == len(REASONS)
    for reason in REASONS:
        assert "\n" not in sentence(reason)
        assert not sentence(reason).endswith(".")
        assert PATTERNS[refused_pattern(reason)].steps[0] == Step(0.6, "red", True)
        assert PATTERNS[hint_pattern(reason)].repeats


def test_light_and_stance_have_hints_of_their_own() -> None:
    assert hint_pattern("too_dark") == "hint_light"
    assert hint_pattern("several_faces") == "hint_face"
    assert {class_of(reason) for reason in REASONS} == {"face", "light", "policy", "store", "known"}
