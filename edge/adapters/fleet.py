"""The trainer's messages over the link: reports out, acknowledgements into the daemon's inbox.

What is told, and when again, is `edge.sharing`'s; nothing is queued here.
"""

from __future__ import annotations

from collections.abc import Callable

from edge.contract.fleet import FleetAck, PersonErased, PersonReport
from edge.contract.topics import BY_NAME, Topics
from edge.errors import MessageError
from edge.inbox import Acknowledged
from edge.log import get_logger
from edge.ports import Handover, Incoming, Link

_log = get_logger("fleet")


class FleetPost:
    """A `LinkListener`, and the `Post` of `edge.sharing`. What the link's thread calls only queues, and raises nothing.

    It belongs to every link, also of a door that shares nothing: an acknowledgement that comes late must be taken.
    """

    def __init__(self, topics: Topics, door: str, link: Link, hand_in: Callable[[Acknowledged], bool]) -> None:
        """hand_in: to the daemon; False when it is too busy."""
        self._topics = topics
        self._door = door
        self._link = link
        self._hand_in = hand_in
        self._ours = topics.name("fleet_ack", door)
        self._connection: int | None = None

    @property
    def connection(self) -> int | None:
        """Which connection there is, None for none."""
        return self._connection

    def send(self, message: PersonReport | PersonErased) -> Handover:
        """Hand a message over. The link forgets it with its connection; it is for the caller to send it again.

        Raises:
            MessageError: it holds what a reader would have to refuse.
        """
        row = BY_NAME["fleet_person" if isinstance(message, PersonReport) else "fleet_erased"]
        topic = self._topics.name(row.name, self._door)
        return self._link.publish(
            topic, message.to_json(), qos=row.qos, token=str(message.report), connection=self._connection
        )

    def on_connected(self, connection: int) -> None:
        self._connection = connection

    def on_disconnected(self) -> None:
        self._connection = None

    def on_delivered(self, token: str, refused: str | None) -> None:
        """Nothing to do: the trainer's word counts and not the broker's, and the link tells what that refuses."""

    def on_message(self, message: Incoming) -> None:
        if message.topic != self._ours:
            return
        try:
            ack = FleetAck.from_json(message.payload)
        except MessageError as error:
            _log.warning("an acknowledgement is passed over", reason=error)
            self._link.acknowledge(message)  # or the broker would send it again and again
            return
        if not self._hand_in(Acknowledged(ack.ids, lambda: self._link.acknowledge(message))):
            self._link.acknowledge(message)  # what it names is sent again, and then acknowledged again
