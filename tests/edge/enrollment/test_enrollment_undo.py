from __future__ import annotations

from edge.enrollment.steps import (
    Cancelled,
    Committed,
    Failed,
    Refused,
    Undo,
    Undone,
)
from tests.fakes.enrollment_door import ADA, RULES, Door


def test_a_hold_asks_and_a_second_hold_undoes() -> None:
    door = Door()
    door.hold("ada")
    assert door.patterns == ["ask_undo"]
    assert not door.all(Undo)
    door.wait(2.0)
    door.hold("ada")
    assert door.last(Undo).person == "ada"
    assert not door.all(Undone)
    door.answer(Committed("ada"))
    assert door.all(Undone) == [Undone("ada")]
    assert door.patterns[-1] == "undone"
    assert door.base == "idle"


def test_an_undo_that_nobody_confirms_is_forgotten() -> None:
    door = Door()
    door.hold("ada")
    door.wait(RULES.confirm_within_s)
    assert door.all(Cancelled) == [Cancelled("undo")]
    door.hold("ada")
    assert not door.all(Undo)


def test_nobody_undoes_somebody_they_were_not_asked_about() -> None:
    door = Door()
    door.hold("ada")
    door.hold("bo")
    assert not door.all(Undo)
    door.hold("bo")
    assert door.last(Undo).person == "bo"


def test_with_nothing_to_undo_the_hold_says_so() -> None:
    door = Door()
    door.hold(None)
    assert door.last(Refused).reason == "nothing_to_undo"
    assert not door.session.active


def test_a_policy_holds_for_the_undo_too() -> None:
    door = Door()
    door.hold("ada")
    door.hold("ada", ("not_allowed", "no window is open"))
    assert not door.all(Undo)
    assert door.last(Refused).reason == "not_allowed"


def test_who_holds_too_long_while_enrolling_cancels_and_undoes_nobody() -> None:
    door = Door()
    door.press()
    door.watch(ADA, 0.5)
    door.hold("bo")
    assert door.all(Cancelled) == [Cancelled("enrollment")]
    door.hold("bo")
    assert not door.all(Undo)


def test_an_undo_that_fails_is_told_with_its_reason() -> None:
    door = Door()
    door.hold()
    door.hold()
    door.answer(Failed("the disk is full"))
    assert door.last(Refused).reason == "store_failed"
    assert not door.all(Undone)
