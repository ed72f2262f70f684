"""One message as it came, read: what it is, whose, by which id it is acknowledged; or why it is set aside. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, cast
from uuid import UUID

from edge.adapters.mqtt_settings import Subscription
from edge.contract.fleet import PersonErased, PersonReport
from edge.contract.messages import DoorState, Message, RecognitionEvent
from edge.contract.topics import Topics
from edge.contract.update import UpdateState
from edge.errors import MessageError
from edge.ports import Incoming
from trainer.store.records import Poison

Kind = Literal["event", "fleet_person", "fleet_erased", "state", "update_state"]
Known = RecognitionEvent | PersonReport | PersonErased | DoorState | UpdateState

HEAD_BYTES = 4096
# The key that holds the id by which a message is acknowledged.
_ID_KEY: Mapping[str, str] = {"event": "event", "fleet_person": "report", "fleet_erased": "report"}
_STATES: tuple[Kind, ...] = ("state", "update_state")  # retained, of which the newest alone counts
_FAR = 65_536  # how far into a message that is none its id is looked for


@dataclass(frozen=True, slots=True)
class Item:
    """A message. id: None where it has none, or none that can be read. message: None for poison.

    answered: whether its door is told that it is done with. One that failed by our own fault comes again instead, and
        so does an erasure that cannot be read: nobody is kept because of a message that was set aside.
    """

    incoming: Incoming
    kind: Kind | None
    door: str
    id: UUID | None
    message: Known | None
    poison: Poison | None = None
    answered: bool = True

    def spoilt(self, reason: str, *, our_fault: bool = False) -> Item:
        """The same message, to be set aside."""
        answered = not our_fault and self.kind != "fleet_erased"
        return replace(self, message=None, poison=_poison(self.incoming, self.door, reason), answered=answered)


def subscriptions(topics: Topics, group: str) -> tuple[Subscription, ...]:
    """What a worker listens to. States are for every worker, since retained messages do not come to a shared one."""
    shared = (Subscription(f"$share/{group}/{topics.filter(kind)}") for kind in _ID_KEY)
    return (*shared, *(Subscription(topics.filter(kind), retained=True) for kind in _STATES))


def read(topics: Topics, incoming: Incoming) -> Item | None:
    """The message; None for a topic that is none of those above, as an earlier subscription may still bring."""
    place = topics.read(incoming.topic)
    if place is None:
        return _of_nowhere(topics, incoming)
    if place.topic.name not in (*_ID_KEY, *_STATES):
        return None
    kind, door = cast("Kind", place.topic.name), place.door
    item = Item(incoming, kind, door, _find_id(kind, incoming.payload), None)
    try:
        message = cast("Known", cast("type[Message]", place.topic.message).from_json(incoming.payload))
    except MessageError as error:
        return item.spoilt(str(error))
    if message.door != door:
        return item.spoilt(f"{message.KIND}: key 'door': must be {door} as in the topic, found {message.door}")
    return replace(item, id=_id_of(message), message=message)


def _of_nowhere(topics: Topics, incoming: Incoming) -> Item | None:
    """A topic that is ours but for its door's name."""
    door, _, rest = incoming.topic.removeprefix(f"{topics.base}/").partition("/")
    if topics.read(f"{topics.base}/door/{rest}") is None:
        return None
    return Item(incoming, None, door, None, None).spoilt(
        "topic: the door's id must be 1 to 64 of A-Z, a-z, 0-9, _ and -"
    )


def _id_of(message: Known) -> UUID | None:
    if isinstance(message, RecognitionEvent):
        return message.event
    return None if isinstance(message, DoorState | UpdateState) else message.report


def _find_id(kind: Kind, payload: bytes) -> UUID | None:
    """The id in bytes that may be anything."""
    key = _ID_KEY.get(kind)
    found = _text_at(key, r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", payload) if key else None
    return UUID(found) if found else None


def _text_at(key: str, pattern: str, payload: bytes) -> str | None:
    found = re.search(rf'"{key}"\s*:\s*"({pattern})"'.encode(), payload[:_FAR])
    return found[1].decode() if found else None


def _poison(incoming: Incoming, door: str, reason: str) -> Poison:
    payload = incoming.payload
    return Poison(
        door=door,
        topic=incoming.topic,
        person=_text_at("person", "[A-Za-z0-9_.:-]{1,64}", payload),
        reason=reason,
        size=len(payload),
        sha256=hashlib.sha256(payload).hexdigest(),
        head=payload[:HEAD_BYTES],
    )
