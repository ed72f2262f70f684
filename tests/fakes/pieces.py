"""A line to a repository's folder without a broker, honest or not, and a clock that only tests move."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from edge.contract.update import ChunkStatus, UpdateChunk, UpdateRequest
from trainer.distribute.shelf import Shelf

Tamper = Callable[[UpdateRequest, UpdateChunk], UpdateChunk | None]


class HandClock:
    """A clock of which both times move by `pass_s` alone."""

    def __init__(self, wall_s: float) -> None:
        self.now_s = 0.0
        self.at_s = wall_s

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        return self.at_s

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds
        self.at_s += seconds


class ShelfLine:
    """A `PieceLine` to a `Shelf`.

    tamper: what a dishonest server answers in place of the honest answer; None is nothing.
    breaks: after so many more answers the connection is lost, once for each number.
    takes_s: how long an answer takes, on the clock.
    """

    def __init__(self, folder: Path, clock: HandClock) -> None:
        self.folder = folder
        self.tamper: Tamper = lambda _request, chunk: chunk
        self.breaks: deque[int] = deque()
        self.takes_s = 0.01
        self.asked: list[UpdateRequest] = []
        self.sent = 0
        self.connections = 0
        self.away = False
        self.most_open = 0
        self._clock = clock
        self._open: deque[UpdateRequest] = deque()
        self._connected = False

    @property
    def connected(self) -> bool:
        return self._connected

    @property
    def problem(self) -> str | None:
        return None if self._connected else "nobody listens at broker:1883"

    def connect(self) -> None:
        self._clock.pass_s(1.0)
        if not self.away:
            self._connected = True
            self.connections += 1

    def ask(self, request: UpdateRequest) -> None:
        self.asked.append(request)
        self._open.append(request)
        self.most_open = max(self.most_open, len(self._open))

    def wait(self, timeout_s: float) -> UpdateChunk | None:
        if self._break():
            return None
        if not self._open:
            self._clock.pass_s(timeout_s)
            return None
        self._clock.pass_s(self.takes_s)
        request = self._open.popleft()
        chunk = self.tamper(request, Shelf(self.folder).piece(request))
        self.sent += len(chunk.data) if chunk is not None else 0
        return chunk

    def close(self) -> None:
        self._connected = False
        self._open.clear()

    def _break(self) -> bool:
        if not self.breaks:
            return False
        if self.breaks[0] > 0:
            self.breaks[0] -= 1
            return False
        self.breaks.popleft()
        self.close()
        return True


def instead(file: str, data: bytes) -> Tamper:
    """A server that gives other bytes for one file, and is honest with all others."""

    def tamper(request: UpdateRequest, chunk: UpdateChunk) -> UpdateChunk:
        if not request.file.endswith(file):
            return chunk
        part = data[request.offset : request.offset + request.length]
        return replace(chunk, status=ChunkStatus.OK, total=len(data), offset=request.offset, data=part)

    return tamper
