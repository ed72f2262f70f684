"""A receiver of the door's messages, as any home automation would be: prints each as it comes over the broker."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

from edge.adapters.mqtt import MqttLink
from edge.adapters.mqtt_settings import LinkSettings, Subscription
from edge.contract.messages import Enrollment, RecognitionEvent, Response
from edge.contract.topics import Topics
from edge.errors import MessageError
from edge.ports import Incoming

_TOPICS = ("event", "enrollment", "response")


class Listener:
    """A `LinkListener` on the demonstration's broker. Its methods run on the link's thread."""

    def __init__(self, settings: LinkSettings, topics: Topics, out: TextIO) -> None:
        self._topics = topics
        self._out = out
        self._link = MqttLink(settings, [Subscription(topics.filter(name)) for name in _TOPICS])
        self._start_s = time.monotonic()
        self.on_event: Callable[[RecognitionEvent], None] = lambda _: None
        self.on_enrollment: Callable[[Enrollment], None] = lambda _: None

    def start(self) -> None:
        self._link.start(self)

    def stop(self) -> None:
        self._link.stop()

    def ask(self, door: str, verb: str, payload: bytes) -> None:
        """Send a request, as an operator would."""
        topic = self._topics.name("request", door, verb)
        self._say(topic, payload.decode())
        self._link.publish(topic, payload)

    @property
    def connected(self) -> bool:
        return self._link.connected

    @property
    def problem(self) -> str | None:
        return self._link.problem

    def on_connected(self, connection: int) -> None:
        """Nothing to do."""

    def on_disconnected(self) -> None:
        """Nothing to do."""

    def on_delivered(self, token: str, refused: str | None) -> None:
        """Nothing to do."""

    def on_message(self, message: Incoming) -> None:
        place = self._topics.read(message.topic)
        self._link.acknowledge(message)
        if place is None:
            return
        try:
            parsed = place.topic.message.from_json(message.payload)
        except MessageError as error:
            self._say(message.topic, str(error))
            return
        if isinstance(parsed, RecognitionEvent):
            self._say(message.topic, event_line(parsed))
            self.on_event(parsed)
        elif isinstance(parsed, Enrollment):
            self._say(message.topic, enrollment_line(parsed))
            self.on_enrollment(parsed)
        elif isinstance(parsed, Response):
            self._say(message.topic, parsed.error or parsed.status)

    def _say(self, topic: str, text: str) -> None:
        print(f"{time.monotonic() - self._start_s:6.1f} s  {topic:28} {text}", file=self._out, flush=True)


def event_line(event: RecognitionEvent) -> str:
    """The parts of an event that a person reads."""
    who = event.name or event.person or event.stranger or event.reason or ""
    score = "" if event.score is None else f"  score {event.score:.2f}"
    provisional = "  (provisional)" if event.provisional else ""
    return f"{event.phase} {event.outcome} {who}{score}{provisional}"


def enrollment_line(message: Enrollment) -> str:
    """One step of an enrollment."""
    shots = f" {message.shots} of {message.shots_needed}" if message.shots_needed else ""
    reason = f" ({message.reason.replace('_', ' ')})" if message.reason else ""
    return f"{message.state.replace('_', ' ')}{shots}{reason} {message.name or ''}".rstrip()
