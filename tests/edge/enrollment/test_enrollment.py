from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from edge.contract.messages import EnrollmentReason
from edge.enrollment.panel_patterns import PatternName
from edge.enrollment.refusals import REASONS, Reason
from edge.enrollment.steps import (
    Cancelled,
    Committed,
    Done,
    Failed,
    Progress,
    Refused,
    Store,
    Wish,
)
from edge.recognition.types import Frame
from tests.fakes.enrollees import Enrollee, model
from tests.fakes.enrollment_door import ADA, BO, RULES, SHOTS, TIMEOUT_S, Door


def test_a_press_and_two_seconds_before_the_camera_enroll_a_person() -> None:
    door = Door()
    door.press()
    door.watch(ADA, 2.0)
    order = door.last(Store)
    assert len(order.shots) == SHOTS
    assert not order.provisional
    assert order.name is None
    assert [step.shots for step in door.all(Progress) if step.state == "shot_taken"] == [1, 2, 3, 4]
    assert not door.all(Done), "nothing is done before it is stored"
    door.answer(Committed("person-7"))
    assert door.all(Done) == [Done("person-7", provisional=False, renewed=False)]
    assert door.patterns[-1] == "done"
    assert door.base == "idle"
    assert not door.session.active


def test_a_name_from_the_request_goes_to_the_store() -> None:
    door = Door()
    door.request(Wish(name="Ada Lovelace"))
    door.watch(ADA, 2.0)
    assert door.last(Store).name == "Ada Lovelace"


def test_shots_keep_the_frame_they_were_taken_from() -> None:
    door = Door()
    door.press()
    frames = []
    for number in range(40):
        if door.session.looking:
            frames.append(Frame(np.zeros((1, 1, 3), np.uint8), door.now_s, number))
            door.frame(ADA.probe(), frame=frames[-1])
    assert [shot.frame in frames for shot in door.last(Store).shots] == [True] * SHOTS


def test_pressing_again_cancels_and_stores_nothing() -> None:
    door = Door()
    door.press()
    door.watch(ADA, 0.5)
    door.press()
    door.watch(ADA, 5.0)
    assert door.all(Cancelled) == [Cancelled("enrollment")]
    assert not door.all(Store)
    assert door.patterns[-1] == "cancelled"
    assert door.base == "idle"


def test_who_presses_as_a_night_session_becomes_complete_has_cancelled_it() -> None:
    door = Door()
    door.press()
    for _ in range(50):
        door.frame(ADA.by_night())
    door.now_s += TIMEOUT_S
    door.press()
    door.wait(1.0)
    assert not door.all(Store)


def test_a_request_finds_the_session_before_it_complete_and_does_not_lose_its_shots() -> None:
    door = Door()
    door.press()
    for _ in range(50):
        door.frame(ADA.by_night())
    door.now_s += TIMEOUT_S / 2
    door.request(Wish(name="Bo"))
    assert door.last(Refused).reason == "busy"
    assert len(door.all(Store)) == 1


def test_after_a_cancelled_session_a_press_begins_with_no_shots() -> None:
    door = Door()
    door.press()
    door.watch(ADA, 1.0)
    door.press()
    door.press()
    door.watch(BO, 5.0)
    shots = door.last(Store).shots
    assert min(float(shot.probe.embedding.x @ BO.still().embedding.x) for shot in shots) > 0.8


def test_a_request_waits_its_turn_and_cancels_nobody() -> None:
    door = Door()
    door.press()
    door.watch(ADA, 0.5)
    door.request(Wish(name="Bo"))
    assert door.last(Refused).reason == "busy"
    door.watch(ADA, 2.0)
    assert door.last(Store).name is None


def test_nobody_is_told_done_when_the_store_fails() -> None:
    door = Door()
    door.press()
    door.watch(ADA, 2.0)
    door.answer(Failed("the disk is full"))
    assert not door.all(Done)
    refused = door.last(Refused)
    assert refused.reason == "store_failed"
    assert "the disk is full" in refused.message()
    assert door.patterns[-1] == "refused_store"
    assert not door.session.active


def test_a_store_that_never_answers_is_told_as_a_failure() -> None:
    door = Door()
    door.press()
    door.watch(ADA, 2.0)
    door.wait(RULES.answer_within_s)
    assert door.last(Refused).reason == "store_failed"
    assert not door.session.active


