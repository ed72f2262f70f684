"""What the daemon needs from the world, as Protocols. The adapters are in `adapters/`, made in `cli.py` alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from edge.recognition.types import Frame


class Clock(Protocol):
    """Time as a value."""

    def monotonic_s(self) -> float:
        """Seconds that never go backwards."""
        ...

    def wall_s(self) -> float:
        """Seconds since 1970 UTC; may jump, and may be wrong before the network sets it."""
        ...


class Camera(Protocol):
    """A source of frames. Making one opens nothing."""

    @property
    def live(self) -> bool:
        """True where frames come at their own pace, so that late ones are dropped; False where each is to be seen."""
        ...

    def open(self) -> None:
        """Start it. Opening an open camera reopens it.

        Raises:
            CameraError: it is not there or does not start; the line says which and what to do.
        """
        ...

    def read(self) -> Frame | None:
        """Wait for the next frame; None at the end of a finite source.

        Raises:
            CameraError: it stopped giving frames.
        """
        ...

    def close(self) -> None:
        """Stop it; harmless when it is closed."""
        ...


class Link(Protocol):
    """The way to the broker. Never blocks the caller and never raises for a broker that is away."""

    def start(self, on_message: Callable[[str, bytes, str | None, bytes | None], None]) -> None:
        """Connect in the background. `on_message(topic, payload, response_topic, correlation)` only queues and returns."""
        ...

    def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, correlation: bytes | None = None
    ) -> bool:
        """Hand over a message; False if it could not be taken (not connected, or too large)."""
        ...

    @property
    def connected(self) -> bool: ...

    def stop(self) -> None:
        """Say goodbye (availability `offline`) and close."""
        ...
