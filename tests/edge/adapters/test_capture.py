from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from edge.adapters.capture import Capture, CaptureOptions, CaptureState
from edge.adapters.fake_camera import FakeCamera, Opening
from edge.errors import CameraError
from edge.recognition.types import Frame, Image


class SetClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        return 0.0


class Bench:
    """A capture over a camera, with a clock and delays in the test's hand; ended with the test."""

    def __init__(self) -> None:
        self.clock = SetClock()
        self.delays: list[float] = []
        self.running: list[Capture] = []

    def start(
        self,
        camera: FakeCamera | Sequence[Opening],
        options: CaptureOptions | None = None,
        chance: Callable[[], float] = lambda: 0.0,
    ) -> Capture:
        if not isinstance(camera, FakeCamera):
            camera = FakeCamera(camera, self.clock)
        capture = Capture(camera, options or CaptureOptions(), self.clock, wait=self.wait, chance=chance)
        self.running.append(capture)
        capture.start()
        return capture

    def wait(self, delay_s: float) -> bool:
        """Passes at once, but yields to the test, and ends with it."""
        self.delays.append(delay_s)
        time.sleep(0.001)
        return any(capture._stopping.is_set() for capture in self.running)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    for capture in made.running:
        capture.stop()


def picture(level: int) -> Image:
    return np.full((4, 4, 3), level, np.uint8)


def taken(capture: Capture, count: int) -> list[int]:
    """The levels of the next frames."""
    frames = [capture.next(5) for _ in range(count)]
    return [int(frame.pixels[0, 0, 0]) for frame in frames if frame is not None]


def state(capture: Capture) -> CaptureState:
    """Read anew, which the type checker would otherwise not expect to change."""
    return capture.state


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "did not come true in 5 s"
        time.sleep(0.002)


VANISHED = CameraError("camera fake: vanished; plug it in again")


def test_frames_arrive_in_order_and_the_state_is_open(bench: Bench) -> None:
    hang = threading.Event()
    capture = bench.start([[picture(1), picture(2), hang]], CaptureOptions(queue=4))
    assert taken(capture, 2) == [1, 2]
    assert state(capture) is CaptureState.OPEN
    assert capture.counts.frames == 2
    hang.set()


def test_before_the_first_frame_it_is_starting(bench: Bench) -> None:
    hang = threading.Event()
    capture = bench.start([[hang]])
    assert capture.next(0.01) is None
    assert state(capture) is CaptureState.STARTING
    hang.set()


def test_a_camera_that_vanishes_comes_back_by_itself(bench: Bench) -> None:
    hang = threading.Event()
    capture = bench.start([[picture(1)], VANISHED, VANISHED, [picture(2), hang]])
    assert taken(capture, 2) == [1, 2]
    assert state(capture) is CaptureState.OPEN
    assert capture.counts.reopened == 1
    assert capture.counts.failures == 3
    assert capture.counts.in_a_row == 0
    assert capture.error == ""
    hang.set()


def test_while_it_is_away_the_state_is_lost_and_says_why(bench: Bench) -> None:
    capture = bench.start([[picture(1)]], CaptureOptions(give_up_after=10**6))
    assert taken(capture, 1) == [1]
    until(lambda: capture.counts.failures > 2)
    assert state(capture) is CaptureState.LOST
    assert "gone for good" in capture.error


def test_after_many_failures_in_a_row_the_state_is_failed_and_it_still_tries(bench: Bench) -> None:
    hang = threading.Event()
    openings: list[Opening] = [VANISHED] * 6
    seen = []
    capture = bench.start([*openings, [picture(7), hang]], CaptureOptions(give_up_after=4))
    while capture.counts.frames == 0:
        seen.append(capture.state)
    assert taken(capture, 1) == [7]
    assert state(capture) is CaptureState.OPEN
    assert CaptureState.FAILED in seen
    hang.set()


def test_the_delays_double_from_1_s_to_30_s(bench: Bench) -> None:
    capture = bench.start([VANISHED] * 9)
    until(lambda: len(bench.delays) >= 7)
    capture.stop()
    assert bench.delays[:7] == [1, 2, 4, 8, 16, 30, 30]


def test_the_delays_are_spread_by_chance_but_stay_within_bounds(bench: Bench) -> None:
    capture = bench.start([VANISHED] * 9, chance=lambda: 1.0)
    until(lambda: len(bench.delays) >= 6)
    capture.stop()
    assert bench.delays[:6] == [1.25, 2.5, 5, 10, 20, 30]


