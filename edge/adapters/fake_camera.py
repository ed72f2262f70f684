"""A camera that does as it is told, for tests of what stands behind one: it shows, vanishes, hangs and comes back.

Leaves nothing to hardware. Where pictures should look like a person at a door, use `walkup.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from edge.errors import CameraError
from edge.ports import Clock
from edge.recognition.types import Frame, Image

Step: TypeAlias = Image | Exception | threading.Event | None
"""A picture is shown; an exception is raised; an event is waited for, as in a driver that hangs; None is the end."""

Opening: TypeAlias = Exception | Sequence[Step]
"""What one opening gives: the exception that it fails with, or its steps, after which the camera has vanished."""


class FakeCamera:
    """See `ports.Camera`. After its last opening it can never be opened again."""

    def __init__(self, openings: Sequence[Opening], clock: Clock, *, live: bool = True) -> None:
        self._openings = iter(openings)
        self._clock = clock
        self._live = live
        self._steps: Iterator[Step] = iter(())
        self._number = 0
        self.opened = 0
        self.closed = 0

    @property
    def live(self) -> bool:
        return self._live

    def open(self) -> None:
        self.opened += 1
        opening = next(self._openings, CameraError("camera fake: gone for good; end the test"))
        if isinstance(opening, Exception):
            raise opening
        self._steps = iter(opening)
        self._number = 0

    def read(self) -> Frame | None:
        for step in self._steps:
            if isinstance(step, threading.Event):
                step.wait()
                continue
            if isinstance(step, Exception):
                raise step
            return None if step is None else self._frame(step)
        raise CameraError("camera fake: vanished; plug it in again")

    def close(self) -> None:
        self.closed += 1
        self._steps = iter(())

    def _frame(self, pixels: Image) -> Frame:
        frame = Frame(pixels, self._clock.monotonic_s(), self._number)
        self._number += 1
        return frame
