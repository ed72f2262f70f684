"""The worker's loop: take messages, commit them, answer their doors, then tell the broker that they are done with.

In that order, so that whatever ends a worker, and wherever, costs nothing: what was not committed comes again, and what
was committed and comes again changes nothing. While the store cannot be used nothing is acknowledged.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge.contract.topics import Topics
from edge.errors import StoreError
from edge.log import get_logger
from edge.ports import Incoming, Link
from trainer.ingest.batch import answers, commit
from trainer.ingest.intake import Intake
from trainer.ingest.reading import Item, read
from trainer.store.store import FleetStore

_log = get_logger("ingest")

_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.05, 30.0
_TELL_AFTER = 3  # tries; two workers in each other's way need one or two, and nobody needs to read of that


@dataclass(frozen=True, slots=True)
class WorkerRules:
    """batch: messages of one transaction at most. wait_s: for more of them. idle_s: between looks at other work.

    by: who acknowledges.
    """

    batch: int
    wait_s: float
    idle_s: float
    by: str


@dataclass(slots=True)
class Tally:
    """What a worker did since it started."""

    messages: int = 0
    set_aside: int = 0
    batches: int = 0


def pause_s(failures: int, chance: float) -> float:
    """How long to leave the store alone after so many failures in a row, less up to half by chance."""
    longest = min(_LAST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(failures - 1, 16))
    return longest * (0.5 + 0.5 * chance)


class Worker:
    """See the module. `run` until `stop`. each_turn: called between batches, for what else there is to do."""

    def __init__(
        self,
        store: FleetStore,
        link: Link,
        intake: Intake,
        topics: Topics,
        rules: WorkerRules,
        each_turn: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._link = link
        self._intake = intake
        self._topics = topics
        self._rules = rules
        self._each_turn = each_turn
        self._stopping = threading.Event()
        self.tally = Tally()

    def stop(self) -> None:
        """End after the batch in hand; from any thread or a signal handler."""
        self._stopping.set()
        self._intake.wake()

    def run(self) -> None:
        rules = self._rules
        while not self._stopping.is_set():
            messages = self._intake.take(rules.batch, rules.wait_s, rules.idle_s)
            if messages:
                self._settle(messages)
            self._each_turn()

    def _settle(self, messages: Sequence[Incoming]) -> None:
        connection = self._intake.connection
        items = [item for message in messages if (item := read(self._topics, message)) is not None]
        done = self._commit(items, connection)
        if done is None:
            return
        for answer in answers(self._topics, done, self._rules.by):
            # One that gets no further is no loss: the door sends the message again, and is answered then.
            self._link.publish(answer.topic, answer.payload, qos=1)
        for message in messages:
            self._link.acknowledge(message)
        self.tally.messages += len(messages)
        self.tally.set_aside += sum(item.poison is not None for item in done)
        self.tally.batches += 1

    def _commit(self, items: Sequence[Item], connection: int) -> list[Item] | None:
        """Try until the store takes them; None where they were given up, since they come again."""
        failures = 0
        while True:
            try:
                done = commit(self._store, items)
            except StoreError as error:
                failures += 1
                if failures == _TELL_AFTER:
                    _log.error("nothing can be stored; trying again, and doors keep their messages", reason=error)
            else:
                if failures >= _TELL_AFTER:
                    _log.info("the store takes messages again", failures=failures)
                return done
            if not self._wait(pause_s(failures, random.random()), connection):  # noqa: S311 - no secret
                return None

    def _wait(self, pause: float, connection: int) -> bool:
        """Whether to try again: not when the worker ends, nor when the broker sends the same messages anew."""
        deadline = time.monotonic() + pause
        while (left := deadline - time.monotonic()) > 0:
            if self._stopping.wait(min(left, 1.0)):
                return False
            self._each_turn()
        return self._intake.connection == connection
