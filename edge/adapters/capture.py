"""The thread that owns a camera: it reads, reopens with back-off, and hands frames over through a short queue.

Leaves to the daemon what to tell about a lost camera, and when to give up: a `failed` camera is still being tried.
"""

from __future__ import annotations

import logging
import random
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from edge.adapters.camera_options import one_line
from edge.errors import CameraError
from edge.ports import Camera, Clock
from edge.recognition.types import Frame

_log = logging.getLogger("doorward.camera")  # of `edge.log`, so that its level holds

T = TypeVar("T")

# A camera promises to come back from `read` in its own time limit; a driver may break that promise.
_JOIN_S = 10.0


class CaptureState(StrEnum):
    """How it stands with the camera."""

    STARTING = "starting"
    """Not one frame yet, and not one failure."""
    OPEN = "open"
    LOST = "lost"
    """It failed, or is silent; it is being reopened."""
    FAILED = "failed"
    """It failed so often in a row, or hangs so long, that only a restart may help; or a finite source broke."""
    ENDED = "ended"
    """A finite source has given its last frame and that was taken, or `stop` was called."""


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """The capture thread's slice of the settings.

    queue: frames kept for a reader that is busy.
    first_delay_s, longest_delay_s: between two attempts to reopen; doubled each time, plus up to a quarter by chance.
    give_up_after: failures in a row that make it `failed`; with the delays above, 12 take about four minutes.
    silent_s: without a frame for so long, a live camera is `lost` even where its adapter has not come back to say so.
    hung_s: the same for `failed`.
    """

    queue: int = 2
    first_delay_s: float = 1.0
    longest_delay_s: float = 30.0
    give_up_after: int = 12
    silent_s: float = 15.0
    hung_s: float = 60.0


@dataclass(frozen=True, slots=True)
class CaptureCounts:
    """Since the start. reopened: how often frames came again after a failure. failures: in all; in_a_row: just now."""

    frames: int = 0
    dropped: int = 0
    reopened: int = 0
    failures: int = 0
    in_a_row: int = 0


class Capture:
    """Frames of one camera. A live one drops its oldest when nobody takes them; of a finite one, none is lost."""

    def __init__(
        self,
        camera: Camera,
        options: CaptureOptions,
        clock: Clock,
        *,
        wait: Callable[[float], bool] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """wait: waits so many seconds unless stopped before, and tells whether it was. chance: 0..1, for the delays."""
        self._camera = camera
        self._options = options
        self._clock = clock
        self._stopping = threading.Event()
        self._wait = wait or self._stopping.wait
        self._chance = chance
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._changed = threading.Condition()
        # All below is guarded by the condition's lock.
        self._queue: deque[Frame] = deque()
        self._state = CaptureState.STARTING
        self._counts = CaptureCounts()
        self._error = ""
        self._over = False
        self._asked_s: float | None = None

    def start(self) -> None:
        """Begin; the camera is opened on the thread."""
        self._thread.start()

    def next(self, timeout_s: float) -> Frame | None:
        """The oldest frame that waits, or None when none comes in time or none will ever come (see `state`)."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._over, timeout_s)
            if not self._queue:
                return None
            frame = self._queue.popleft()
            self._changed.notify_all()
            return frame

    def stop(self) -> None:
        """Close the camera and end the thread; frames that wait are thrown away."""
        self._stopping.set()
        with self._changed:
            self._queue.clear()
            self._over = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)
            if self._thread.is_alive():
                _log.warning("the camera's driver does not come back; left behind")

    @property
    def live(self) -> bool:
        """Whether frames come at their own pace; of another source, time goes on with its frames alone."""
        return self._camera.live

    @property
    def state(self) -> CaptureState:
        with self._changed:
            if self._over:
                failed = self._state is CaptureState.FAILED
                return CaptureState.FAILED if failed else CaptureState.OPEN if self._queue else CaptureState.ENDED
            silent_s = 0.0 if self._asked_s is None else self._clock.monotonic_s() - self._asked_s
            if silent_s > self._options.hung_s:
                return CaptureState.FAILED
            if silent_s > self._options.silent_s and self._state is not CaptureState.FAILED:
                return CaptureState.LOST
            return self._state

    @property
    def counts(self) -> CaptureCounts:
        with self._changed:
            return self._counts

    @property
    def error(self) -> str:
        """The camera's last complaint, one line; empty while all is well."""
        with self._changed:
            return self._error

    def _run(self) -> None:
        while not self._stopping.is_set() and not self._one_opening():
            if self._wait(self._delay_s()):
                break
        try:
            self._camera.close()
        except Exception as error:  # noqa: BLE001 - it is being left anyway, and this thread must not die of it
            _log.warning("%s", _line(error))
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _one_opening(self) -> bool:
        """From opening to failure or end. True when there is nothing more to try."""
        try:
            self._asking(self._camera.open)
            while not self._stopping.is_set():
                frame = self._asking(self._camera.read)
                if frame is None:
                    return True
                self._hand_over(frame)
        except Exception as error:  # noqa: BLE001 - whatever it is, this thread goes on and the state tells of it
            self._failed(error)
            return not self._camera.live
        return True

    def _asking(self, call: Callable[[], T]) -> T:
        with self._changed:
            self._asked_s = self._clock.monotonic_s()
        try:
            return call()
        finally:
            with self._changed:
                self._asked_s = None

    def _hand_over(self, frame: Frame) -> None:
        with self._changed:
            self._recovered()
            full = len(self._queue) >= self._options.queue
            if full and self._camera.live:
                self._queue.popleft()
                self._counts = replace(self._counts, dropped=self._counts.dropped + 1)
            elif full:
                self._changed.wait_for(lambda: len(self._queue) < self._options.queue or self._over)
            if not self._over:
                self._queue.append(frame)
                self._counts = replace(self._counts, frames=self._counts.frames + 1)
                self._changed.notify_all()

    def _recovered(self) -> None:
        """A frame, not the mere opening, shows that the camera is back."""
        if self._counts.in_a_row:
            _log.warning("the camera gives frames again after %d failures", self._counts.in_a_row)
            self._counts = replace(self._counts, reopened=self._counts.reopened + 1, in_a_row=0)
        self._state = CaptureState.OPEN
        self._error = ""

    def _failed(self, error: Exception) -> None:
        line = _line(error)
        with self._changed:
            counts = self._counts
            self._counts = counts = replace(counts, failures=counts.failures + 1, in_a_row=counts.in_a_row + 1)
            given_up = counts.in_a_row >= self._options.give_up_after or not self._camera.live
            self._state = CaptureState.FAILED if given_up else CaptureState.LOST
            repeated = line == self._error
            self._error = line
        # The same complaint every 30 seconds would bury a log; the turning points do not.
        telling = not repeated or counts.in_a_row == self._options.give_up_after
        _log.log(logging.WARNING if telling else logging.DEBUG, "%s (failure %d in a row)", line, counts.in_a_row)

    def _delay_s(self) -> float:
        doubled = self._options.first_delay_s * 2.0 ** min(self.counts.in_a_row - 1, 30)
        return min(self._options.longest_delay_s, doubled * (1 + self._chance() / 4))


def _line(error: Exception) -> str:
    if isinstance(error, CameraError):
        return one_line(error)
    _log.debug("an adapter may raise nothing but CameraError", exc_info=error)
    return f"the camera's adapter failed unexpectedly ({type(error).__name__}: {one_line(error)}); report this"