def test_a_camera_that_opens_but_gives_nothing_is_not_taken_for_recovered(bench: Bench) -> None:
    capture = bench.start([[] for _ in range(5)], CaptureOptions(give_up_after=4))
    until(lambda: capture.counts.in_a_row >= 4)
    assert state(capture) is CaptureState.FAILED
    assert bench.delays[:3] == [1, 2, 4]


def test_a_live_camera_drops_its_oldest_frame_and_counts_it(bench: Bench) -> None:
    hang = threading.Event()
    capture = bench.start([[picture(level) for level in range(5)] + [hang]], CaptureOptions(queue=2))
    until(lambda: capture.counts.frames == 5)
    assert capture.counts.dropped == 3
    assert taken(capture, 2) == [3, 4]
    hang.set()


def test_of_a_finite_source_no_frame_is_lost_however_slow_the_reader(bench: Bench) -> None:
    steps = [picture(level) for level in range(50)]
    capture = bench.start(FakeCamera([[*steps, None]], bench.clock, live=False), CaptureOptions(queue=2))
    time.sleep(0.05)
    assert capture.counts.frames <= 2
    assert state(capture) is CaptureState.OPEN
    assert taken(capture, 50) == list(range(50))
    assert capture.next(5) is None
    assert state(capture) is CaptureState.ENDED
    assert capture.counts.dropped == 0


def test_a_finite_source_that_breaks_is_failed_at_once_and_not_begun_again(bench: Bench) -> None:
    camera = FakeCamera([[picture(1), VANISHED], [picture(1), None]], bench.clock, live=False)
    capture = bench.start(camera)
    assert taken(capture, 1) == [1]
    assert capture.next(5) is None
    assert state(capture) is CaptureState.FAILED
    assert "vanished" in capture.error
    assert camera.opened == 1
    assert camera.closed == 1


def test_an_adapter_that_raises_what_it_must_not_does_not_kill_the_thread(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    hang = threading.Event()
    capture = bench.start([[ZeroDivisionError("a\nbug")], [picture(2), hang]])
    assert taken(capture, 1) == [2]
    assert "failed unexpectedly (ZeroDivisionError: a bug)" in caplog.text
    assert "Traceback" not in caplog.text
    hang.set()


def test_a_driver_that_never_comes_back_shows_as_lost_and_then_as_failed(bench: Bench) -> None:
    hang = threading.Event()
    capture = bench.start([[picture(1), hang]], CaptureOptions(silent_s=15, hung_s=60))
    assert taken(capture, 1) == [1]
    until(lambda: capture._asked_s is not None)
    bench.clock.now_s += 14
    assert state(capture) is CaptureState.OPEN
    bench.clock.now_s += 2
    assert state(capture) is CaptureState.LOST
    bench.clock.now_s += 50
    assert state(capture) is CaptureState.FAILED
    hang.set()


def test_a_reader_that_pauses_is_not_taken_for_a_silent_camera(bench: Bench) -> None:
    capture = bench.start(FakeCamera([[picture(1)] * 9 + [None]], bench.clock, live=False), CaptureOptions(queue=1))
    until(lambda: capture.counts.frames == 1)
    bench.clock.now_s += 3600
    assert state(capture) is CaptureState.OPEN


def test_the_same_complaint_is_logged_once_and_again_when_it_gives_up(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        capture = bench.start([VANISHED] * 20, CaptureOptions(give_up_after=5))
        until(lambda: capture.counts.failures >= 10)
    assert caplog.text.count("vanished") == 2


def test_stop_closes_the_camera_and_wakes_whoever_waits() -> None:
    clock = SetClock()
    camera = FakeCamera([VANISHED] * 3, clock)
    capture = Capture(camera, CaptureOptions(), clock)
    capture.start()
    answers: list[Frame | None] = []
    reader = threading.Thread(target=lambda: answers.append(capture.next(60)))
    reader.start()
    capture.stop()
    reader.join(5)
    assert answers == [None]
    assert state(capture) is CaptureState.ENDED
    assert camera.closed == 1
    assert not capture._thread.is_alive()


def test_stop_before_start_is_harmless() -> None:
    clock = SetClock()
    Capture(FakeCamera([], clock), CaptureOptions(), clock).stop()
