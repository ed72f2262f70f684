"""What the link to the broker needs to know. Where it comes from, and each key's bounds, are left to `settings/`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.contract.topics import Topics


@dataclass(frozen=True, slots=True)
class Subscription:
    """What to listen to. retained: whether old, kept messages are wanted, which for a command they never are."""

    filter: str
    qos: Literal[0, 1] = 1
    retained: bool = False


def subscriptions_of(topics: Topics, door: str) -> tuple[Subscription, ...]:
    """What a door listens to, from the table of topics."""
    return tuple(Subscription(name, topic.qos, topic.retain) for topic, name in topics.for_door(door))


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """A broker and how to speak to it.

    client_id: fixed, and unlike that of any other client: the broker knows our session by it.
    availability: topic of the will; empty for a client that has none, such as a command.
    ca_file: turns TLS on. cert_file, key_file: our own certificate, both or neither.
    password_file: its first line is the password.
    session_expiry_s: how long the broker keeps what waits for us; 0 keeps nothing (MQTT 5; with 3.1.1 any other time is
        the broker's own setting).
    max_packet_bytes: largest message either way; brokers cap at 2,000,000 by default from Mosquitto 2.1 on.
    """

    host: str
    client_id: str
    port: int = 1883
    protocol: Literal["5", "3.1.1"] = "5"
    availability: str = ""
    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    keepalive_s: int = 30
    session_expiry_s: int = 7 * 86_400
    max_packet_bytes: int = 1_000_000

    @property
    def broker(self) -> str:
        """For lines to a reader."""
        return f"{self.host}:{self.port}"
