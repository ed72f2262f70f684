"""One file in pieces: which to ask for next, which to ask for again, and what must not be taken. Pure; time is a value.

At most `Pace.window` requests are open. What was asked for exactly is what must come: a piece of another length, a file
that grows while it is fetched, more than was declared, or fewer bytes in a time than `Pace` allows end the download.
Sending and waiting are left to `collect.py`, whether the bytes are the signed ones to `fetch.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edge.contract.update import LARGEST_CHUNK, MOST_UNDER_WAY, ChunkStatus, UpdateChunk, UpdateRequest
from edge.update.problems import FetchError

_MOST_FAILURES = 5
# Brokers grant a subscription to what they will not deliver.
_SILENT_BROKER = "that the broker lets this door read update/chunk"


@dataclass(frozen=True, slots=True)
class Pace:
    """How a download goes.

    piece: bytes of a request; window: requests open at a time.
    answer_within_s: after so long a piece of a release is asked for again, until `Waiting` knows how long answers take.
    min_bytes_per_s: fewer than that since the beginning, beyond `grace_s`, is a sender that only means to keep us busy.
        1 KiB/s brings a head of 70 kB in a good minute, over the worst of mobile links.
    """

    piece: int = LARGEST_CHUNK
    window: int = MOST_UNDER_WAY
    answer_within_s: float = 20.0
    min_bytes_per_s: float = 1024.0
    grace_s: float = 60.0


class Waiting:
    """How long to wait for an answer before asking again, as TCP reckons it (RFC 6298); shared by files of a kind.

    A server whose broker was killed is back within seconds, and one that serves many doors takes its time: either is
    seen from the answers before. Asking again is cheap, since the server puts it in the older request's place.
    """

    _LEAST_S = 2.0

    def __init__(self, first_s: float) -> None:
        self._first_s = first_s
        self._usual_s: float | None = None
        self._spread_s = 0.0

    def heard(self, took_s: float) -> None:
        """An answer came after that time."""
        if self._usual_s is None:
            self._usual_s, self._spread_s = took_s, took_s / 2
            return
        self._spread_s += (abs(took_s - self._usual_s) - self._spread_s) / 4
        self._usual_s += (took_s - self._usual_s) / 8

    def limit_s(self, tries: int) -> float:
        """For a piece that was asked for so often: twice as long each time, to a bound."""
        usual_s = self._first_s if self._usual_s is None else self._usual_s + 4 * self._spread_s
        return min(max(self._LEAST_S, usual_s) * 2.0 ** min(tries - 1, 8), max(self._first_s, 2 * usual_s))


@dataclass(slots=True)
class _Open:
    """A piece that was asked for. tries: how often; since_s: when last."""

    offset: int
    length: int
    tries: int
    since_s: float


class Download:
    """See the module.

    most: bytes that the file may have; exact: and must have. start: bytes of its beginning that are there already.
    numbers: for requests; none may come twice while an answer to an older one may be under way.
    """

    def __init__(
        self,
        file: str,
        most: int,
        numbers: Iterator[int],
        pace: Pace,
        waiting: Waiting,
        *,
        exact: bool = False,
        start: int = 0,
    ) -> None:
        self._file = file
        self._most = most
        self._numbers = numbers
        self._pace = pace
        self._waiting = waiting
        self._total = most if exact else None
        self._next = self._given = self._start = start
        self._again: list[_Open] = []
        self._open: dict[int, _Open] = {}  # by offset
        self._asked: dict[int, tuple[_Open, float]] = {}  # by number: all that an answer may yet come to
        self._early: dict[int, bytes] = {}
        self._received = self._failures = 0
        self._connected_since_s: float | None = None
        self._connected_s = 0.0

    @property
    def done(self) -> bool:
        """Whether every byte was given out."""
        return self._total is not None and self._given >= self._total

    @property
    def share(self) -> float:
        """How much of the file was given out, 0..1."""
        return min(1.0, self._given / self._total) if self._total else 0.0

    def found(self, now_s: float) -> None:
        """There is a connection."""
        self._connected_since_s = now_s

    def lost(self, now_s: float) -> None:
        """The connection is gone, and with it what was asked; time without one is no sender's fault."""
        self._connected_s = self._elapsed_s(now_s)
        self._connected_since_s = None
        for piece in self._open.values():
            piece.tries = 0  # nobody kept it waiting
        self._again = sorted([*self._again, *self._open.values()], key=lambda piece: piece.offset)
        self._open.clear()
        self._asked.clear()

    def due(self, now_s: float) -> list[UpdateRequest]:
        """What to ask for now.

        Raises:
            FetchError: too little came in all this time.
        """
        self._check_rate(now_s)
        for piece in list(self._open.values()):
            if now_s - piece.since_s >= self._waiting.limit_s(piece.tries):
                self._again.append(self._open.pop(piece.offset))
        requests = []
        # The first piece alone shows how long one takes; a full window at once would be asked for twice on a slow link.
        window = self._pace.window if self._received else 1
        while len(self._open) < window and (wanted := self._wanted()) is not None:
            requests.append(self._ask(wanted, now_s))
        return requests

    def take(self, chunk: UpdateChunk, now_s: float) -> list[bytes]:
        """The bytes that follow those given out before, in order; none for an answer that nobody waits for.

        Raises:
            FetchError: there is no such file, or what came must not be taken.
        """
        piece, asked_s = self._asked.pop(chunk.number, (None, 0.0))
        if piece is None or not self._is_missing(piece):
            return []
        self._waiting.heard(now_s - asked_s)
        if chunk.status is not ChunkStatus.OK:
            self._fail(piece, chunk)
            return []
        self._check(piece, chunk)
        self._failures = 0
        self._received += len(chunk.data)
        self._early[chunk.offset] = chunk.data
        ready = []
        while (data := self._early.pop(self._given, None)) is not None:
            ready.append(data)
            self._given += len(data)
        return ready

    def _is_missing(self, piece: _Open) -> bool:
        """And from now on it is not: an answer came, be it to an earlier request for it."""
        if piece in self._again:
            self._again.remove(piece)
            return True
        return self._open.pop(piece.offset, None) is not None

    def _elapsed_s(self, now_s: float) -> float:
        return self._connected_s + (now_s - self._connected_since_s if self._connected_since_s is not None else 0.0)

    def _check_rate(self, now_s: float) -> None:
        allowed_s = self._pace.grace_s + self._received / self._pace.min_bytes_per_s
        if (elapsed_s := self._elapsed_s(now_s)) <= allowed_s:
            return
        if self._received == 0:
            what = f"the trainer does not answer: nothing of {self._file} came in {elapsed_s:.0f} s"
            raise FetchError("away", f"{what}; see that it distributes, and {_SILENT_BROKER}")
        raise FetchError("slow", f"{self._file} comes too slowly: {self._received} bytes in {elapsed_s:.0f} s")

    def _wanted(self) -> _Open | None:
        if self._again:
            return self._again.pop(0)
        if self._total is None and (self._open or self._next > self._start):
            return None  # how long the file is, the first piece tells
        ahead = self._next - self._given  # what came early is in memory until the piece before it comes
        length = min(self._pace.piece, (self._most if self._total is None else self._total) - self._next)
        if length <= 0 or ahead >= 2 * self._pace.window * self._pace.piece:
            return None
        piece = _Open(self._next, length, 0, 0.0)
        self._next += length
        return piece

    def _ask(self, piece: _Open, now_s: float) -> UpdateRequest:
        number = next(self._numbers)
        piece.tries, piece.since_s = piece.tries + 1, now_s
        self._open[piece.offset] = piece
        self._asked[number] = (piece, now_s)
        return UpdateRequest(number=number, file=self._file, offset=piece.offset, length=piece.length)

    def _fail(self, piece: _Open, chunk: UpdateChunk) -> None:
        if chunk.status is ChunkStatus.MISSING:
            raise FetchError("missing", f"the trainer has no {self._file}")
        if chunk.status is ChunkStatus.REFUSED:
            raise FetchError("denied", f"the trainer refuses {self._file}: {chunk.words}")
        self._failures += 1
        if self._failures > _MOST_FAILURES:
            raise FetchError("away", f"the trainer cannot read {self._file}: {chunk.words}")
        self._again.append(piece)

    def _check(self, piece: _Open, chunk: UpdateChunk) -> None:
        if self._total is None and chunk.total <= self._most:
            self._total = chunk.total
            self._next = min(self._next, chunk.total)
        if chunk.total != self._total:
            wanted = f"at most {self._most}" if self._total is None else str(self._total)
            raise FetchError("length", f"{self._file} has {chunk.total} bytes where {wanted} were declared")
        expected = max(0, min(piece.length, self._total - piece.offset))
        if chunk.offset != piece.offset or len(chunk.data) != expected:
            came = f"{len(chunk.data)} bytes from {chunk.offset} on"
            raise FetchError("length", f"{self._file}: asked for {expected} from {piece.offset} on, {came} came")
