"""The demonstration's script, told to its director event by event."""

from __future__ import annotations

from typing import Any

import pytest

from edge.contract.messages import RecognitionEvent
from edge.demo.story import STORY, Director
from tests.fakes.messages import new_event

NEAR, FAR = 120.0, 50.0


def event(phase: str, outcome: str = "stranger", name: str | None = None) -> RecognitionEvent:
    changes: dict[str, Any] = {"phase": phase, "outcome": outcome, "name": name}
    return new_event(**changes)


def play(director: Director, *, wrong: int | None = None) -> list[bool]:
    """The whole story as it must be but for one scene; whether the key was pressed in each."""
    pressed = []
    for number, scene in enumerate(STORY):
        director.saw(event("started"))
        pressed.append(director.presses_now(NEAR))
        outcome, name = scene.expected if number != wrong else ("stranger", "Nobody")
        director.saw(event("ended", outcome, name))
    return pressed


def test_every_picture_of_the_story_is_shipped() -> None:
    assert STORY
    assert all(scene.path.is_file() for scene in STORY)


def test_the_story_shows_enrolling_returning_and_a_stranger() -> None:
    named = [scene.expected[1] for scene in STORY if scene.name]
    assert len(named) >= 2
    assert any(scene.expected[0] == "stranger" for scene in STORY)
    back = [scene for scene in STORY if scene.name is None and scene.expected[0] == "known"]
    assert back
    assert {scene.expected[1] for scene in back} <= set(named)


def test_the_key_is_pressed_once_in_each_scene_that_wants_it() -> None:
    director = Director(STORY)
    assert play(director) == [scene.name is not None for scene in STORY]
    assert director.complete


def test_nobody_presses_before_somebody_has_come_near() -> None:
    director = Director(STORY)
    assert not director.presses_now(NEAR)
    director.saw(event("started"))
    assert not director.presses_now(FAR)
    assert director.presses_now(NEAR)
    assert not director.presses_now(NEAR)


def test_what_was_heard_is_counted() -> None:
    director = Director(STORY)
    for phase in ("started", "updated", "ended"):
        director.saw(event(phase))
    assert director.heard == 3
    assert [ended.right for ended in director.ended] == [False]


@pytest.mark.parametrize("wrong", range(len(STORY)))
def test_one_wrong_visit_spoils_it(wrong: int) -> None:
    director = Director(STORY)
    play(director, wrong=wrong)
    assert not director.complete
    assert [ended.right for ended in director.ended] == [number != wrong for number in range(len(STORY))]


def test_a_story_that_breaks_off_is_not_complete() -> None:
    director = Director(STORY)
    assert not director.complete
    director.saw(event("started"))
    director.saw(event("ended", *STORY[0].expected))
    assert not director.complete


def test_more_visits_than_scenes_are_nothing_to_press_at() -> None:
    director = Director(STORY)
    play(director)
    director.saw(event("started"))
    assert director.scene is None
    assert not director.presses_now(NEAR)
