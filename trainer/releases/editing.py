"""Changes to the repository, each as the order in which files are written: first what is referred to.

Killed between any two writes, clients go on with what was published before, and the same command begun again ends it.
Whose keys sign is the caller's affair, and so is the time. Which files a repository has is `repository.py`'s.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from edge.contract.release import ReleaseDescription
from edge.errors import RefusedError, StoreError
from edge.store.durable import fsync_directory, make_directory
from trainer.releases.keys import ROOT_THRESHOLD
from trainer.releases.repository import HEADS, TARGETS_ROLES, Repository, Trusted

HEAD_PATHS = ["heads/*.zip"]
ONLINE = ("snapshot", "timestamp")
NOTE = "doorward"  # our part of signed targets metadata: the highest counter given out, and what was withdrawn
_KEPT = 50

Signers = Callable[[str, Sequence[str], int], list[Signer]]


@dataclass(frozen=True, slots=True)
class Expiries:
    """How long each role's signature holds, from when it is made."""

    root: timedelta = timedelta(days=365)
    targets: timedelta = timedelta(days=182)
    heads: timedelta = timedelta(days=91)
    online: timedelta = timedelta(days=7)

    def of(self, role: str) -> timedelta:
        return self.online if role in ONLINE else {"root": self.root, "targets": self.targets, HEADS: self.heads}[role]


def create(
    repository: Repository, keys: Mapping[str, Sequence[CryptoSigner]], expiries: Expiries, now: datetime
) -> None:
    """Make a repository that holds no release yet: all of it, or none.

    Raises:
        RefusedError: there is one already. StoreError: it cannot be written.
    """
    if repository.folder.exists():
        raise RefusedError(f"{repository.folder}: is there already; `keys replace` changes keys of a repository")
    scratch = repository.folder.with_name(f".{repository.folder.name}.new")
    shutil.rmtree(scratch, ignore_errors=True)
    make_directory(scratch, mode=0o755)
    _write_first(Repository(scratch), keys, expiries, now)
    scratch.rename(repository.folder)
    fsync_directory(repository.folder.parent)


