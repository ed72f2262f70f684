"""The published repository as files: reading what is valid in it, and writing so that a kill leaves it valid.

`FOLDER/metadata` holds `N.ROLE.json` and `timestamp.json`, `FOLDER/targets` the releases under their hashes, as TUF's
consistent snapshots have them (specification 6.2). A client follows timestamp -> snapshot -> the rest, so whatever is
written before the new timestamp is seen by nobody; the timestamp is replaced at once, and last. What goes into the
metadata is `editing.py`'s.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp
from tuf.api.serialization import DeserializationError
from tuf.api.serialization.json import JSONSerializer

from edge.errors import StoreError
from edge.store.durable import FileLock, make_directory, write_durably

HEADS = "heads"
TARGETS_ROLES = ("targets", HEADS)
READABLE = 0o644  # all of it is public, and another user may serve it
_VERSIONED = re.compile(r"([1-9][0-9]{0,8})\.(root|targets|heads|snapshot)\.json")
_LARGEST = 5_000_000  # what python-tuf's client takes of targets metadata
_PATIENCE_S, _LOOK_EVERY_S = 30.0, 0.1

Write = Callable[[Path, bytes], None]
Kind = TypeVar("Kind", Root, Timestamp, Snapshot, Targets)


@dataclass(slots=True)
class Trusted:
    """Everything as it is, verified from the root down.

    targets, heads: the newest that are signed; they may be newer than the snapshot, and nobody sees them then.
    """

    root: Metadata[Root]
    targets: Metadata[Targets]
    heads: Metadata[Targets]
    snapshot: Metadata[Snapshot]
    timestamp: Metadata[Timestamp]

    def of(self, role: str) -> Metadata[Any]:
        """By the role's name."""
        return cast("Metadata[Any]", getattr(self, role))

    def published(self, role: str) -> int:
        """The version of a targets role that clients see."""
        return self.snapshot.signed.meta[f"{role}.json"].version


def write_readable(path: Path, data: bytes) -> None:
    """Durably, for everybody to read."""
    write_durably(path, data, mode=READABLE)


