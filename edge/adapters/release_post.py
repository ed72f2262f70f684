"""Notices of releases from the link to whoever puts them in force, and the door's word about them back.

What a notice means, and when it is acted upon, is left to `edge/update/bringing.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from edge.contract.topics import BY_NAME, Topics
from edge.contract.update import UpdateNotice, UpdateState
from edge.errors import MessageError
from edge.log import get_logger
from edge.ports import Incoming, Link
from edge.update.news import NoNotice, Noticed

_log = get_logger("releases")


class ReleasePost:
    """A `LinkListener`. What the link's thread calls only queues, and raises nothing.

    It belongs to every link, also of a door that takes no releases: a retained notice must be taken off the line.
    """

    def __init__(self, topics: Topics, door: str, link: Link, hand_in: Callable[[Noticed | NoNotice], bool]) -> None:
        """hand_in: to the daemon; False when it is too busy."""
        self._link = link
        self._hand_in = hand_in
        self._notice = topics.name("update_notice", door)
        self._state = topics.name("update_state", door)

    def state(self, message: UpdateState) -> None:
        """Retained: the link keeps it and sends it again with each connection."""
        row = BY_NAME["update_state"]
        self._link.publish(self._state, message.to_json(), qos=row.qos, retain=row.retain)

    def on_connected(self, connection: int) -> None:
        """Nothing to do: the broker sends the notice with the subscription."""

    def on_disconnected(self) -> None:
        """Nothing to do."""

    def on_delivered(self, token: str, refused: str | None) -> None:
        """Nothing to do: the state goes without a token."""

    def on_message(self, message: Incoming) -> None:
        if message.topic != self._notice:
            return
        try:
            news = Noticed(UpdateNotice.from_json(message.payload)) if message.payload else NoNotice()
        except MessageError as error:
            _log.warning("a notice of a release is passed over", reason=error)
        else:
            if not self._hand_in(news):
                return  # unacknowledged it comes again with the next connection
        self._link.acknowledge(message)
