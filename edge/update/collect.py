"""Files of the repository over a line, byte for byte in order: asks, waits, connects again, asks for the rest.

What to ask for and what to take is decided by `pieces.py`. The line itself is an adapter; see `PieceLine`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from itertools import count
from typing import Protocol

from edge.contract.update import UpdateChunk, UpdateRequest
from edge.ports import Clock
from edge.update.pieces import Download, Pace, Waiting
from edge.update.problems import FetchError

_TURN_S = 1.0
_LITTLE_WITHIN_S = 5.0  # metadata is a few kB, so that its answer comes soon or is lost
# The largest release with its metadata, and as much again for what breaks; a year of heads' metadata is under 1 MB.
MOST_OF_A_SESSION = 128 << 20


class PieceLine(Protocol):
    """The way to whoever serves pieces. Making one opens nothing."""

    @property
    def connected(self) -> bool: ...

    @property
    def problem(self) -> str | None:
        """Why there is no connection, in one line; None while there is one."""
        ...

    def connect(self) -> None:
        """Try once, after a pause that grows with each try in vain; see `connected` for the outcome.

        Raises:
            FetchError: whoever answers denies us what we need.
        """
        ...

    def ask(self, request: UpdateRequest) -> None:
        """Send a request; one that is lost is lost with the connection.

        Raises:
            FetchError: see `connect`.
        """
        ...

    def wait(self, timeout_s: float) -> UpdateChunk | None:
        """The next piece, or None after that time or when the connection is lost.

        Raises:
            FetchError: see `connect`.
        """
        ...

    def close(self) -> None:
        """Part; harmless when there is no connection."""
        ...


class Collector:
    """See the module. One file at a time.

    patience_s: without a connection, and nothing received for so long, it gives up, to be begun again another time.
    most: bytes of all files together.
    """

    def __init__(
        self,
        line: PieceLine,
        clock: Clock,
        pace: Pace | None = None,
        *,
        patience_s: float = 600.0,
        most: int = MOST_OF_A_SESSION,
    ) -> None:
        self._line = line
        self._clock = clock
        self._pace = pace or Pace()
        self._waiting = Waiting(self._pace.answer_within_s)
        self._waiting_for_little = Waiting(min(_LITTLE_WITHIN_S, self._pace.answer_within_s))
        self._patience_s = patience_s
        self._most = most
        # By chance, so that answers to a process before this one are nobody's.
        self._numbers = (number % 2**32 for number in count(secrets.randbits(32)))
        self._heard_s = 0.0
        self.received = 0

    def pieces(self, file: str, most: int, *, exact: bool = False, start: int = 0) -> Iterator[tuple[bytes, float]]:
        """The file's bytes from `start` on in order, each time with the share of the file that is there.

        exact: it has `most` bytes, as a release of which the length is signed.

        Raises:
            FetchError: why it cannot be had.
        """
        self._heard_s = self._clock.monotonic_s()
        waiting = self._waiting if exact else self._waiting_for_little
        download = Download(file, most, self._numbers, self._pace, waiting, exact=exact, start=start)
        if self._line.connected:
            download.found(self._clock.monotonic_s())
        while not download.done:
            if not self._line.connected:
                self._connect(download)
            for request in download.due(self._clock.monotonic_s()):
                self._line.ask(request)
            chunk = self._line.wait(_TURN_S)
            if chunk is not None:
                self._count(chunk)
                for data in download.take(chunk, self._heard_s):
                    yield data, download.share

    def _connect(self, download: Download) -> None:
        download.lost(self._clock.monotonic_s())
        while not self._line.connected:
            # Counted since the last piece, or connections that never last would be tried for ever.
            if self._clock.monotonic_s() - self._heard_s > self._patience_s:
                raise FetchError("away", self._line.problem or "there is no connection to the broker")
            self._line.connect()
        download.found(self._clock.monotonic_s())

    def _count(self, chunk: UpdateChunk) -> None:
        self.received += len(chunk.data)
        self._heard_s = self._clock.monotonic_s()
        if self.received > self._most:
            raise FetchError("length", f"more than {self._most} bytes came in one session; that is no release")
