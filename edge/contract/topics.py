"""The one table of topics: what travels where, with which QoS, whether it is retained, and in which direction.

Patterns stand under `<base>/<door>/`. Both programs, the broker's access rules and the documentation are made from it.
Building and reading of topic names is here too; sending them is left to the link.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from edge.contract.fleet import FleetAck, PersonErased, PersonReport
from edge.contract.messages import (
    Availability,
    DoorState,
    Enrollment,
    EventAck,
    Message,
    RecognitionEvent,
    Request,
    Response,
)
from edge.contract.update import UpdateChunk, UpdateNotice, UpdateRequest, UpdateState

Direction = Literal["door->world", "world->door"]

_DOOR = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BASE = re.compile(r"[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64}){0,7}")
_VERB = re.compile(r"[a-z][a-z0-9_]{0,31}")
_MAX_REPLY_CHARS = 256


@dataclass(frozen=True, slots=True)
class Topic:
    """One row.

    pattern: `{verb}` stands for one part. message: the class that parses and writes its payloads.
    apart: not for the door's own connection, but for the one that its updater makes when there is something to get.
    """

    name: str
    pattern: str
    qos: Literal[0, 1]
    retain: bool
    direction: Direction
    message: type[Message | Availability | UpdateChunk]
    apart: bool = False


TABLE: tuple[Topic, ...] = (
    Topic("availability", "availability", 1, True, "door->world", Availability),
    Topic("state", "state", 1, True, "door->world", DoorState),
    Topic("event", "events", 1, False, "door->world", RecognitionEvent),
    Topic("event_ack", "events/ack", 1, False, "world->door", EventAck),
    Topic("enrollment", "enrollment", 1, False, "door->world", Enrollment),
    Topic("request", "request/{verb}", 1, False, "world->door", Request),
    Topic("response", "response/{verb}", 1, False, "door->world", Response),
    Topic("fleet_person", "fleet/people", 1, False, "door->world", PersonReport),
    Topic("fleet_erased", "fleet/erased", 1, False, "door->world", PersonErased),
    Topic("fleet_ack", "fleet/ack", 1, False, "world->door", FleetAck),
    Topic("update_notice", "update/notice", 1, True, "world->door", UpdateNotice),
    Topic("update_request", "update/request", 1, False, "door->world", UpdateRequest, apart=True),
    Topic("update_chunk", "update/chunk", 1, False, "world->door", UpdateChunk, apart=True),
    Topic("update_state", "update/state", 1, True, "door->world", UpdateState),
)
BY_NAME: dict[str, Topic] = {topic.name: topic for topic in TABLE}


@dataclass(frozen=True, slots=True)
class Place:
    """What a topic name says. verb: where its pattern has one, else empty."""

    topic: Topic
    door: str
    verb: str


@dataclass(frozen=True, slots=True)
class Topics:
    """The names under one base.

    base: parts of letters, digits, _ and -, parted by `/`.

    Raises:
        ValueError: `base` is not of that form.
    """

    base: str

    def __post_init__(self) -> None:
        if not _BASE.fullmatch(self.base):
            raise ValueError(f"base topic {self.base!r} must be parts of A-Z, a-z, 0-9, _ and -, parted by /")

    def name(self, topic: str, door: str, verb: str = "") -> str:
        """The topic name of row `topic` for one door.

        Raises:
            ValueError: door or verb would not make a plain part of a topic.
        """
        pattern = BY_NAME[topic].pattern
        if not _DOOR.fullmatch(door):
            raise ValueError(f"door id {door!r} must be 1 to 64 of A-Z, a-z, 0-9, _ and -")
        if "{verb}" in pattern and not _VERB.fullmatch(verb):
            raise ValueError(f"verb {verb!r} must be 1 to 32 of a-z, 0-9, _")
        return f"{self.base}/{door}/{pattern.format(verb=verb)}"

    def filter(self, topic: str, door: str = "+") -> str:
        """What to subscribe to for row `topic`; of every door unless one is named."""
        return f"{self.base}/{door}/{BY_NAME[topic].pattern.format(verb='+')}"

    def for_door(self, door: str) -> Iterator[tuple[Topic, str]]:
        """Each row that a door's own connection listens to, with the filter to subscribe to."""
        heard = (topic for topic in TABLE if topic.direction == "world->door" and not topic.apart)
        return ((topic, self.filter(topic.name, door)) for topic in heard)

    def read(self, name: str) -> Place | None:
        """What the topic `name` is, or None where it is none of ours."""
        if not name.startswith(f"{self.base}/"):
            return None
        door, _, rest = name[len(self.base) + 1 :].partition("/")
        if not _DOOR.fullmatch(door):
            return None
        return next((place for topic in TABLE if (place := _place(topic, door, rest))), None)

    def may_answer_to(self, reply: str) -> bool:
        """Whether an asker's ResponseTopic may be published to.

        Not to a topic of a door that readers take for the door's own word (a state, an event), nor to the broker's.
        """
        if not 0 < len(reply) <= _MAX_REPLY_CHARS or reply.startswith("$") or re.search(r"[+#\x00-\x1f\x7f]", reply):
            return False
        place = self.read(reply)
        return place.topic.name == "response" if place else not reply.startswith(f"{self.base}/")


def _place(topic: Topic, door: str, rest: str) -> Place | None:
    head, has_verb, _ = topic.pattern.partition("{verb}")
    if not has_verb:
        return Place(topic, door, "") if rest == head else None
    verb = rest.removeprefix(head)
    return Place(topic, door, verb) if rest.startswith(head) and _VERB.fullmatch(verb) else None
