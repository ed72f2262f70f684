"""Hands the outbox's events to the link, in order, and lets each go when its receiver has it. A thread of its own.

`put` never waits for the disk. An event is committed at once when the last commit is a second ago, and with its
neighbours otherwise; only what is committed is sent. Without an acknowledging receiver an event goes when the broker
has it. With one it stays until `events/ack` names it: brokers lose what they had acknowledged when they are killed.
What the receiver says nothing of is sent again after a while, the oldest first and ever more rarely, so that a receiver
that is away is not flooded. Receivers tell copies by the event's id.

What waits is left to `outbox.py`, the connection to the link.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TypeVar

from edge.adapters.outbox import Outbox, OutboxReport
from edge.adapters.outbox_file import Entry
from edge.contract.messages import EventAck
from edge.errors import MessageError
from edge.log import get_logger
from edge.ports import Handover, Incoming, Link

T = TypeVar("T")
_log = get_logger("delivery")

_MAX_UNWRITTEN = 10_000  # events that wait for a disk that hangs
_RETRY_DISK_S = 5.0


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """How events are delivered.

    acknowledged_by: the receiver whose `events/ack` lets an event go; empty where the broker's word suffices.
    ack_topic: where that comes in.
    window: events under way to the broker at once; paho sends all of them again after a reconnection.
    commit_every_s, tidy_every_s: at most one commit of new events, and of removals alone, in so long, for SD cards.
    resend_s, resend_at_most_s: first and longest wait for the receiver; it is asked again after one to two of them.
    refused_pause_s: wait after the broker refused an event.
    """

    acknowledged_by: str = ""
    ack_topic: str = ""
    window: int = 10
    commit_every_s: float = 1.0
    tidy_every_s: float = 5.0
    resend_s: float = 30.0
    resend_at_most_s: float = 900.0
    refused_pause_s: float = 60.0


class Delivery:
    """A `LinkListener`: pass it to `Link.start`. See the module."""

    def __init__(self, outbox: Outbox, link: Link, settings: DeliverySettings) -> None:
        self._outbox = outbox
        self._link = link
        self._settings = settings
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._unwritten: deque[tuple[str, str, bytes, str | None]] = deque()
        self._overflow = 0
        self._report = OutboxReport()
        self._connection: int | None = None
        self._cursor = 0
        self._under_way: dict[str, int] = {}
        self._again: set[str] = set()  # sent again, and not acknowledged yet
        self._again_up_to = self._aged = 0  # places: of what is being sent again; of what was handed over a wait ago
        self._going_on = False
        self._resend_pause_s = settings.resend_s
        self._resend_at_s = self._held_until_s = 0.0
        self._committed_s = self._tidied_s = float("-inf")
        self._acknowledge: list[Incoming] = []
        self._running = False
        self._idle = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Open the outbox and begin. What is wrong with the file is in the report."""
        self._outbox.open()
        if not self._settings.acknowledged_by:
            self._outbox.forget_sent()
        self._aged = self._outbox.last_sent()
        self._report = self._outbox.report()
        self._running = True
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)
        self._thread.start()

    def put(self, event_id: str, topic: str, payload: bytes, person: str | None = None) -> None:
        """Take an event to be delivered. Returns at once; `flush` says when it is safe. person: whom it is about."""
        with self._lock:
            self._unwritten.append((event_id, topic, payload, person))
            if len(self._unwritten) > _MAX_UNWRITTEN:
                self._unwritten.popleft()
                self._overflow += 1
            if len(self._unwritten) == 1:
                self._work.put(self._take_in)

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until all that was put is committed; False if it is not."""
        try:
            return self._ask(self._commit, timeout_s)
        except TimeoutError:  # the disk hangs
            return False

    def drain(self, timeout_s: float) -> bool:
        """Wait until nothing is left to hand over, as before the end of a command; False if something is."""
        deadline = time.monotonic() + timeout_s
        with contextlib.suppress(TimeoutError):
            self._ask(self._begin_to_drain, timeout_s)
        while not self._idle and time.monotonic() < deadline:
            time.sleep(0.01)
        return self._idle

    def erase_person(self, person: str, timeout_s: float = 30.0) -> int:
        """Overwrite every waiting event about a person: how many it were.

        Raises:
            StoreError: they may still be on the disk.
            TimeoutError: the disk did not answer.
        """
        return self._ask(lambda: self._outbox.erase_person(person), timeout_s)

    def report(self) -> OutboxReport:
        """How the outbox was a moment ago."""
        with self._lock:
            return replace(self._report, dropped=self._report.dropped + self._overflow)

    def stop(self) -> None:
        """Commit and close. What is not delivered waits in the file. Stop the link first."""
        if self._thread is None:
            return
        self._work.put(self._finish)
        self._thread.join(10)
        self._thread = None

    def on_connected(self, connection: int) -> None:
        self._work.put(lambda: self._begin(connection))

    def on_disconnected(self) -> None:
        self._work.put(self._rewind)

    def on_message(self, message: Incoming) -> None:
        if message.topic == self._settings.ack_topic:
            self._work.put(lambda: self._receipt(message))

    def on_delivered(self, token: str, refused: str | None) -> None:
        self._work.put(lambda: self._delivered(token, refused))

    def _ask(self, question: Callable[[], T], timeout_s: float) -> T:
        """Run `question` on the delivery's thread, after what was put before."""
        answer: Future[T] = Future()

        def run() -> None:
            self._take_in()
            try:
                result = question()
            except Exception as error:  # noqa: BLE001 - it belongs to whoever asked
                answer.set_exception(error)
            else:
                self._refresh()
                answer.set_result(result)

        self._work.put(run)
        return answer.result(timeout_s)

    def _run(self) -> None:
        while self._running:
            try:
                self._step()
            except Exception:  # noqa: BLE001 - whatever it is must not end the delivery
                _log.exception("delivery of events failed; it goes on")
                time.sleep(1)
        self._outbox.close()

    def _step(self) -> None:
        """Wait for work or for the next thing due, do it, and hand over what can be handed over."""
        try:
            self._work.get(timeout=self._until_due_s())()
            while True:
                self._work.get_nowait()()
        except queue.Empty:
            pass
        now_s = time.monotonic()
        if self._commit_due(now_s):
            self._commit()
        self._hand_over(now_s)
        self._idle = not (self._under_way or self._outbox.has_news or self._outbox.unsent(0, 1))
        self._refresh()

    def _refresh(self) -> None:
        report = self._outbox.report()
        with self._lock:
            self._report = report

    def _until_due_s(self) -> float:
        """Half a second at most, so that nothing here hangs on a missed wake-up."""
        soon = self._committed_s + self._settings.commit_every_s - time.monotonic() if self._outbox.has_news else 0.5
        return min(max(soon, 0.001), 0.5)

    def _commit_due(self, now_s: float) -> bool:
        every_s = _RETRY_DISK_S if self._report.trouble else self._settings.commit_every_s
        news = self._outbox.has_news and now_s - self._committed_s >= every_s
        return news or (self._outbox.has_chores and now_s - self._tidied_s >= self._settings.tidy_every_s)

    def _begin_to_drain(self) -> None:
        """What was idle a moment ago may not be any more: this turn's end tells anew."""
        self._idle = False
        self._take_in()
        self._commit()

    def _commit(self) -> bool:
        done = self._outbox.commit()
        self._committed_s = self._tidied_s = time.monotonic()
        for message in self._acknowledge:
            self._link.acknowledge(message)
        self._acknowledge.clear()
        return done

    def _take_in(self) -> None:
        with self._lock:
            entries = list(self._unwritten)
            self._unwritten.clear()
        for event_id, topic, payload, person in entries:
            self._outbox.put(event_id, topic, payload, person)

    def _finish(self) -> None:
        self._take_in()
        self._commit()
        self._running = False

    def _begin(self, connection: int) -> None:
        self._rewind()
        self._connection = connection
        self._held_until_s = 0.0
        self._aged = max(self._aged, self._cursor)
        self._again.clear()
        self._resend_pause_s = self._settings.resend_s
        self._resend_at_s = time.monotonic() + self._resend_pause_s

    def _rewind(self) -> None:
        """The connection is gone, and with it what was under way: go on from the first that was not delivered."""
        self._connection = None
        self._cursor = min([self._cursor, *(seq - 1 for seq in self._under_way.values())])
        self._under_way.clear()

    def _receipt(self, message: Incoming) -> None:
        """The receiver names the events that it has; a message that is none is acknowledged, or it would come again."""
        self._acknowledge.append(message)
        try:
            ack = EventAck.from_json(message.payload)
        except MessageError as error:
            _log.warning("an acknowledgement is passed over", reason=error)
            return
        if self._settings.acknowledged_by and ack.by in (None, self._settings.acknowledged_by):
            self._received({str(event_id) for event_id in ack.ids})

    def _received(self, event_ids: set[str]) -> None:
        self._outbox.remove(event_ids)
        for event_id in event_ids:
            self._under_way.pop(event_id, None)
        self._resend_pause_s = self._settings.resend_s
        if self._again and self._again <= event_ids:  # the receiver is back: go on with the next at once
            self._going_on, self._resend_at_s = True, time.monotonic()
        self._again -= event_ids

    def _delivered(self, event_id: str, refused: str | None) -> None:
        seq = self._under_way.pop(event_id, None)
        if seq is None:
            return
        if refused is not None:
            self._cursor = min(self._cursor, seq - 1)
            self._held_until_s = time.monotonic() + self._settings.refused_pause_s
        elif self._settings.acknowledged_by:
            self._outbox.mark_sent(event_id)
        else:
            self._outbox.remove([event_id])

    def _hand_over(self, now_s: float) -> None:
        room = self._settings.window - len(self._under_way)
        if self._connection is None or now_s < self._held_until_s or room <= 0:
            return
        waiting = self._outbox.unsent(self._cursor, self._settings.window)
        for entry in waiting:
            if len(self._under_way) >= self._settings.window or not self._hand_over_one(entry, now_s):
                return
            self._cursor = entry.seq
        if not waiting and self._settings.acknowledged_by and not self._under_way and now_s >= self._resend_at_s:
            self._send_again(now_s)

    def _hand_over_one(self, entry: Entry, now_s: float) -> bool:
        """Whether to go on with the next."""
        if entry.event_id in self._under_way:
            return True
        result = self._link.publish(entry.topic, entry.payload, token=entry.event_id, connection=self._connection)
        if result is Handover.TAKEN:
            self._under_way[entry.event_id] = entry.seq
        elif result is Handover.TOO_LARGE:
            self._outbox.drop(entry.event_id)
        elif result is Handover.FULL:
            self._held_until_s = now_s + 0.5
        else:
            self._connection = None
        return result in (Handover.TAKEN, Handover.TOO_LARGE)

    def _send_again(self, now_s: float) -> None:
        """The oldest that the receiver has said nothing of, among those that it could have answered by now."""
        if not self._going_on:
            self._again_up_to, self._aged = self._aged, self._cursor
        self._going_on = False
        if self._outbox.has_chores:
            self._commit()
        entries = self._outbox.unacknowledged(self._again_up_to, self._settings.window)
        self._again = {entry.event_id for entry in entries}
        for entry in entries:
            if not self._hand_over_one(entry, now_s):
                break
        self._resend_at_s = now_s + self._resend_pause_s
        if entries:
            self._resend_pause_s = min(2 * self._resend_pause_s, self._settings.resend_at_most_s)
