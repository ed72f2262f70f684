"""The doors' retained notices: what the broker keeps is compared with what it should, and only the difference is sent.

So a broker that lost its retained messages is mended, and so is one that keeps an old notice. One worker of several
does it at a time (`upkeep.py`); two at once would only send the same twice. Which notice a door is to find is decided
in `rollouts.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from edge.contract.topics import Topics
from edge.contract.update import UpdateNotice
from edge.ports import Incoming, Link

_SETTLE_S = 3.0  # after connecting the broker first tells what it keeps
_AGAIN_S = 300.0  # one that was sent and did not come back, as where access rules hide it, is sent again so rarely
_MOST_AT_ONCE = 100  # a link queues some hundred messages


def difference(wanted: Mapping[str, bytes], kept: Mapping[str, bytes]) -> dict[str, bytes]:
    """What to send, by door; empty where a notice is to be taken away. kept: what the broker has."""
    fresh = {door: payload for door, payload in wanted.items() if kept.get(door) != payload}
    return fresh | {door: b"" for door in kept if door not in wanted}


class Notices:
    """Listens to what the broker keeps, and mends it turn by turn. A listener of its link; `turn` is the worker's."""

    def __init__(self, link: Link, topics: Topics) -> None:
        self._link = link
        self._topics = topics
        self._lock = threading.Lock()
        self._kept: dict[str, bytes] = {}
        self._fresh = True
        self._connected_s: float | None = None
        self._sent: dict[str, tuple[bytes, float]] = {}

    def turn(self, wanted: Mapping[str, UpdateNotice], now_s: float) -> int:
        """Send what is missing or wrong; how many. now_s: monotonic."""
        with self._lock:
            if self._fresh or self._connected_s is None:
                self._fresh = False
                self._connected_s = now_s if self._link.connected else None
                self._sent.clear()
            kept = dict(self._kept)
        if self._connected_s is None or now_s - self._connected_s < _SETTLE_S or not self._link.connected:
            return 0
        # What came back has arrived: should it change again, that is news.
        self._sent = {door: sent for door, sent in self._sent.items() if kept.get(door, b"") != sent[0]}
        payloads = {door: notice.to_json() for door, notice in wanted.items()}
        return self._send(difference(payloads, kept), now_s)

    def on_connected(self, connection: int) -> None:  # noqa: ARG002 - the listener's form
        """What was kept before is told anew, so that what the broker lost is missed."""
        with self._lock:
            self._kept.clear()
            self._fresh = True

    def on_disconnected(self) -> None:
        with self._lock:
            self._connected_s = None

    def on_message(self, message: Incoming) -> None:
        place = self._topics.read(message.topic)
        if place is not None and place.topic.name == "update_notice":
            with self._lock:
                if message.payload:
                    self._kept[place.door] = message.payload
                else:
                    self._kept.pop(place.door, None)
        self._link.acknowledge(message)

    def on_delivered(self, token: str, refused: str | None) -> None:
        """Nothing is sent with a token."""

    def _send(self, payloads: Mapping[str, bytes], now_s: float) -> int:
        count = 0
        for door, payload in payloads.items():
            before = self._sent.get(door)
            if before is not None and before[0] == payload and now_s - before[1] < _AGAIN_S:
                continue
            if count == _MOST_AT_ONCE or not self._link.publish(
                self._topics.name("update_notice", door), payload, qos=1, retain=True
            ):
                break
            self._sent[door] = (payload, now_s)
            count += 1
        return count
