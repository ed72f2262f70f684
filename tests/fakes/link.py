"""A listener that keeps what a link tells, and links made for a test's broker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from edge.adapters.mqtt import LinkSettings, MqttLink
from edge.adapters.mqtt_settings import subscriptions_of
from edge.contract.topics import Topics
from edge.ports import Incoming
from tests.fakes.world import wait_until

BASE = "doorward/front"
AVAILABILITY, STATE, EVENTS = f"{BASE}/availability", f"{BASE}/state", f"{BASE}/events"


class Listener:
    """Keeps what the link tells, and acknowledges messages unless told not to."""

    def __init__(self, *, acknowledges: bool = True) -> None:
        self.link: MqttLink | None = None
        self.connections: list[int] = []
        self.losses = 0
        self.messages: list[Incoming] = []
        self.delivered: list[tuple[str, str | None]] = []
        self.acknowledges = acknowledges

    def on_connected(self, connection: int) -> None:
        self.connections.append(connection)

    def on_disconnected(self) -> None:
        self.losses += 1

    def on_message(self, message: Incoming) -> None:
        self.messages.append(message)
        if self.acknowledges and self.link is not None:
            self.link.acknowledge(message)

    def on_delivered(self, token: str, refused: str | None) -> None:
        self.delivered.append((token, refused))


def settings_for(port: int, **changes: Any) -> LinkSettings:
    return replace(LinkSettings("127.0.0.1", "doorward-front", port=port, availability=AVAILABILITY), **changes)


def make_link(port: int, **changes: Any) -> MqttLink:
    subscriptions = subscriptions_of(Topics("doorward"), "front")
    return MqttLink(settings_for(port, **changes), subscriptions, pause=lambda _failures: 0.1)


@contextmanager
def running(link: MqttLink, listener: Listener, *, wait: bool = True) -> Iterator[MqttLink]:
    listener.link = link
    link.start(listener)
    try:
        if wait:
            wait_until(lambda: link.connected, f"connected; problem: {link.problem}")
        yield link
    finally:
        link.stop()