class Repository:
    """A repository's folder. Making one reads nothing."""

    def __init__(self, folder: Path, write: Write = write_readable) -> None:
        self.folder = folder
        self.metadata = folder / "metadata"
        self.targets = folder / "targets"
        self._write = write

    @property
    def exists(self) -> bool:
        return (self.metadata / "timestamp.json").exists()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One writer at a time; the next one waits some seconds.

        Raises:
            StoreError: somebody else writes all the time.
        """
        lock, deadline = FileLock(self.folder / ".lock"), time.monotonic() + _PATIENCE_S
        while not lock.acquire():
            if time.monotonic() > deadline:
                raise StoreError(f"{self.folder}: process {lock.holder} is writing to it; try again when it has ended")
            time.sleep(_LOOK_EVERY_S)
        try:
            yield
        finally:
            lock.release()

    def read(self) -> Trusted:
        """What is there.

        Raises:
            StoreError: none is there, or a part that clients need is missing or damaged.
        """
        if not self.exists:
            raise StoreError(f"{self.folder}: no repository is there yet; `doorward-trainer keys init` makes it")
        root = self._newest_root()
        timestamp = self._need(Timestamp, "timestamp.json", root.signed, "timestamp")
        snapshot_version = timestamp.signed.snapshot_meta.version
        snapshot = self._need(Snapshot, f"{snapshot_version}.snapshot.json", root.signed, "snapshot")
        targets, heads = self._newest_targets(root.signed, snapshot.signed)
        return Trusted(root, targets, heads, snapshot, timestamp)

    def highest(self, role: str) -> int:
        """The highest version of a role that any file bears, valid or not; 0 for none."""
        return max((version for version, of in self._versions() if of == role), default=0)

    def put_metadata(self, role: str, metadata: Metadata[Any]) -> bytes:
        """Write a role's signed metadata; its bytes."""
        data = metadata.to_bytes(JSONSerializer(compact=True))
        name = f"{role}.json" if role == "timestamp" else f"{metadata.signed.version}.{role}.json"
        self._put(self.metadata / name, data)
        return data

    def metadata_bytes(self, role: str, version: int) -> bytes:
        """A versioned file as it is.

        Raises:
            StoreError: it cannot be read.
        """
        return self._bytes(self.metadata / f"{version}.{role}.json")

    def put_target(self, path: str, sha256: str, data: bytes) -> None:
        """Write a release under its hash. path: as the metadata names it."""
        self._put(self.target_file(path, sha256), data)

    def target_file(self, path: str, sha256: str) -> Path:
        """Where a target's bytes lie."""
        folder, _, name = path.rpartition("/")
        return self.targets / folder / f"{sha256}.{name}"

    def prune(self, trusted: Trusted, keep: int) -> int:
        """Delete old metadata, but for the `keep` newest of each role that clients may be reading; how many files.

        Roots stay for ever: a door that was away for years needs every one.
        """
        seen = {role: trusted.published(role) for role in TARGETS_ROLES} | {"snapshot": trusted.snapshot.signed.version}
        old = [
            self.metadata / f"{version}.{role}.json"
            for version, role in self._versions()
            if role in seen and version <= seen[role] - keep
        ]
        for file in old:
            file.unlink(missing_ok=True)
        return len(old)

    def prune_targets(self, trusted: Trusted) -> int:
        """Delete releases that nothing signed names any more; how many files."""
        if any(trusted.of(role).signed.version != trusted.published(role) for role in TARGETS_ROLES):
            return 0  # what clients see may name more than what is newest
        named = {
            self.target_file(path, target.hashes["sha256"])
            for role in TARGETS_ROLES
            for path, target in trusted.of(role).signed.targets.items()
        }
        stray = [file for file in self.targets.rglob("*.zip") if file not in named]
        for file in stray:
            file.unlink(missing_ok=True)
        return len(stray)

    def _newest_root(self) -> Metadata[Root]:
        """The last of an unbroken chain, as a client walks it (specification 5.3)."""
        found = self._need(Root, "1.root.json", None, "root")
        while (self.metadata / f"{found.signed.version + 1}.root.json").exists():
            following = self._need(Root, f"{found.signed.version + 1}.root.json", found.signed, "root")
            following.signed.verify_delegate("root", following.signed_bytes, following.signatures)
            found = following
        return found

    def _newest_targets(self, root: Root, snapshot: Snapshot) -> tuple[Metadata[Targets], Metadata[Targets]]:
        """The newest targets and heads that go together.

        What a kill left half done, or an old key signed, is passed over: nobody sees it, and it is signed again.
        """
        published = {role: snapshot.meta[f"{role}.json"].version for role in TARGETS_ROLES}
        for version in self._from_newest("targets", published["targets"]):
            with contextlib.suppress(StoreError):
                targets = self._need(Targets, f"{version}.targets.json", root, "targets")
                for number in self._from_newest(HEADS, published[HEADS]):
                    with contextlib.suppress(StoreError):
                        return targets, self._need(Targets, f"{number}.{HEADS}.json", targets.signed, HEADS)
        targets = self._need(Targets, f"{published['targets']}.targets.json", root, "targets")
        return targets, self._need(Targets, f"{published[HEADS]}.{HEADS}.json", targets.signed, HEADS)

    def _from_newest(self, role: str, published: int) -> list[int]:
        return sorted(
            (version for version, of in self._versions() if of == role and version >= published), reverse=True
        )

    def _need(self, kind: type[Kind], name: str, delegator: Root | Targets | None, role: str) -> Metadata[Kind]:
        file = self.metadata / name
        try:
            metadata = cast("Metadata[Kind]", Metadata.from_bytes(self._bytes(file)))
            if not isinstance(metadata.signed, kind):
                raise StoreError(f"{file}: is metadata of another role; restore the repository from a backup")
            (delegator or metadata.signed).verify_delegate(role, metadata.signed_bytes, metadata.signatures)  # type: ignore[union-attr]  # without a delegator it is a root
        except (RepositoryError, DeserializationError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise StoreError(f"{file}: is damaged ({reason}); restore the repository from a backup") from None
        return metadata

    def _bytes(self, file: Path) -> bytes:
        try:
            with file.open("rb") as opened:
                return opened.read(_LARGEST)
        except OSError as error:
            raise StoreError(f"{file}: {error.strerror}; restore the repository from a backup") from None

    def _put(self, file: Path, data: bytes) -> None:
        try:
            make_directory(file.parent, mode=0o755)
            self._write(file, data)
        except OSError as error:
            raise StoreError(
                f"{file}: cannot be written: {error.strerror}; clients go on with what was there"
            ) from None

    def _versions(self) -> Iterator[tuple[int, str]]:
        for file in self.metadata.iterdir() if self.metadata.is_dir() else ():
            if match := _VERSIONED.fullmatch(file.name):
                yield int(match[1]), match[2]
