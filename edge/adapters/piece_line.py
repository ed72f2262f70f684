"""`PieceLine` over MQTT: a connection of the updater's own, beside the door's, that keeps nothing with the broker.

One thread drives it, so it can be in a child process that ends at any time; what was under way is asked for again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace

from edge.adapters.mqtt import pause_s
from edge.adapters.mqtt_errors import BrokerError
from edge.adapters.mqtt_session import Outgoing, Received, Session
from edge.adapters.mqtt_settings import LinkSettings, Subscription
from edge.contract.topics import BY_NAME, Topics
from edge.contract.update import UpdateChunk, UpdateRequest
from edge.errors import MessageError
from edge.log import get_logger
from edge.update.problems import FetchError

_log = get_logger("update")

_LONGEST_TOPIC = 1024


def line_settings(door: LinkSettings) -> LinkSettings:
    """The settings of the door's own connection, made fit for a second one beside it."""
    return replace(
        door,
        client_id=f"{door.client_id}-update",
        availability="",
        session_expiry_s=0,
        max_packet_bytes=UpdateChunk.MAX_BYTES + _LONGEST_TOPIC,
    )


class MqttPieceLine:
    """See the module. settings: from `line_settings`. pause: seconds after so many tries in vain."""

    def __init__(
        self,
        settings: LinkSettings,
        topics: Topics,
        door: str,
        pause: Callable[[int], float] = lambda failures: min(30.0, pause_s(failures, random.random())),  # noqa: S311 - no secret
    ) -> None:
        self._settings = settings
        self._requests, self._chunks = topics.name("update_request", door), topics.name("update_chunk", door)
        self._pause = pause
        self._session: Session | None = None
        self._number = self._failures = 0
        self._problem: str | None = "not connected yet"

    @property
    def connected(self) -> bool:
        return self._session is not None

    @property
    def problem(self) -> str | None:
        return self._problem

    def connect(self) -> None:
        if self._failures:
            time.sleep(self._pause(self._failures))
        self._number += 1
        session = Session(self._settings, self._number)
        try:
            session.open()
            session.subscribe([Subscription(self._chunks, BY_NAME["update_chunk"].qos)])
        except BrokerError as problem:
            session.close()
            self._tell(problem)
        else:
            self._session, self._problem = session, None

    def ask(self, request: UpdateRequest) -> None:
        if self._session is None:
            return
        correlation = request.number.to_bytes(4, "big")
        message = Outgoing(
            self._requests, request.to_json(), BY_NAME["update_request"].qos, False, correlation, None, self._chunks
        )
        try:
            self._session.send(message)
        except BrokerError as problem:
            self._lose(problem)

    def wait(self, timeout_s: float) -> UpdateChunk | None:
        deadline = time.monotonic() + timeout_s
        while (session := self._session) is not None:
            while session.received:
                chunk = self._read(session, session.received.popleft())
                if chunk is not None:
                    self._failures = 0
                    return chunk
            self._check(session)
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return None
            try:
                session.turn(None, left_s)
            except BrokerError as problem:
                self._lose(problem)
        return None

    def close(self) -> None:
        if self._session is not None:
            self._session.disconnect()
            self._session.close()
            self._session = None

    def _read(self, session: Session, message: Received) -> UpdateChunk | None:
        session.acknowledge(message.mid, message.qos)
        if message.topic != self._chunks:
            return None
        try:
            return UpdateChunk.from_json(message.payload)
        except MessageError as error:
            _log.warning("a piece is passed over", reason=error)
            return None

    def _check(self, session: Session) -> None:
        """What the broker says to our subscription and to our requests."""
        if session.denied:
            raise FetchError("denied", f"the broker denies us {session.denied.popleft()}; check its access rules")
        while session.settled:
            message, refusal = session.settled.popleft()
            # 'No matching subscribers' is a success by its number: the trainer may come back.
            if refusal is not None:
                raise FetchError("denied", f"the broker refuses {message.topic}: {refusal}; check its access rules")

    def _lose(self, problem: BrokerError) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None
        self._tell(problem)

    def _tell(self, problem: BrokerError) -> None:
        self._failures += 1
        if self._failures == 1:
            _log.warning(f"{problem}; trying again, what is there is kept")
        self._problem = str(problem)
