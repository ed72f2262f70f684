"""When the door's state is told, and what it says of trouble."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from edge.adapters.capture import CaptureState
from edge.contract.messages import DoorState
from edge.door_state import Fixed, Queue, StateTeller
from tests.fakes.door import BEGIN_S, SetClock
from tests.fakes.enrollees import model


@dataclass
class FakeCapture:
    state: CaptureState = CaptureState.OPEN
    error: str = ""


@dataclass
class FakeRoster:
    people: dict[str, object] = field(default_factory=dict)
    refusal: str | None = None
    unusable: str | None = None
    model: Any = field(default_factory=model)


class Door:
    def __init__(self) -> None:
        self.capture, self.roster, self.clock, self.queue = FakeCapture(), FakeRoster(), SetClock(), Queue()
        self.sent: list[DoorState] = []
        fixed = Fixed("front", "1.2.3", "ab" * 32, "fake 1.0")
        capture: Any = self.capture
        roster: Any = self.roster
        self.unshared: int | None = None
        self.teller = StateTeller(
            fixed, capture, roster, lambda: self.queue, self.sent.append, self.clock, lambda: self.unshared
        )

    def pass_(self, seconds: float, step_s: float = 0.125) -> list[DoorState]:
        """What is sent in so many seconds of a loop that asks again and again."""
        before = len(self.sent)
        for _ in range(round(seconds / step_s)):
            self.clock.now_s += step_s
            self.teller.tell(self.clock.now_s)
        return self.sent[before:]


@pytest.fixture
def door() -> Door:
    return Door()


def test_the_first_state_is_told_at_once_and_says_everything(door: Door) -> None:
    door.roster.people = {"p": object()}
    door.queue = Queue(3, 1)
    (state,) = door.pass_(0.125)
    assert DoorState.from_json(state.to_json()) == state
    assert (state.door, state.version, state.release, state.runtime) == ("front", "1.2.3", "factory", "fake 1.0")
    assert (state.embedder_sha256, state.camera, state.people) == ("ab" * 32, "ok", 1)
    assert (state.queued, state.dropped, state.last_frame_age_s, state.clock_set) == (3, 1, None, True)
    assert state.degraded == ()
    assert state.unshared is None


def test_how_many_wait_to_be_shared_is_told(door: Door) -> None:
    door.unshared = 2
    assert [state.unshared for state in door.pass_(2.0)] == [2]
    door.unshared = 0
    assert [state.unshared for state in door.pass_(2.0)] == [0]


def test_without_a_change_it_is_told_once_a_minute_with_the_age_of_the_last_frame(door: Door) -> None:
    door.teller.frame(BEGIN_S)
    told = door.pass_(180)
    assert len(told) == 3
    assert [round(state.last_frame_age_s or 0) for state in told] == [0, 60, 120]


def test_a_change_is_told_within_a_second_and_once(door: Door) -> None:
    door.pass_(5)
    door.capture.state = CaptureState.LOST
    told = door.pass_(2)
    assert [state.camera for state in told] == ["lost"]


def test_a_flicker_costs_one_message_a_second(door: Door) -> None:
    told = []
    for number in range(80):
        door.queue = Queue(number)
        told += door.pass_(0.125)
    assert 9 <= len(told) <= 11


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (CaptureState.STARTING, "opening"),
        (CaptureState.OPEN, "ok"),
        (CaptureState.LOST, "lost"),
        (CaptureState.FAILED, "lost"),
        (CaptureState.ENDED, "lost"),
    ],
)
def test_each_state_of_the_camera_has_its_word(door: Door, state: CaptureState, word: str) -> None:
    door.capture.state = state
    assert door.teller.compose().camera == word


def test_each_trouble_is_named(door: Door) -> None:
    door.capture.error = "camera v4l2:/dev/video0: gone; plug it in"
    door.roster.refusal = "the disk is full: make room on it"
    door.roster.unusable = "2 of 5 cannot be recognized"
    door.queue = Queue(trouble="disk I/O error")
    assert door.teller.compose().degraded == (
        "camera: camera v4l2:/dev/video0: gone; plug it in",
        "store: the disk is full: make room on it",
        "outbox: disk I/O error",
        "people: 2 of 5 cannot be recognized",
    )


def test_whatever_a_driver_or_a_path_is_called_the_state_can_be_sent(door: Door) -> None:
    door.capture.error = "x" * 5000
    door.roster.refusal = "/srv/\udcff\n\0/people.db: no"
    state = door.teller.compose()
    assert DoorState.from_json(state.to_json()) == state
    assert [len(line) for line in state.degraded] == [200, len("store: /srv/? ?/people.db: no")]
