"""The link to an MQTT broker: a thread that connects, and connects again for ever, as `ports.Link` promises.

What other threads hand over is queued here and sent by that thread alone. Retained messages are kept and sent again
with each connection, since a broker may have lost them; so is what was taken without a token and not acknowledged. What
carries a token is forgotten with its connection: its owner (`delivery.py`) has it on disk and hands it over again.
One connection's bytes are left to `mqtt_session.py`.
"""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from edge.adapters.mqtt_errors import BrokerError
from edge.adapters.mqtt_session import Outgoing, Received, Session, fits
from edge.adapters.mqtt_settings import LinkSettings, Subscription
from edge.log import get_logger
from edge.ports import Handover, Incoming, LinkListener

__all__ = ["LinkSettings", "MqttLink", "Subscription", "pause_s", "try_connection"]

_log = get_logger("link")

_FIRST_PAUSE_S, _LAST_PAUSE_S = 1.0, 120.0
_STABLE_S = 30.0  # a connection that held so long was a good one: begin with short pauses again
_REMIND_S = 3600.0  # a problem that stays is told again after this long
_SUSPICIOUS = 3
_TURN_S = 1.0
_GOODBYE_S = 2.0
_MAX_QUEUED = 200


def pause_s(failures: int, chance: float = 0.5) -> float:
    """How long to wait after so many failures in a row: 1 s, doubling to 120 s, less up to half by chance.

    chance: 0..1, so that the doors of a house do not all come back at once.
    """
    longest = min(_LAST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(failures - 1, 16))
    return longest * (0.5 + 0.5 * chance)


def try_connection(settings: LinkSettings) -> None:
    """Connect once and part, under another client id, so that a running daemon is not disturbed.

    Raises:
        LinkError: why it does not work, in one line.
    """
    asker = replace(settings, client_id=f"{settings.client_id}-check", availability="", session_expiry_s=0)
    session = Session(asker, 0)
    try:
        session.open()
        session.disconnect()
    finally:
        session.close()