def test_an_answer_that_comes_late_is_told_and_leaves_the_next_session_alone() -> None:
    door = Door()
    door.press()
    door.watch(ADA, 2.0)
    ticket = door.last(Store).ticket
    door.wait(RULES.answer_within_s)
    door.press()
    door.watch(BO, 0.5)
    door.answer(Committed("person-7"), ticket)
    assert door.last(Done).person == "person-7"
    assert door.session.looking
    assert door.base == "looking"


def test_an_answer_that_comes_late_does_not_end_the_wait_for_the_next_order() -> None:
    door = Door()
    for who in (ADA, BO):
        door.press()
        door.watch(who, 2.0)
        if who is ADA:
            door.wait(RULES.answer_within_s)
    first, second = door.all(Store)
    door.answer(Committed("ada"), first.ticket)
    assert door.session.active
    door.answer(Committed("bo"), second.ticket)
    assert [done.person for done in door.all(Done)] == ["ada", "bo"]
    assert not door.session.active


@pytest.mark.parametrize("ticket", [0, 1, 99])
def test_an_answer_to_no_order_is_nothing(ticket: int) -> None:
    door = Door()
    door.press()
    door.answer(Committed("person-7"), ticket)
    assert not door.all(Done)
    assert door.session.looking


def test_an_answer_that_comes_twice_is_told_once() -> None:
    door = Door()
    door.press()
    door.watch(ADA, 2.0)
    door.answer(Committed("person-7"))
    door.answer(Committed("person-7"))
    assert len(door.all(Done)) == 1


def test_a_press_while_the_templates_are_written_changes_nothing() -> None:
    door = Door()
    door.press()
    door.watch(ADA, 2.0)
    door.press()
    door.hold()
    assert not door.all(Cancelled)
    door.answer(Committed("person-7"))
    assert len(door.all(Done)) == 1


def test_somebody_enrolled_already_is_refused_with_their_id() -> None:
    door = Door(model=model(ADA, BO))
    door.press()
    door.watch(BO, 2.0)
    refused = door.last(Refused)
    assert (refused.reason, refused.person) == ("already_enrolled", "Bo")
    assert refused.message("Bo B.") == "this person is enrolled already as Bo B."
    assert door.patterns[-1] == "refused_known"
    assert not door.all(Store)


def test_a_newcomer_among_others_is_no_duplicate() -> None:
    door = Door(model=model(*(Enrollee(f"person {number}") for number in range(20))))
    door.press()
    door.watch(ADA, 2.0)
    assert door.last(Store).renews is None


def test_a_provisional_enrollment_can_be_made_good_by_day() -> None:
    door = Door(model=model(ADA, BO))
    door.press(Wish(renewable=frozenset({"Ada"})))
    door.watch(ADA, 2.0)
    assert door.last(Store).renews == "Ada"
    door.answer(Committed("Ada"))
    assert door.last(Done) == Done("Ada", provisional=False, renewed=True)


def test_a_twin_can_be_enrolled_anyway() -> None:
    door = Door(model=model(ADA))
    door.request(Wish(name="Ada's twin", anyway=True))
    door.watch(ADA, 2.0)
    assert door.last(Store).renews is None


@pytest.mark.parametrize(
    ("refusal", "pattern"),
    [
        (("not_allowed", "no window is open"), "refused_policy"),
        (("store_failed", "the disk is full"), "refused_store"),
    ],
)
def test_what_forbids_an_enrollment_is_told_at_the_press(refusal: tuple[Reason, str], pattern: PatternName) -> None:
    door = Door()
    door.press(Wish(refusal=refusal))
    assert not door.session.active
    assert refusal[1] in door.last(Refused).message()
    assert door.patterns[-1] == pattern


def test_a_window_that_closes_does_not_keep_anybody_from_cancelling() -> None:
    door = Door()
    door.press()
    door.press(Wish(refusal=("not_allowed", "no window is open")))
    assert door.all(Cancelled)


def test_a_press_leaves_the_question_and_enrolls_nobody() -> None:
    door = Door()
    door.hold("ada")
    door.press()
    assert door.all(Cancelled) == [Cancelled("undo")]
    assert not door.session.active


def test_frames_without_a_session_are_nothing() -> None:
    door = Door()
    door.watch(ADA, 1.0)
    door.frame(ADA.probe())
    assert door.said == []


def test_the_reasons_are_those_of_the_wire() -> None:
    assert set(REASONS) == set(get_args(EnrollmentReason))
