"""Both TFLite runtimes tell the same people apart, each in a process of its own. Other machines: tests/device."""

from __future__ import annotations

import importlib.util

import pytest

from tests.fakes.identities import Answer, beyond_tolerance, differences, told_across, told_here

RUNTIMES = {"ai-edge-litert": "ai_edge_litert", "tflite-runtime": "tflite_runtime"}
MISSING = [name for name, module in RUNTIMES.items() if importlib.util.find_spec(module) is None]
A, B, STRANGER = ("known", "A"), ("known", "B"), ("stranger", None)

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.skipif(bool(MISSING), reason=f"{' and '.join(MISSING)} not installed: there are not two to compare"),
]


@pytest.fixture(scope="module")
def answers() -> tuple[Answer, Answer]:
    litert, floor = (told_here(name) for name in RUNTIMES)
    return litert, floor


def test_each_runtime_is_the_one_that_was_asked_for(answers: tuple[Answer, Answer]) -> None:
    assert [answer.runtime.split()[0] for answer in answers] == list(RUNTIMES)


def test_whole_and_half_hidden_faces_are_told_and_pictures_of_things_show_nobody(
    answers: tuple[Answer, Answer],
) -> None:
    for answer in answers:
        assert answer.identities == {
            "astronaut.jpg": [STRANGER],
            "biden.jpg": [B],
            "brick.jpg": [],
            "chelsea.jpg": [],
            "coffee.jpg": [],
            "obama.jpg": [A],
            "obama2.jpg": [A],
            "obama3.jpg": [A],
            "obama_partial_face.jpg": [A],
            "obama_partial_face2.jpg": [A],
            "rocket.jpg": [],
        }


def test_who_walks_up_is_told_by_both(answers: tuple[Answer, Answer]) -> None:
    assert [answer.visits for answer in answers] == [[A, STRANGER]] * 2


def test_templates_of_one_runtime_serve_the_other(answers: tuple[Answer, Answer]) -> None:
    litert, floor = answers
    assert told_across(litert, floor) == told_across(floor, litert) == litert.identities


def test_scores_differ_within_the_stated_tolerance(answers: tuple[Answer, Answer]) -> None:
    litert, floor = answers
    assert differences(litert, floor)["pictures"].angle > 0, "equal to the last bit: the same runtime answered twice"
    assert beyond_tolerance(litert, floor) == []
