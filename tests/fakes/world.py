"""Somebody on the other side of the broker: reads topics, keeps what came, publishes, and waits for things."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.contract.messages import EventAck, RecognitionEvent

WAIT_S = 20.0


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = WAIT_S) -> None:
    """Return as soon as `condition` holds; fail with `what` if it never does."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s:g} s in vain: {what}"
        time.sleep(0.02)


@dataclass(frozen=True, slots=True)
class Heard:
    """A message as it came."""

    topic: str
    payload: bytes
    retained: bool
    correlation: bytes | None
    response_topic: str | None = None


class World:
    """A client with a session that the broker keeps. acknowledges: answers each event on `events/ack`."""

    def __init__(self, port: int, *filters: str, name: str = "world", acknowledges: bool = False) -> None:
        self.heard: list[Heard] = []
        self.acknowledges = acknowledges
        self._filters = filters
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(1, 1)
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho left it untyped
        properties.SessionExpiryInterval = 3600
        self._client.connect("127.0.0.1", port, clean_start=False, properties=properties)
        self._client.loop_start()
        if filters:
            assert self._subscribed.wait(WAIT_S), "the world cannot subscribe"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        response_topic: str | None = None,
        correlation: bytes | None = None,
    ) -> None:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho left it untyped
        if response_topic is not None:
            properties.ResponseTopic = response_topic
        if correlation is not None:
            properties.CorrelationData = correlation
        self._client.publish(topic, payload, qos=1, retain=retain, properties=properties).wait_for_publish(WAIT_S)

    def on(self, topic: str) -> list[bytes]:
        """Payloads that came on a topic, in order."""
        return [heard.payload for heard in self.heard if heard.topic == topic]

    def wait_for(self, topic: str, payload: bytes) -> None:
        wait_until(lambda: payload in self.on(topic), f"{payload[:60]!r} on {topic}; came: {self.on(topic)!r:.400}")

    def _on_connect(self, client: Client, *_: Any) -> None:
        if self._filters:
            client.subscribe([(name, 1) for name in self._filters])

    def _on_message(self, client: Client, _data: Any, message: MQTTMessage) -> None:
        correlation = getattr(message.properties, "CorrelationData", None)
        reply = getattr(message.properties, "ResponseTopic", None)
        self.heard.append(Heard(message.topic, bytes(message.payload), message.retain, correlation, reply))
        if self.acknowledges and message.topic.endswith("/events"):
            event = RecognitionEvent.from_json(bytes(message.payload))
            client.publish(f"{message.topic}/ack", EventAck(ids=(event.event,), by="archive").to_json(), qos=1)
