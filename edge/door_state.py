"""Says how the door is: the retained state message, sent when something in it changed, and no more often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from edge.adapters.camera_options import one_line
from edge.adapters.capture import Capture, CaptureState
from edge.contract.messages import CameraState, DoorState
from edge.events import clock_set
from edge.ports import Clock
from edge.roster import Roster

# A change is told at once; without one the age of the last frame is refreshed so often.
_REFRESH_S = 60.0
_LOOK_EVERY_S = 1.0
_CAMERA: dict[CaptureState, CameraState] = {
    CaptureState.STARTING: "opening",
    CaptureState.OPEN: "ok",
    CaptureState.LOST: "lost",
    CaptureState.FAILED: "lost",
    CaptureState.ENDED: "lost",
}


@dataclass(frozen=True, slots=True)
class Fixed:
    """What does not change while the daemon runs."""

    door: str
    version: str
    embedder_sha256: str
    runtime: str


@dataclass(frozen=True, slots=True)
class Queue:
    """Events that wait, and that had to go. trouble: why none can be kept on the disk, or None."""

    queued: int = 0
    dropped: int = 0
    trouble: str | None = None


class StateTeller:
    """Composes the state and hands it to `send` when it is news."""

    def __init__(
        self,
        fixed: Fixed,
        capture: Capture,
        roster: Roster,
        queue: Callable[[], Queue],
        send: Callable[[DoorState], None],
        clock: Clock,
        unshared: Callable[[], int | None] = lambda: None,
    ) -> None:
        """unshared: people who wait to be shared; None where nothing is."""
        self._fixed = fixed
        self._capture = capture
        self._roster = roster
        self._queue = queue
        self._send = send
        self._clock = clock
        self._unshared = unshared
        self._frame_s: float | None = None
        self._told: DoorState | None = None
        self._looked_s = self._told_s = float("-inf")

    def frame(self, time_s: float) -> None:
        """A frame was recognized."""
        self._frame_s = time_s

    def tell(self, now_s: float) -> None:
        """Send the state if it changed, or if it is old."""
        if now_s - self._looked_s < _LOOK_EVERY_S:
            return
        self._looked_s = now_s
        state = self.compose()
        changed = self._told is None or replace(state, last_frame_age_s=None) != replace(
            self._told, last_frame_age_s=None
        )
        if changed or now_s - self._told_s >= _REFRESH_S:
            self._told, self._told_s = state, now_s
            self._send(state)

    def compose(self) -> DoorState:
        """The state as it is now."""
        queue = self._queue()
        age_s = None if self._frame_s is None else max(self._clock.monotonic_s() - self._frame_s, 0.0)
        return DoorState(
            door=self._fixed.door,
            version=self._fixed.version,
            release=self._roster.model.release,
            embedder_sha256=self._fixed.embedder_sha256,
            runtime=self._fixed.runtime,
            camera=_CAMERA[self._capture.state],
            people=len(self._roster.people),
            queued=queue.queued,
            dropped=queue.dropped,
            last_frame_age_s=age_s,
            clock_set=clock_set(self._clock),
            degraded=self._degraded(queue),
            unshared=self._unshared(),
        )

    def _degraded(self, queue: Queue) -> tuple[str, ...]:
        troubles = (
            ("camera", self._capture.error or None),
            ("store", self._roster.refusal),
            ("outbox", queue.trouble),
            ("people", self._roster.unusable),
        )
        return tuple(one_line(f"{what}: {why}")[:200] for what, why in troubles if why)