class MqttLink:
    """`ports.Link` over MQTT 5 or 3.1.1. See there."""

    def __init__(
        self,
        settings: LinkSettings,
        subscriptions: Sequence[Subscription] = (),
        pause: Callable[[int], float] = lambda failures: pause_s(failures, random.random()),  # noqa: S311 - no secret
    ) -> None:
        self._settings = settings
        self._subscriptions = tuple(subscriptions)
        self._pause = pause
        self._listeners: tuple[LinkListener, ...] = ()
        self._lock = threading.Lock()
        self._queue: deque[Outgoing] = deque()
        self._retained: dict[str, Outgoing] = {}
        self._acknowledged: deque[Received] = deque()
        self._refused: set[str] = set()
        self._connected = False
        self._number = 0
        self._limit = settings.max_packet_bytes
        self._problem: str | None = "not connected yet"
        self._failures = self._brief = 0
        self._told: tuple[str, float] | None = None
        self._beat_s = time.monotonic()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._wake_read: socket.socket | None = None
        self._wake_write: socket.socket | None = None

    def start(self, *listeners: LinkListener) -> None:
        self._listeners = listeners
        self._stopping.clear()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._start_thread()

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        correlation: bytes | None = None,
        token: str | None = None,
        connection: int | None = None,
    ) -> Handover:
        self._supervise()
        message = Outgoing(topic, payload, qos, retain, correlation, token)
        with self._lock:
            result = self._take(message, connection)
        if result is Handover.TOO_LARGE:
            _log.error("a message is larger than the broker takes", topic=topic, bytes=len(payload), limit=self._limit)
        self._wake()
        return result

    def acknowledge(self, message: Incoming) -> None:
        if isinstance(message.receipt, Received):
            self._acknowledged.append(message.receipt)
            self._wake()

    @property
    def connected(self) -> bool:
        self._supervise()
        return self._connected

    @property
    def problem(self) -> str | None:
        return self._problem

    @property
    def heartbeat_s(self) -> float:
        """When the link's thread last went round, monotonic seconds, for a watchdog; connecting may take 40 s."""
        return self._beat_s

    def stop(self) -> None:
        self._stopping.set()
        self._wake()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_GOODBYE_S + 2 * _TURN_S)
        for end in (self._wake_read, self._wake_write):
            if end is not None and (thread is None or not thread.is_alive()):
                end.close()
        self._thread = None

    def _take(self, message: Outgoing, connection: int | None) -> Handover:
        """Under the lock: into the queue, or why not."""
        if len(message.topic.encode()) + len(message.payload) > self._limit:
            return Handover.TOO_LARGE
        if message.retain:
            self._retained[message.topic] = message
            self._queue = deque(m for m in self._queue if not (m.retain and m.topic == message.topic))
            if not self._connected:
                return Handover.TAKEN
        if not self._connected or connection not in (None, self._number):
            return Handover.AWAY
        if len(self._queue) >= _MAX_QUEUED:
            return Handover.FULL
        self._queue.append(message)
        return Handover.TAKEN

    def _supervise(self) -> None:
        """Start the thread again if something ended it that even its own guard let through."""
        thread = self._thread
        if thread is None or thread.is_alive() or self._stopping.is_set():
            return
        with self._lock:
            if self._thread is not thread:
                return
            _log.error("the link's thread had ended; it is started again")
            self._failures += 1
            self._start_thread()

    def _start_thread(self) -> None:
        self._thread = threading.Thread(target=self._run, name="mqtt-link", daemon=True)
        self._thread.start()

    def _wake(self) -> None:
        if self._wake_write is not None:
            with contextlib.suppress(OSError):  # full: it will wake anyway; closed: nobody is there to wake
                self._wake_write.send(b"!")

    def _run(self) -> None:
        if self._failures:  # an earlier thread died: not at once again
            self._stopping.wait(self._pause(self._failures))
        while not self._stopping.is_set():
            began_s = self._beat_s = time.monotonic()
            try:
                self._converse()
            except BrokerError as problem:
                self._tell(self._suspect(problem, began_s))
            except Exception:  # noqa: BLE001 - whatever it is costs one connection and never the link
                self._problem = "the link failed, as the log tells"
                _log.exception("the link failed; it connects again")
            held = time.monotonic() - began_s >= _STABLE_S
            self._failures = 1 if held else self._failures + 1
            self._told = None if held else self._told
            self._stopping.wait(self._pause(self._failures))

    def _suspect(self, problem: BrokerError, began_s: float) -> BrokerError:
        """Brokers that do not say why they end connections: one that never lasts has a rival of the same id."""
        brief = problem.code == "lost" and time.monotonic() - began_s < _STABLE_S
        self._brief = self._brief + 1 if brief else 0
        if self._brief < _SUSPICIOUS:
            return problem
        rival = f"another client of the id {self._settings.client_id} may take its place"
        return BrokerError("rival", f"{problem}, {self._brief} times in a row soon after it was made; {rival}")

    def _converse(self) -> None:
        """One connection, from its beginning to its end."""
        self._number += 1
        session = Session(self._settings, self._number)
        try:
            session.open()
            self._begin(session)
            while not self._stopping.is_set():
                self._exchange(session)
            self._say_goodbye(session)
        finally:
            session.close()
            self._end(session)

    def _begin(self, session: Session) -> None:
        session.subscribe(self._subscriptions)
        with self._lock:
            self._queue.extendleft(reversed(self._retained.values()))
            if self._settings.availability:
                self._queue.appendleft(Outgoing(self._settings.availability, b"online", retain=True))
            self._limit = session.max_packet_bytes
            self._connected = True
            self._problem = None
        kept = "kept" if session.session_present else "new"
        _log.info("connected", broker=self._settings.broker, mqtt=self._settings.protocol, session=kept)
        self._each(lambda listener: listener.on_connected(session.number))

    def _end(self, session: Session) -> None:
        with self._lock:
            was_connected, self._connected = self._connected, False
            left = [*session.unsettled, *self._queue]
            self._queue = deque(m for m in left if m.token is None and not m.retain)
        if was_connected:
            self._each(lambda listener: listener.on_disconnected())

    def _exchange(self, session: Session, timeout_s: float = _TURN_S) -> None:
        self._beat_s = time.monotonic()
        while self._acknowledged:
            receipt = self._acknowledged.popleft()
            if receipt.number == session.number:
                session.acknowledge(receipt.mid, receipt.qos)
        while session.room > 0 and (message := self._next()) is not None:
            self._send(session, message)
        session.turn(self._wake_read, timeout_s)
        while session.received:
            self._hand_in(session, session.received.popleft())
        while session.settled:
            self._settle(*session.settled.popleft())
        while session.denied:
            _log.error("the broker denies us a topic; check its access rules", topic=session.denied.popleft())

    def _next(self) -> Outgoing | None:
        with self._lock:
            message = self._queue.popleft() if self._queue else None
            if message is not None and message.retain and not message.payload:
                self._retained.pop(message.topic, None)
            return message

    def _send(self, session: Session, message: Outgoing) -> None:
        try:
            session.send(message)
        except ValueError as error:
            self._settle(message, f"not a topic to publish to: {error}")

    def _hand_in(self, session: Session, received: Received) -> None:
        """To the listeners; what none of them should see is acknowledged at once, or it would come again for ever."""
        topic = received.topic or ""
        wanted = topic != "" and len(received.payload) <= self._settings.max_packet_bytes
        stale = received.retained and not any(s.retained and fits(s.filter, topic) for s in self._subscriptions)
        message = Incoming(topic, received.payload, received.response_topic, received.correlation, received)
        if not wanted:
            _log.warning("a message is passed over", topic=topic, bytes=len(received.payload))
        if not wanted or stale or not self._each(lambda listener: listener.on_message(message)):
            session.acknowledge(received.mid, received.qos)

    def _settle(self, message: Outgoing, refusal: str | None) -> None:
        if refusal is None:
            self._refused.discard(message.topic)
        elif message.topic not in self._refused:
            self._refused.add(message.topic)
            _log.error("the broker refuses our messages; check its access rules", topic=message.topic, reason=refusal)
        token = message.token
        if token is not None:
            self._each(lambda listener: listener.on_delivered(token, refusal))

    def _say_goodbye(self, session: Session) -> None:
        """Send what is queued, then `offline`, then part."""
        with self._lock:
            if self._settings.availability:
                self._queue.append(Outgoing(self._settings.availability, b"offline", retain=True))
        deadline = time.monotonic() + _GOODBYE_S
        with contextlib.suppress(BrokerError):
            while (self._queue or session.unsettled) and time.monotonic() < deadline:
                self._exchange(session, 0.1)
            session.disconnect()

    def _each(self, call: Callable[[LinkListener], None]) -> bool:
        """Tell every listener; True if none of them failed, which is theirs never to do."""
        fine = True
        for listener in self._listeners:
            try:
                call(listener)
            except (Exception, SystemExit):  # noqa: BLE001 - a listener's fault is not the link's
                _log.exception("the link's listener failed on what it was told", listener=type(listener).__name__)
                fine = False
        return fine

    def _tell(self, problem: BrokerError) -> None:
        """One line for each new problem, and one an hour for one that stays."""
        self._problem = str(problem)
        now_s = time.monotonic()
        if self._told is None or self._told[0] != problem.code or now_s - self._told[1] >= _REMIND_S:
            self._told = (problem.code, now_s)
            _log.warning(f"{problem}; trying again, events wait")
