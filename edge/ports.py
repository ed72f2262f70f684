"""What the daemon needs from the world, as Protocols. The adapters are in `adapters/`, made in `cli.py` alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol

from edge.enrollment.panel_patterns import PatternName
from edge.recognition.types import Frame


@dataclass(frozen=True, slots=True)
class Press:
    """Somebody did something at the panel.

    kind: `press`, `hold` (a long press), or `quit`, which a keyboard has and a door has not.
    source: where, for the log.
    """

    kind: Literal["press", "hold", "quit"]
    source: Literal["button", "keyboard"]


class Panel(Protocol):
    """What a person at the door presses, sees and hears. Making one opens nothing."""

    def start(self, on_press: Callable[[Press], None]) -> None:
        """Begin. `on_press` comes from a thread of the panel's own; it only queues, and never raises.

        Raises:
            PanelError: a pin or the terminal cannot be had; the line says which and what to do.
        """
        ...

    def show(self, pattern: PatternName) -> None:
        """Show a pattern of `panel_patterns`: a repeating one stays, another plays once over it. Returns at once."""
        ...

    def stop(self) -> None:
        """Dark and silent, and everything given back; harmless when it was not started."""
        ...


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


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message from the broker.

    response_topic, correlation: as an MQTT 5 asker gave them, else None.
    receipt: what `Link.acknowledge` needs; nobody else's business.
    """

    topic: str
    payload: bytes
    response_topic: str | None = None
    correlation: bytes | None = None
    receipt: object = None


class Handover(Enum):
    """What became of a message that was given to a link; true only where it was taken."""

    TAKEN = "taken"
    AWAY = "not connected, or no longer by the connection that was named"
    FULL = "too many messages wait already"
    TOO_LARGE = "larger than the broker takes"

    def __bool__(self) -> bool:
        return self is Handover.TAKEN


class LinkListener(Protocol):
    """What a link tells, from a thread of its own: every method only queues and returns, and raises nothing."""

    def on_connected(self, connection: int) -> None:
        """The broker answers and our subscriptions are sent. Connections count up from 1."""
        ...

    def on_disconnected(self) -> None:
        """What was handed over with a token and not delivered is forgotten by the link: hand it over again."""
        ...

    def on_message(self, message: Incoming) -> None:
        """Whoever the topic belongs to calls `acknowledge` once it is done with, poison or not."""
        ...

    def on_delivered(self, token: str, refused: str | None) -> None:
        """The broker took the message of that token; or refused it, and says why."""
        ...


class Link(Protocol):
    """The way to the broker. Never blocks the caller and never raises for a broker that is away."""

    def start(self, *listeners: LinkListener) -> None:
        """Connect in the background, and again whenever the connection is lost. Every listener is told everything."""
        ...

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        correlation: bytes | None = None,
        token: str | None = None,
        connection: int | None = None,
    ) -> Handover:
        """Hand over a message.

        Retained ones are kept and sent again with each connection, so they are taken at any time; an empty one ends
        that.
        token: tell `on_delivered`, and leave it to the caller to try again after `on_disconnected`.
        connection: only if it is still this one.
        """
        ...

    def acknowledge(self, message: Incoming) -> None:
        """Tell the broker that the message is done with. One of an earlier connection comes again: nothing is done."""
        ...

    @property
    def connected(self) -> bool: ...

    @property
    def problem(self) -> str | None:
        """Why there is no connection, in one line; None while there is one."""
        ...

    def stop(self) -> None:
        """Say goodbye (availability `offline`) and close."""
        ...
