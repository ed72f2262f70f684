"""A link without a broker: for running with `--no-mqtt`, and for tests, which drive it as a broker would behave."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from edge.ports import Handover, Incoming, LinkListener

_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Published:
    """What was handed over."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    correlation: bytes | None
    token: str | None


class MemoryLink:
    """`ports.Link` that takes everything at once and keeps the last thousand messages in `published`.

    answers: whether what is published counts as delivered at once; else the test says so with `deliver`.
    online: whether it is connected from the start; else the test says so with `connect`.
    """

    def __init__(self, *, answers: bool = True, online: bool = True, max_packet_bytes: int = 1_000_000) -> None:
        self.published: deque[Published] = deque(maxlen=_KEPT)
        self.retained: dict[str, bytes] = {}
        self.acknowledged: deque[Incoming] = deque(maxlen=_KEPT)
        self._answers = answers
        self._online = online
        self._max_packet_bytes = max_packet_bytes
        self._listeners: tuple[LinkListener, ...] = ()
        self._connection = 0
        self._connected = False

    def start(self, *listeners: LinkListener) -> None:
        self._listeners = listeners
        if self._online:
            self.connect()

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
        if len(topic.encode()) + len(payload) > self._max_packet_bytes:
            return Handover.TOO_LARGE
        if retain:
            self.retained[topic] = payload
        if not (self._connected and connection in (None, self._connection)):
            return Handover.TAKEN if retain else Handover.AWAY
        self.published.append(Published(topic, payload, qos, retain, correlation, token))
        if self._answers and token is not None:
            self.deliver([token])
        return Handover.TAKEN

    def acknowledge(self, message: Incoming) -> None:
        self.acknowledged.append(message)

    @property
    def connected(self) -> bool:
        return self._connected

    @property
    def problem(self) -> str | None:
        return None if self._connected else "not connected"

    def stop(self) -> None:
        self.disconnect()

    def connect(self) -> None:
        """A connection comes about."""
        self._connection += 1
        self._connected = True
        for listener in self._listeners:
            listener.on_connected(self._connection)

    def disconnect(self) -> None:
        """The connection is lost."""
        if self._connected:
            self._connected = False
            for listener in self._listeners:
                listener.on_disconnected()

    def deliver(self, tokens: Iterable[str], refused: str | None = None) -> None:
        """The broker takes messages that were published, or refuses them."""
        for token in tokens:
            for listener in self._listeners:
                listener.on_delivered(token, refused)

    def receive(
        self, topic: str, payload: bytes, *, response_topic: str | None = None, correlation: bytes | None = None
    ) -> Incoming:
        """A message comes in from the world."""
        message = Incoming(topic, payload, response_topic, correlation)
        for listener in self._listeners:
            listener.on_message(message)
        return message