class Editor:
    """Changes one repository. signers: a role's keys, given the ids that may sign and how many must."""

    def __init__(self, repository: Repository, signers: Signers, expiries: Expiries, now: datetime) -> None:
        self._repository = repository
        self._signers = signers
        self._expiries = expiries
        self._now = now

    def add(self, description: ReleaseDescription, bundle: Path, drop: Sequence[str] = ()) -> None:
        """Sign a release; clients see it once it is published. drop: targets to be left out from now on."""
        trusted, data = self._repository.read(), bundle.read_bytes()
        target = TargetFile.from_data(description.target, data, ["sha256"])
        target.unrecognized_fields["custom"] = description.to_custom()
        self._repository.put_target(target.path, target.hashes["sha256"], data)
        role = HEADS if description.kind == "head" else "targets"
        metadata = deepcopy(trusted.of(role))
        for path in drop:
            metadata.signed.targets.pop(path, None)
        metadata.signed.targets[target.path] = target
        _note(metadata.signed, description.counter)
        self._sign_new(trusted, role, metadata)

    def withdraw(self, description: ReleaseDescription, counter: int) -> None:
        """Sign that a release is withdrawn: its target goes, and its name stands among the withdrawn.

        counter: a higher one than any before.
        """
        trusted = self._repository.read()
        role = HEADS if description.kind == "head" else "targets"
        metadata = deepcopy(trusted.of(role))
        metadata.signed.targets.pop(description.target, None)
        _note(metadata.signed, counter, description.release)
        self._sign_new(trusted, role, metadata)

    def publish(self) -> bool:
        """Let clients see what is signed; False where they do already."""
        trusted = self._repository.read()
        newer = [role for role in TARGETS_ROLES if trusted.of(role).signed.version > trusted.published(role)]
        if newer:
            self._publish(trusted, newer)
        trusted = self._repository.read()
        self._repository.prune(trusted, _KEPT)
        self._repository.prune_targets(trusted)
        return bool(newer)

    def renew(self, role: str) -> None:
        """Sign a role anew with a later expiry, and publish it."""
        trusted = self._repository.read()
        if role == "root":
            root = deepcopy(trusted.root)
            self._write_root(root, trusted.root)
        elif role in TARGETS_ROLES:
            self._sign_new(trusted, role, deepcopy(trusted.of(role)))
            self._publish(self._repository.read(), [role])
        elif role == "snapshot":
            self._publish(trusted, [])
        else:
            self._write_timestamp(trusted, trusted.snapshot.signed.version)

    def replace_key(self, role: str, new: CryptoSigner, old_id: str) -> None:
        """Put a new key in an old one's place.

        snapshot and timestamp are first signed with both keys, so that clients of the old root and of the new one
        accept them, and then the root is written.

        Raises:
            RefusedError: the role has no such key, or too few of the keys that vouch for it are here.
        """
        trusted = self._repository.read()
        if role == HEADS:
            self._replace_delegated(trusted, new, old_id)
            return
        root = deepcopy(trusted.root)
        _exchange(root.signed, role, new, old_id)
        self._signers_of(trusted.root.signed, "root")  # or nothing is begun
        if role in ONLINE:
            self._publish(trusted, [], extra=(role, new))
        elif role == "targets":
            self._republish_targets(trusted, new)
        self._write_root(root, trusted.root, [new] if role == "root" else [])

    def _replace_delegated(self, trusted: Trusted, new: CryptoSigner, old_id: str) -> None:
        """Both change in one snapshot, so no client sees one without the other."""
        targets, heads = deepcopy(trusted.targets), deepcopy(trusted.heads)
        _exchange(targets.signed, HEADS, new, old_id)
        self._sign_new(trusted, "targets", targets)
        self._stamp(HEADS, heads.signed)
        _sign(heads, [new])
        self._repository.put_metadata(HEADS, heads)
        self._publish(self._repository.read(), list(TARGETS_ROLES))

    def _republish_targets(self, trusted: Trusted, new: CryptoSigner) -> None:
        targets = deepcopy(trusted.targets)
        self._stamp("targets", targets.signed)
        _sign(targets, [*self._signers_if_there(trusted.root.signed, "targets"), new])
        self._repository.put_metadata("targets", targets)
        self._publish(self._repository.read(), ["targets"])

    def _sign_new(self, trusted: Trusted, role: str, metadata: Metadata[Targets]) -> None:
        """The next version of a targets role, which nobody sees yet."""
        delegator = trusted.root.signed if role == "targets" else trusted.targets.signed
        signers = self._signers_of(delegator, role)
        self._stamp(role, metadata.signed)
        _sign(metadata, signers)
        self._repository.put_metadata(role, metadata)

    def _publish(self, trusted: Trusted, roles: Sequence[str], extra: tuple[str, CryptoSigner] | None = None) -> None:
        """A new snapshot with the newest versions of `roles`, and the timestamp that shows it."""
        signers = {role: self._signers_if_there(trusted.root.signed, role) for role in ONLINE}
        if extra is not None:
            signers[extra[0]].append(extra[1])
        for role in ONLINE:
            if not signers[role]:
                signers[role] = self._signers_of(trusted.root.signed, role)
        snapshot = deepcopy(trusted.snapshot)
        for role in roles:
            version = trusted.of(role).signed.version
            snapshot.signed.meta[f"{role}.json"] = _meta(version, self._repository.metadata_bytes(role, version))
        self._stamp("snapshot", snapshot.signed)
        _sign(snapshot, signers["snapshot"])
        self._repository.put_metadata("snapshot", snapshot)
        self._write_timestamp(trusted, snapshot.signed.version, signers["timestamp"])

    def _write_timestamp(self, trusted: Trusted, snapshot: int, signers: Sequence[Signer] | None = None) -> None:
        timestamp = deepcopy(trusted.timestamp)
        timestamp.signed.snapshot_meta = _meta(snapshot, self._repository.metadata_bytes("snapshot", snapshot))
        timestamp.signed.version += 1
        timestamp.signed.expires = self._now + self._expiries.online
        _sign(timestamp, self._signers_of(trusted.root.signed, "timestamp") if signers is None else signers)
        self._repository.put_metadata("timestamp", timestamp)

    def _write_root(self, root: Metadata[Root], before: Metadata[Root], new: Sequence[CryptoSigner] = ()) -> None:
        """Signed by enough of the old root's keys and of the new one's (specification 6.1)."""
        signers: dict[str, Signer] = {one.public_key.keyid: one for one in self._signers_of(before.signed, "root")}
        signers |= {one.public_key.keyid: one for one in new}
        root.signed.version = before.signed.version + 1
        root.signed.expires = self._now + self._expiries.root
        _sign(root, list(signers.values()))
        try:
            root.signed.verify_delegate("root", root.signed_bytes, root.signatures)
        except ValueError as error:
            raise StoreError(f"root: {error}") from None
        self._repository.put_metadata("root", root)

    def _stamp(self, role: str, signed: Any) -> None:
        """A version that no file bears, not even one that a kill left behind, and an expiry."""
        signed.version = max(signed.version, self._repository.highest(role)) + 1
        signed.expires = self._now + self._expiries.of(role)

    def _signers_of(self, delegator: Root | Targets, role: str) -> list[Signer]:
        said = delegator.get_delegated_role(role)
        return self._signers(role, said.keyids, said.threshold)

    def _signers_if_there(self, delegator: Root | Targets, role: str) -> list[Signer]:
        try:
            return self._signers_of(delegator, role)
        except RefusedError:
            return []


