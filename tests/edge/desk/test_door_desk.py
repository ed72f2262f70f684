"""Requests that need a running door: what they answer, and what the door does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.contract.codec import from_object
from edge.contract.messages import DoorState, Request, Response
from edge.enrollment.policy import PolicyName
from edge.settings.slices import EnrollmentSettings
from tests.fakes.door import Door, Film, door_in, film, settings_in


def ask(door: Door, verb: str, data: dict[str, Any] | None = None) -> Response:
    return door.desk.answer(Request(verb=verb, data=data or {}), local=False)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with door_in(settings_in(tmp_path), Film(film())) as made:
        yield made


def test_enrolling_answers_with_the_session_that_its_messages_bear(door: Door) -> None:
    answer = ask(door, "enroll", {"name": "Ada"})
    assert answer.error is None
    assert [(step.session, step.state) for step in door.enrollments()] == [(answer.data["session"], "looking")]


def test_a_second_one_is_refused_while_the_first_goes_on(door: Door) -> None:
    ask(door, "enroll")
    assert ask(door, "enroll").error == "another enrollment is going on; wait for its end"
    assert len(door.enrollments()) == 1


def test_cancelling_is_answered_also_where_nothing_goes_on(door: Door) -> None:
    assert ask(door, "cancel").error is None
    ask(door, "enroll")
    assert ask(door, "cancel").error is None
    assert [step.state for step in door.enrollments()] == ["looking", "cancelled"]


def test_a_hold_asks_for_an_undo(door: Door) -> None:
    assert ask(door, "undo_press").error is None
    assert [(step.state, step.reason) for step in door.enrollments()] == [("refused", "nothing_to_undo")]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({"name": ""}, "enroll: key 'name': must have 1 to 64 characters, found 0"),
        ({"name": "\t "}, "a person's name may not be empty"),
        ({"who": "Ada"}, "enroll: key 'who': is not known"),
        ({"name": 7}, "enroll: key 'name': must be text, found a number"),
    ],
)
def test_a_request_of_another_form_enrolls_nobody(door: Door, data: dict[str, Any], error: str) -> None:
    assert ask(door, "enroll", data).error == error
    assert not door.enrollments()


def test_a_window_opens_and_closes(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, enrollment=EnrollmentSettings(policy="window"))
    with door_in(settings, Film(film())) as door:
        assert ask(door, "enroll").error == "enrolling is not allowed now: no window is open; an operator can open one"
        assert ask(door, "window", {"seconds": 60}).data == {"seconds": 60.0}
        assert ask(door, "enroll").error is None
        ask(door, "cancel")
        ask(door, "window", {"seconds": 0})
        assert ask(door, "enroll").error is not None
        assert (
            ask(door, "window", {"seconds": 1e9}).error
            == "window: key 'seconds': must be from 0 to 3600, found 1000000000.0"
        )


@pytest.mark.parametrize("policy", ["open", "sponsor"])
def test_a_window_that_makes_no_difference_is_answered_so(tmp_path: Path, policy: PolicyName) -> None:
    settings = settings_in(tmp_path, enrollment=EnrollmentSettings(policy=policy))
    with door_in(settings, Film(film())) as door:
        note = f"it makes no difference, because the policy is {policy}"
        assert ask(door, "window", {"seconds": 60}).data == {"seconds": 60.0, "note": note}


def test_the_status_is_the_state_message(door: Door) -> None:
    state = from_object("state", DoorState, dict(ask(door, "status").data))
    assert (state.door, state.people, state.degraded) == ("front", 0, ())
