"""The door's messages on their way out: events through the outbox, everything else straight to the link."""

from __future__ import annotations

from pathlib import Path

from edge.adapters.delivery import Delivery
from edge.adapters.outbox_place import erase_from_file
from edge.contract.messages import DoorState, Enrollment, Message
from edge.contract.topics import BY_NAME, Topics
from edge.door_state import Queue
from edge.ports import Link


class MqttPost:
    """See `daemon.Post`. Events survive a crash and a broker that is away; progress of an enrollment need not."""

    def __init__(self, topics: Topics, door: str, link: Link, delivery: Delivery) -> None:
        self._topics = topics
        self._door = door
        self._link = link
        self._delivery = delivery

    def event(self, event_id: str, payload: bytes, person: str | None) -> None:
        self._delivery.put(event_id, self._topics.name("event", self._door), payload, person)

    def enrollment(self, message: Enrollment) -> None:
        self._send("enrollment", message)

    def state(self, message: DoorState) -> None:
        """Retained: the link keeps it and sends it again with each connection."""
        self._send("state", message)

    def erase_person(self, person: str) -> int:
        """Take out what waits about a person; how much it was. Raises: StoreError."""
        return self._delivery.erase_person(person)

    def queue(self) -> Queue:
        """What waits, for the state."""
        report = self._delivery.report()
        return Queue(report.rows, report.dropped, report.trouble)

    def _send(self, topic: str, message: Message) -> None:
        row = BY_NAME[topic]
        self._link.publish(self._topics.name(topic, self._door), message.to_json(), qos=row.qos, retain=row.retain)


class NoPost:
    """A door without a broker: its log tells what happens. outbox: may hold events of a time with one."""

    def __init__(self, outbox: Path) -> None:
        self._outbox = outbox

    def erase_person(self, person: str) -> int:
        """See `MqttPost.erase_person`."""
        return erase_from_file(self._outbox, person)

    def event(self, event_id: str, payload: bytes, person: str | None) -> None:
        """Nobody is told."""

    def enrollment(self, message: Enrollment) -> None:
        """Nobody is told."""

    def state(self, message: DoorState) -> None:
        """Nobody is told."""

    def queue(self) -> Queue:
        return Queue()
