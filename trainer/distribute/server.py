"""The server's loop: take requests, let every door have its turn, hand pieces to the link as the broker takes them.

A request is acknowledged when it is taken, and lost with the connection or this process: the door asks again. Answers
go to the door's own topic alone, wherever a request would have them: nobody is sent what they did not ask for.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass

from edge.adapters.mqtt_settings import Subscription
from edge.contract.topics import BY_NAME, Topics
from edge.contract.update import ChunkStatus, UpdateChunk, UpdateRequest
from edge.errors import MessageError
from edge.log import get_logger
from edge.ports import Incoming, Link
from trainer.distribute.shelf import Shelf, refusal
from trainer.distribute.turns import Asked, Turns

_log = get_logger("distribute")

_UNDER_WAY = 16  # pieces with the broker at a time: 1 MiB of memory, and under the link's own window
_MOST_TOLD = 1000


@dataclass(slots=True)
class Tally:
    """What was served since the start. sent: bytes of pieces, headers among them."""

    pieces: int = 0
    sent: int = 0
    refused: int = 0


def subscriptions(topics: Topics, group: str) -> tuple[Subscription, ...]:
    """Of several workers each request comes to one."""
    return (Subscription(f"$share/{group}-distribute/{topics.filter('update_request')}"),)


class Distributor:
    """A `ports.LinkListener` and the loop that answers. `run` until `stop`. each_turn: called now and then."""

    def __init__(
        self,
        link: Link,
        shelf: Shelf,
        topics: Topics,
        *,
        idle_s: float = 5.0,
        each_turn: Callable[[], None] = lambda: None,
    ) -> None:
        self._link = link
        self._shelf = shelf
        self._topics = topics
        self._idle_s = idle_s
        self._each_turn = each_turn
        self._changed = threading.Condition()
        self._turns = Turns()
        self._under_way: set[str] = set()
        self._told: set[tuple[str, str]] = set()
        self._stopping = False
        self.tally = Tally()

    def on_connected(self, connection: int) -> None:
        """Whoever asked before asks again."""

    def on_disconnected(self) -> None:
        with self._changed:
            self._turns.clear()
            self._under_way.clear()

    def on_message(self, message: Incoming) -> None:
        asked = self._read(message)
        self._link.acknowledge(message)
        if asked is not None:
            with self._changed:
                self._turns.add(asked)
                self._changed.notify()

    def on_delivered(self, token: str, refused: str | None) -> None:
        """The link tells of a refusal itself; whose piece it was asks again."""
        del refused
        with self._changed:
            self._under_way.discard(token)
            self._changed.notify()

    def stop(self) -> None:
        """End after the piece in hand; from any thread or a signal handler."""
        with self._changed:  # whose lock this very thread may hold when a signal comes; it is one that may
            self._stopping = True
            self._changed.notify()

    def run(self) -> None:
        while not self._stopping:
            asked = self._take()
            if asked is not None:
                self._answer(asked)
            self._each_turn()

    def _take(self) -> Asked | None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._ready(), self._idle_s)
            return self._turns.next() if self._ready() else None

    def _ready(self) -> bool:
        return len(self._turns) > 0 and len(self._under_way) < _UNDER_WAY

    def _read(self, message: Incoming) -> Asked | None:
        place = self._topics.read(message.topic)
        if place is None or place.topic.name != "update_request":
            return None
        try:
            request = UpdateRequest.from_json(message.payload)
        except MessageError as error:
            return Asked(place.door, message.correlation, None, str(error))
        return Asked(place.door, message.correlation, request)

    def _answer(self, asked: Asked) -> None:
        chunk = self._chunk(asked)
        if chunk.status in (ChunkStatus.REFUSED, ChunkStatus.FAILED):
            self.tally.refused += 1
            self._tell(asked.door, chunk.words)
        payload, token = chunk.to_json(), secrets.token_hex(8)
        with self._changed:
            self._under_way.add(token)
        taken = self._link.publish(
            self._topics.name("update_chunk", asked.door),
            payload,
            qos=BY_NAME["update_chunk"].qos,
            correlation=asked.correlation,
            token=token,
        )
        if taken:
            self.tally.pieces += 1
            self.tally.sent += len(payload)
        else:
            with self._changed:
                self._under_way.discard(token)

    def _tell(self, door: str, words: str) -> None:
        """Once of each door and reason, since a door may ask without end."""
        if (door, words) not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add((door, words))
            _log.warning("a request cannot be served", door=door, reason=words)

    def _chunk(self, asked: Asked) -> UpdateChunk:
        if asked.request is not None:
            return self._shelf.piece(asked.request)
        # Its number, if it has one, is as unreadable as the rest; a door of MQTT 5 gave it beside the message too.
        number = int.from_bytes(asked.correlation, "big") if asked.correlation and len(asked.correlation) == 4 else 0
        return refusal(number, ChunkStatus.REFUSED, asked.words)
