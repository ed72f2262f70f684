"""How a release reaches a door: the notice that there is one, requests for pieces of files, the pieces, and the report.

Nothing here is trusted: what a door installs is decided by signed metadata, which travels as such pieces too. A notice
only says that it is worth looking. No piece is retained and none is larger than `LARGEST_CHUNK`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Annotated, ClassVar, Literal

from edge.contract.codec import between, chars, count, matches
from edge.contract.messages import Counter, Id, Message, Schema, Share, Word
from edge.contract.release import ReleaseId, ReleaseKind
from edge.errors import MessageError

LARGEST_CHUNK = 65_536
LARGEST_REPOSITORY_FILE = 64 << 20
MOST_UNDER_WAY = 4  # pieces that a door may wait for at a time; a server passes over what is beyond

UpdateStep = Literal[
    "idle",
    "downloading",
    "verifying",
    "staged",
    "self_testing",
    "activating",
    "trial",
    "committed",
    "rolled_back",
    "refused",
    "failed",
    "paused",
]
# A path below the published repository; every part begins with a letter or a digit, so that none leads upwards.
RepositoryPath = Annotated[
    str,
    matches(
        r"(metadata|targets)(/[A-Za-z0-9][A-Za-z0-9_.-]{0,191}){1,4}", "a path like metadata/NAME or targets/heads/NAME"
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateNotice(Message):
    """A release that a door shall look at, retained; each door has its own. An empty payload takes it back unsaid.

    withdrawn: it is not to be installed after all; a door that has not committed it goes back.
    spread_s: a door waits a time of its own choice up to this before it begins, so that not all ask at once.
    """

    KIND: ClassVar[str] = "update/notice"
    MAX_BYTES: ClassVar[int] = 400
    schema: Schema = "1.0"
    release: ReleaseId
    kind: ReleaseKind
    counter: Counter
    withdrawn: bool = False
    spread_s: Annotated[int, between(0, 604_800)] = 0
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRequest(Message):
    """A door asks for a piece of a file of the repository.

    number: chosen by the door, echoed in the piece. It does what MQTT 5's CorrelationData does, over 3.1.1 too.
    offset, length: in bytes; the file's last piece may be shorter.
    """

    KIND: ClassVar[str] = "update/request"
    MAX_BYTES: ClassVar[int] = 1024
    schema: Schema = "1.0"
    number: Annotated[int, between(0, 2**32 - 1)]
    file: RepositoryPath
    offset: Annotated[int, between(0, LARGEST_REPOSITORY_FILE)] = 0
    length: Annotated[int, between(1, LARGEST_CHUNK)] = LARGEST_CHUNK


class ChunkStatus(IntEnum):
    """What became of a request. MISSING: there is no such file, which of a file's next version is usual."""

    OK = 0
    MISSING = 1
    REFUSED = 2
    FAILED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateChunk:
    """A piece of a file, or why there is none. The one payload that is no JSON: a header of 22 bytes, then the bytes.

    number: the request's. total: length of the whole file. data: the bytes from `offset` on; where the status is not OK
    a few words of ASCII instead, and total and offset are 0.
    """

    KIND: ClassVar[str] = "update/chunk"
    HEADER: ClassVar[struct.Struct] = struct.Struct(">BBIQQ")  # form, status, number, total, offset
    FORM: ClassVar[int] = 1
    MAX_BYTES: ClassVar[int] = HEADER.size + LARGEST_CHUNK
    number: int
    status: ChunkStatus
    total: int = 0
    offset: int = 0
    data: bytes = b""

    def to_json(self) -> bytes:
        """The payload; named as of every row of the table."""
        return self.HEADER.pack(self.FORM, self.status, self.number, self.total, self.offset) + self.data

    @classmethod
    def from_json(cls, payload: bytes) -> UpdateChunk:
        """The piece in `payload`.

        Raises:
            MessageError: it is none.
        """
        if not cls.HEADER.size <= len(payload) <= cls.MAX_BYTES:
            raise MessageError(
                f"{cls.KIND}: has {len(payload)} bytes; {cls.HEADER.size} to {cls.MAX_BYTES} are allowed"
            )
        form, status, number, total, offset = cls.HEADER.unpack_from(payload)
        if form != cls.FORM:
            raise MessageError(f"{cls.KIND}: form {form} is not known here; {cls.FORM} is")
        if status not in ChunkStatus.__members__.values():
            raise MessageError(f"{cls.KIND}: status {status} is not known")
        data = payload[cls.HEADER.size :]
        if status == ChunkStatus.OK and offset + len(data) > total:
            raise MessageError(f"{cls.KIND}: reaches to {offset + len(data)} of {total} bytes")
        return cls(number=number, status=ChunkStatus(status), total=total, offset=offset, data=data)

    @property
    def words(self) -> str:
        """Why there is none, printable."""
        return "".join(chr(byte) if 32 <= byte < 127 else "?" for byte in self.data[:200])


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateState(Message):
    """How far a door is with releases, retained.

    release, counter: in force; the head that was installed with the program has counter 0.
    target: the release that it is about, or was last about; null before there was one.
    attempt: which try to put `target` in force, from 1; 0 before the first.
    reason: why it was refused, failed, rolled back or paused, in a few words; else null.
    progress: of the download, 0..1.
    missing_layers: what of the self-test's sandbox this device cannot give (landlock, seccomp, ...); empty is well.
    """

    KIND: ClassVar[str] = "update/state"
    MAX_BYTES: ClassVar[int] = 2048
    schema: Schema = "1.0"
    door: Id
    release: Word
    counter: Counter
    target: ReleaseId | None
    state: UpdateStep
    attempt: Annotated[int, between(0, 1000)]
    reason: Annotated[str, chars(1, 300)] | None
    progress: Share
    missing_layers: Annotated[tuple[Annotated[str, chars(1, 64)], ...], count(0, 8)]
    at: datetime
    clock_set: bool

    def conflict(self) -> str | None:
        if self.target is None and self.state not in ("idle", "paused", "failed"):
            return f"key 'target': must be given if state is {self.state}"
        if self.reason is None and self.state in ("refused", "failed", "rolled_back", "paused"):
            return f"key 'reason': must be given if state is {self.state}"
        return None
