"""From a visit's event to the message: what it says of each decision, and what it keeps to itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from edge.contract.messages import RecognitionEvent
from edge.events import PersonLabel, Telling, clock_set, message_of
from edge.recognition.types import Decision, Known, LookAgain, Stranger
from edge.recognition.visit import VisitEvent
from tests.fakes.door import BEGIN_S, NOW_S, SetClock
from tests.fakes.enrollees import Enrollee

ID = UUID("6a3f0c4e-9d0b-4a52-8a55-0f6f2c1d7e90")
PEOPLE = {"p_ada": PersonLabel("Ada Lovelace", verified=True)}
TELLING = Telling("front", "fake 1.0", names=True)


def event_of(decision: Decision, **changes: object) -> VisitEvent:
    plain = VisitEvent(
        phase="started",
        visit="visit-1",
        decision=decision,
        stranger=None,
        provisional=False,
        started_s=BEGIN_S - 10,
        last_seen_s=BEGIN_S - 4,
        frames=9,
        good_frames=4,
        best=Enrollee("Ada").probe(width_px=120.0, away=5.0, brightness=120.0, sharpness=200.0),
    )
    return replace(plain, **changes)  # type: ignore[arg-type] # each is the field that its name says


def told(event: VisitEvent, telling: Telling = TELLING, clock: SetClock | None = None) -> RecognitionEvent:
    message = message_of(event, telling, "factory", PEOPLE, clock or SetClock(), lambda: ID)
    assert RecognitionEvent.from_json(message.to_json()) == message
    return message


def test_somebody_known_is_told_with_name_score_and_margin() -> None:
    message = told(event_of(Known("p_ada", 41.5, 12.25)))
    assert (message.event, message.visit, message.door, message.phase) == (ID, "visit-1", "front", "started")
    assert (message.outcome, message.person, message.name, message.verified) == ("known", "p_ada", "Ada Lovelace", True)
    assert (message.score, message.margin, message.stranger, message.reason) == (41.5, 12.25, None, None)
    assert (message.release, message.runtime, message.liveness) == ("factory", "fake 1.0", "not_checked")


def test_a_stranger_is_told_with_their_id_and_no_person() -> None:
    message = told(event_of(Stranger(-3.5), stranger="stranger-1", provisional=True))
    assert (message.outcome, message.person, message.name, message.verified) == ("stranger", None, None, False)
    assert (message.stranger, message.score, message.margin, message.provisional) == ("stranger-1", -3.5, None, True)


def test_a_stranger_of_an_empty_house_has_no_score() -> None:
    assert told(event_of(Stranger(float("-inf")))).score is None


def test_what_is_unclear_is_told_with_its_reason() -> None:
    message = told(event_of(LookAgain("too_dark")))
    assert (message.outcome, message.reason, message.person, message.score) == ("unclear", "too_dark", None, None)


def test_names_stay_at_home_where_the_settings_say_so() -> None:
    message = told(event_of(Known("p_ada", 1.0, 0.5)), replace(TELLING, names=False))
    assert (message.person, message.name, message.verified) == ("p_ada", None, True)
    assert b"Lovelace" not in message.to_json()


def test_somebody_who_was_erased_meanwhile_has_no_name() -> None:
    message = told(event_of(Known("p_gone", 1.0, 0.5)))
    assert (message.person, message.name, message.verified) == ("p_gone", None, False)


def test_a_longest_name_fits_into_an_event() -> None:
    people = {"p": PersonLabel("\N{OLD ITALIC LETTER A}" * 64, verified=True)}
    message = message_of(event_of(Known("p", 1.0, 0.5)), TELLING, "factory", people, SetClock(), lambda: ID)
    assert RecognitionEvent.from_json(message.to_json()).name == people["p"].name


def test_times_are_wall_times_of_the_visit_s_own_moments() -> None:
    assert told(event_of(Stranger(0.0))).started_at == datetime.fromtimestamp(NOW_S - 10, UTC)
    assert told(event_of(Stranger(0.0))).ended_at is None
    assert told(event_of(Stranger(0.0), phase="ended")).ended_at == datetime.fromtimestamp(NOW_S - 4, UTC)


def test_a_clock_that_was_never_set_is_told_of_and_gives_no_time_before_1970() -> None:
    message = told(event_of(Stranger(0.0)), clock=SetClock(wall=3.0))
    assert (message.started_at.timestamp(), message.clock_set) == (0.0, False)


@pytest.mark.parametrize(
    ("when", "believable"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), False),
        (datetime(2024, 12, 31, tzinfo=UTC), False),
        (datetime(2025, 1, 1, tzinfo=UTC), True),
    ],
)
def test_a_time_before_this_program_was_written_is_not_believed(when: datetime, believable: bool) -> None:
    assert clock_set(SetClock(wall=when.timestamp())) is believable


def test_the_quality_is_that_of_the_best_picture() -> None:
    quality = told(event_of(Stranger(0.0))).quality
    assert (quality.width_px, quality.sharpness, quality.brightness, quality.away_deg) == (120.0, 200.0, 120.0, 5.0)


def test_a_white_and_a_black_picture_stay_within_what_the_contract_takes() -> None:
    for brightness in (0.0, 255.0):
        best = Enrollee("Ada").probe(brightness=brightness)
        assert told(event_of(LookAgain("too_bright"), best=best)).quality.brightness == brightness