def _write_first(
    repository: Repository, keys: Mapping[str, Sequence[CryptoSigner]], expiries: Expiries, now: datetime
) -> None:
    """Every role's version 1, in the order in which clients ask for them."""
    root = Metadata(Root(1, expires=now + expiries.root, consistent_snapshot=True))
    for role in ("root", "targets", *ONLINE):
        root.signed.roles[role].threshold = ROOT_THRESHOLD if role == "root" else 1
        for signer in keys[role]:
            root.signed.add_key(signer.public_key, role)
    # Terminating: heads are this role's alone, and a client looks no further.
    heads_role = DelegatedRole(HEADS, [], 1, terminating=True, paths=HEAD_PATHS)
    targets = Metadata(Targets(1, expires=now + expiries.targets, delegations=Delegations({}, {HEADS: heads_role})))
    for signer in keys[HEADS]:
        targets.signed.add_key(signer.public_key, HEADS)
    heads = Metadata(Targets(1, expires=now + expiries.heads))
    _sign(root, keys["root"])
    _sign(targets, keys["targets"])
    _sign(heads, keys[HEADS])
    repository.put_metadata("root", root)
    meta = {"targets.json": _meta(1, repository.put_metadata("targets", targets))}
    meta |= {f"{HEADS}.json": _meta(1, repository.put_metadata(HEADS, heads))}
    snapshot = Metadata(Snapshot(1, expires=now + expiries.online, meta=meta))
    _sign(snapshot, keys["snapshot"])
    timestamp = Metadata(Timestamp(1, expires=now + expiries.online))
    timestamp.signed.snapshot_meta = _meta(1, repository.put_metadata("snapshot", snapshot))
    _sign(timestamp, keys["timestamp"])
    repository.put_metadata("timestamp", timestamp)


def counter_of(trusted: Trusted) -> int:
    """The highest release counter that anything signed bears."""
    return max(
        int(trusted.of(role).signed.unrecognized_fields.get(NOTE, {}).get("counter", 0)) for role in TARGETS_ROLES
    )


def withdrawn_in(trusted: Trusted) -> set[str]:
    """Releases of which clients see that they are withdrawn; what is only signed yet is left out, role by role."""
    seen = (role for role in TARGETS_ROLES if trusted.of(role).signed.version == trusted.published(role))
    notes = (trusted.of(role).signed.unrecognized_fields.get(NOTE, {}) for role in seen)
    return {release for note in notes for release in note.get("withdrawn", ())}


def _note(signed: Targets, counter: int, withdrawn: str | None = None) -> None:
    note = signed.unrecognized_fields.setdefault(NOTE, {"counter": 0, "withdrawn": []})
    note["counter"] = max(note["counter"], counter)
    if withdrawn is not None and withdrawn not in note["withdrawn"]:
        note["withdrawn"] = [*note["withdrawn"], withdrawn][-_KEPT:]


def _exchange(signed: Root | Targets, role: str, new: CryptoSigner, old_id: str) -> None:
    try:
        signed.revoke_key(old_id, role)
    except ValueError:
        known = ", ".join(signed.get_delegated_role(role).keyids)
        raise RefusedError(f"{role}: has no key {old_id}; its keys are {known}") from None
    signed.add_key(new.public_key, role)


def _meta(version: int, data: bytes) -> MetaFile:
    return MetaFile.from_data(version, data, ["sha256"])


def _sign(metadata: Metadata[Any], signers: Sequence[Signer]) -> None:
    metadata.signatures.clear()
    for signer in signers:
        metadata.sign(signer, append=True)
