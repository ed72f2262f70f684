"""Requests that need a running door: what they answer, and what the door does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.contract.codec import from_object
from edge.contract.messages import DoorState, Request, Response
from edge.enrollment.policy import PolicyName
from edge.errors import RefusedError, StoreError
from edge.settings.slices import EnrollmentSettings
from tests.fakes.door import Door, Film, door_in, failing, film, settings_in
from tests.fakes.templates import NOW, picture


def enroll(door: Door, name: str) -> str:
    return door.roster.enroll(name, [picture(1)], NOW, verified=True).id


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


def test_cancelling_says_what_was_given_up_and_refuses_where_nothing_goes_on(door: Door) -> None:
    refused = ask(door, "cancel")
    assert (refused.error, refused.code) == ("there is nothing to cancel", RefusedError.exit_code)
    ask(door, "enroll")
    assert ask(door, "cancel").data == {"state": "cancelled", "of": "enrollment"}
    assert [step.state for step in door.enrollments()] == ["looking", "cancelled"]


def test_a_hold_where_there_is_nothing_to_undo_is_refused(door: Door) -> None:
    refused = ask(door, "undo_press")
    assert (refused.error, refused.code) == ("there is no enrollment to undo", RefusedError.exit_code)
    assert [(step.state, step.reason) for step in door.enrollments()] == [("refused", "nothing_to_undo")]


def test_a_hold_says_that_the_door_asks_and_the_second_that_it_is_undone(door: Door) -> None:
    ada = enroll(door, "Ada")
    assert ask(door, "undo_press").data == {"state": "asking", "person": ada, "name": "Ada"}
    assert ask(door, "undo_press").data == {"state": "undone", "person": ada}
    assert not door.roster.people


def test_a_hold_while_somebody_is_enrolled_says_that_it_cancelled(door: Door) -> None:
    enroll(door, "Ada")
    ask(door, "enroll")
    assert ask(door, "undo_press").data == {"state": "cancelled", "of": "enrollment"}
    assert len(door.roster.people) == 1


def test_a_hold_that_the_disk_does_not_take_is_the_store_s_failure(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    enroll(door, "Ada")
    ask(door, "undo_press")
    monkeypatch.setattr(door.roster, "undo", failing(door.roster.undo))
    refused = ask(door, "undo_press")
    assert refused.code == StoreError.exit_code
    assert "the disk is full" in (refused.error or "")


def test_a_name_that_is_taken_is_refused_at_the_door_too_unless_by_force(door: Door) -> None:
    ada = enroll(door, "Ada")
    refused = ask(door, "enroll", {"name": " aDA"})
    assert (refused.error, refused.code) == (f"{ada} is called Ada already; use another name, or --force", 9)
    assert not door.enrollments()
    assert ask(door, "enroll", {"name": "Ada", "force": True}).error is None


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
