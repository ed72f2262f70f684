"""What a release declares: a head, or an embedder with its head and adapter, as one thing that a door puts in force.

A release travels as one file, `ReleaseDescription.target`: a zip whose first member is the description and whose others
are the files that it lists. The same description is the `custom` part of the target's signed metadata, so that a door
knows what it would fetch before it fetches it, and that the zip holds what was signed. Packing is left to
`edge/update/bundle.py`, signing to the trainer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from edge.contract.codec import between, count, matches, to_object
from edge.contract.messages import Counter, Message, Schema, Sha256
from edge.contract.strict_json import dump

ReleaseKind = Literal["head", "embedder"]
# No colon and no leading dot, unlike an Id: it becomes the name of files and of a slot's folder.
ReleaseId = Annotated[
    str, matches(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", "1 to 64 of A-Z, a-z, 0-9, _ . -, no . or - first")
]
FileName = Annotated[
    str, matches(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}", "1 to 96 of A-Z, a-z, 0-9, _ . -, no . or - first")
]
Version = Annotated[str, matches(r"[0-9]{1,4}(\.[0-9]{1,4}){0,3}", "a version like 1.2.0")]

DESCRIPTION = "release.json"
MOST_FILES = 16
LARGEST_FILE = 32 << 20
LARGEST_RELEASE = 48 << 20  # eight times the largest embedder that we measured; a door has some hundred MB free
_FOLDERS: dict[str, str] = {"head": "heads", "embedder": "embedders"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFile:
    """A file of a release."""

    name: FileName
    sha256: Sha256
    length: Annotated[int, between(1, LARGEST_FILE)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseDescription(Message):
    """A release.

    release: its id, as a head's; files, folders and notices bear it.
    counter: counts up with each release that is signed, whatever its kind; a door takes none at or below its floor.
    compatible: hash of the embedder that the door must be running; for an embedder release the one that is left.
    embedder_sha256: hash of the embedder that the head binds to; of a head release the same as `compatible`.
    dim: numbers in an embedding of that embedder.
    min_daemon: the oldest version of the door's program that can run it.
    max_rss_mb: MB of memory that loading and running it may take.
    canary_sha256: hash of the file among `files` that holds the canaries, known inputs with what must come out.
    gate_sha256: hash of the gate's report; null where a person answered for it alone.
    at: when it was signed.
    """

    KIND: ClassVar[str] = "release"
    MAX_BYTES: ClassVar[int] = 16_384
    schema: Schema = "1.0"
    release: ReleaseId
    kind: ReleaseKind
    counter: Counter
    compatible: Sha256
    embedder_sha256: Sha256
    dim: Annotated[int, between(2, 4096)]
    min_daemon: Version
    max_rss_mb: Annotated[int, between(1, 65_536)]
    canary_sha256: Sha256
    gate_sha256: Sha256 | None
    files: Annotated[tuple[ReleaseFile, ...], count(1, MOST_FILES)]
    at: datetime

    @property
    def target(self) -> str:
        """The release's path among the repository's targets."""
        return f"{_FOLDERS[self.kind]}/{self.release}.zip"

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return sum(file.length for file in self.files)

    def file(self, sha256: str) -> ReleaseFile | None:
        """The file of that hash."""
        return next((file for file in self.files if file.sha256 == sha256), None)

    def conflict(self) -> str | None:
        names = [file.name.lower() for file in self.files]  # a card's file system may not tell A from a
        if len(set(names)) != len(names):
            return "key 'files': has a name twice"
        if DESCRIPTION in names:
            return f"key 'files': {DESCRIPTION} is the description's own name"
        if self.total > LARGEST_RELEASE:
            return f"key 'files': has {self.total} bytes in all; at most {LARGEST_RELEASE} are allowed"
        if self.file(self.canary_sha256) is None:
            return "key 'canary_sha256': is the hash of none of the files"
        if (self.kind == "head") != (self.compatible == self.embedder_sha256):
            return "key 'compatible': must be embedder_sha256 of a head, and another embedder's of an embedder"
        return None

    def to_custom(self) -> dict[str, Any]:
        """The description as the `custom` part of a target's metadata."""
        self.to_json()  # which refuses values that a reader would have to refuse
        return to_object(self)

    @classmethod
    def from_custom(cls, custom: object) -> ReleaseDescription:
        """The description in a target's metadata.

        Raises:
            MessageError: there is none, or it is none.
        """
        return cls.from_json(dump(custom) if isinstance(custom, dict) else b"null")


def kind_of_target(path: str) -> ReleaseKind | None:
    """Which kind of release the target `path` would be, by its folder."""
    folder = path.partition("/")[0]
    return "head" if folder == _FOLDERS["head"] else "embedder" if folder == _FOLDERS["embedder"] else None


def target_of(kind: ReleaseKind, release: str) -> str:
    """The path among the targets of a release that was only heard of."""
    return f"{_FOLDERS[kind]}/{release}.zip"
