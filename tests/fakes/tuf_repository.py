"""A small TUF repository in a folder, with all its keys at hand: for doors to fetch from, and for attackers to forge.

Root and targets are signed by two of three; `heads` signs what lies below heads/, snapshot and timestamp the rest.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from edge.contract.release import ReleaseDescription

S = TypeVar("S", bound=Signed)


class TufRepository:
    """Made published, without a target. now: what expiries are counted from.

    signed: what each role would sign next; tests may change it before `publish`.
    signers: who signs for each role; an attacker's copy holds those that they stole.
    """

    def __init__(self, folder: Path, *, now: datetime | None = None, days: float = 30) -> None:
        self.folder = folder
        self.expires = (now or datetime.now(UTC)).replace(microsecond=0) + timedelta(days=days)
        self.signers: dict[str, list[CryptoSigner]] = {
            "root": [CryptoSigner.generate_ed25519() for _ in range(3)],
            "targets": [CryptoSigner.generate_ed25519() for _ in range(3)],
            **{role: [CryptoSigner.generate_ed25519()] for role in ("heads", "snapshot", "timestamp")},
        }
        self.root = self._new_root()
        self.signed: dict[str, Any] = {
            "targets": _unpublished(Targets(expires=self.expires)),
            "heads": _unpublished(Targets(expires=self.expires)),
            "snapshot": _unpublished(Snapshot(expires=self.expires)),
            "timestamp": _unpublished(Timestamp(expires=self.expires)),
        }
        self.signed["snapshot"].meta.clear()
        self.signed["targets"].delegations = Delegations(keys={}, roles={})
        self.delegate("heads", ["heads/*"])
        for part in ("metadata", "targets"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        self.publish_root()
        self.publish("targets", "heads")

    @property
    def root_bytes(self) -> bytes:
        """The first root, as doors are given it."""
        return (self.folder / "metadata" / "1.root.json").read_bytes()

    def copy(self, folder: Path) -> TufRepository:
        """The same repository elsewhere, so that both may go on apart."""
        other = copy.copy(self)
        other.folder = folder
        other.signed, other.root, other.signers = copy.deepcopy(self.signed), copy.deepcopy(self.root), {**self.signers}
        for part in ("metadata", "targets"):
            for file in (self.folder / part).rglob("*"):
                if file.is_file():
                    place = folder / file.relative_to(self.folder)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(file.read_bytes())
        return other

    def delegate(self, role: str, paths: list[str]) -> None:
        """Let `role` sign what lies on `paths`; in force with the next `publish("targets")`."""
        keys = {signer.public_key.keyid: signer.public_key for signer in self.signers[role]}
        delegated = DelegatedRole(role, list(keys), 1, terminating=True, paths=paths)
        delegations = self.signed["targets"].delegations
        delegations.roles[role] = delegated
        delegations.keys.update(keys)

    def add(self, file: Path, description: ReleaseDescription, *, role: str = "heads", path: str = "") -> TargetFile:
        """A release among the targets of `role`; in force with the next `publish(role)`. path: another than its own."""
        path = path or description.target
        data = file.read_bytes()
        target = TargetFile.from_data(path, data, ["sha256"])
        target.unrecognized_fields["custom"] = description.to_custom()
        self.signed[role].targets[path] = target
        self.place(path, data)
        return target

    def place(self, path: str, data: bytes) -> Path:
        """A target's bytes where doors ask for them."""
        parent, _, name = path.rpartition("/")
        file = self.folder / "targets" / parent / f"{hashlib.sha256(data).hexdigest()}.{name}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        return file

    def publish(self, *roles: str) -> None:
        """New versions of `roles`, and of snapshot and timestamp."""
        for role in roles:
            self.signed[role].version += 1
            self.write(role)
            self.signed["snapshot"].meta[f"{role}.json"] = MetaFile(version=self.signed[role].version)
        self.signed["snapshot"].version += 1
        self.write("snapshot")
        self.publish_timestamp()

    def publish_timestamp(self) -> None:
        """A new timestamp of the snapshot that there is."""
        timestamp = self.signed["timestamp"]
        timestamp.version += 1
        timestamp.snapshot_meta = MetaFile(version=self.signed["snapshot"].version)
        self.write("timestamp")

    def publish_root(self, *, signers: Iterable[CryptoSigner] | None = None) -> None:
        """A new root, signed by all of the old one's and of its own unless others are named."""
        self.root.version += 1
        metadata = Metadata(self.root)
        for signer in signers if signers is not None else self.signers["root"]:
            metadata.sign(signer, append=True)
        self._put(f"{self.root.version}.root.json", metadata.to_bytes())

    def rotate(self, role: str, *, delegate: bool = False) -> None:
        """New keys for `role`; in force with the next `publish_root`, or with `publish("targets")` if delegated."""
        old, new = self.signers[role], [CryptoSigner.generate_ed25519() for _ in self.signers[role]]
        self.signers[role] = new
        if delegate:
            self.delegate(role, ["heads/*"])
            return
        for signer in old:
            self.root.revoke_key(signer.public_key.keyid, role)
        for signer in new:
            self.root.add_key(signer.public_key, role)

    def write(self, role: str) -> Path:
        """Sign what `role` has to say and write it under its version's name."""
        metadata = Metadata(copy.deepcopy(self.signed[role]))
        for signer in self.signers[role]:
            metadata.sign(signer, append=True)
        version = "" if role == "timestamp" else f"{self.signed[role].version}."
        return self._put(f"{version}{role}.json", metadata.to_bytes())

    def _put(self, name: str, data: bytes) -> Path:
        file = self.folder / "metadata" / name
        file.write_bytes(data)
        return file

    def _new_root(self) -> Root:
        root = _unpublished(Root(expires=self.expires, consistent_snapshot=True))
        for role in ("root", "targets", "snapshot", "timestamp"):
            for signer in self.signers[role]:
                root.add_key(signer.public_key, role)
        root.roles["root"].threshold = root.roles["targets"].threshold = 2
        return root


def _unpublished(signed: S) -> S:
    signed.version = 0  # which no constructor takes; the first publication makes it 1
    return signed
