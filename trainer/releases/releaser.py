"""What an operator, or the trainer by itself, does with releases: sign, publish, withdraw, roll back, renew.

Two places hold what is done: the repository, whose metadata is what doors believe, and the store, which knows rings and
doors. The repository is written first; what a kill left out of the store is taken from there the next time (`adopt`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tuf.api.metadata import Metadata

from edge.contract.release import ReleaseDescription
from edge.errors import MessageError, RefusedError
from trainer.releases.editing import ONLINE, Editor, Expiries, Signers, counter_of, withdrawn_in
from trainer.releases.packing import (
    REPORT,
    Candidate,
    check_gate,
    describe,
    head_in,
    head_of,
    keep,
    pack,
    read_candidate,
    release_name,
)
from trainer.releases.repository import TARGETS_ROLES, Repository, Trusted
from trainer.releases.rings import REST, Rings
from trainer.releases.rollouts import begin, current, fit_doors
from trainer.store.release_records import Release
from trainer.store.store import FleetStore


@dataclass(frozen=True, slots=True)
class ReleaseRules:
    """rings: where nothing else is said. max_rss_mb: memory that a release may take at a door."""

    rings: str = "10%, rest"
    max_rss_mb: int = 256
    expiries: Expiries = field(default_factory=Expiries)


class Releaser:
    """See the module.

    kept: folder of what was signed, unpacked. signers: opens keys when they are asked for. clock: the time, UTC.
    """

    def __init__(
        self,
        store: FleetStore,
        repository: Repository,
        kept: Path,
        signers: Signers,
        rules: ReleaseRules,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._repository = repository
        self._kept = kept
        self._signers = signers
        self._rules = rules
        self._clock = clock

    def sign(
        self, folder: Path, *, replaces: str = "", even_refused: str | None = None, dry_run: bool = False
    ) -> ReleaseDescription:
        """Sign what is in a folder; no door sees it before it is published.

        replaces: the embedder that doors run until then, of an embedder release. even_refused: why it is to be signed
        although the gate did not let it through.

        Raises:
            RefusedError: the gate does not let it through, or a key is not here. ModelError: a file is damaged.
            StoreError: store or repository failed; nothing that doors see was changed.
        """
        candidate = read_candidate(folder, replaces)
        check_gate(candidate, even_refused)
        if dry_run:
            return self._would_sign(candidate)
        return self._sign(candidate, even_refused)

    def publish(self, release: str | None = None, rings: str | None = None) -> Release:
        """Let the doors of the first ring have a release that was signed.

        release: without it the newest. rings: instead of the usual ones.

        Raises:
            RefusedError: there is none, or it was published. StoreError: store or repository failed; do it again.
        """
        with self._writing():
            self.adopt()
            found = self.signed(release)
            self._publish(found, rings or self._rules.rings)
        return self.find(found.id)

    def plan(self, release: str | None = None, rings: str | None = None) -> tuple[Release, Mapping[str, int]]:
        """Which door would be in which ring if it were published now; changes nothing.

        Raises:
            RefusedError, StoreError: as `publish`.
        """
        found = self.signed(release)
        with self._store.reading_releases() as kept:
            doors = fit_doors(kept.fleet(), found.description)
        return found, parse_rings(rings or self._rules.rings).plan(doors)

    def withdraw(self, release: str | None, why: str) -> Release:
        """Take a release back: it is signed that it is withdrawn, and doors that are not done with it go back.

        release: without it the one that is under way, or else the newest that went to all.

        Raises:
            RefusedError: there is none, or its key is not here. StoreError: do it again.
        """
        with self._writing():
            self.adopt()
            found = self.published(release)
            counter = self._next_counter()
            self._editor().withdraw(found.description, counter)
            self._editor().publish()
            with self._store.write() as writer:
                writer.releases.lock()
                writer.releases.end(found.id, "withdrawn", why, counter)
        return self.find(found.id)

    def roll_back(self, factory: Path, why: str, to: str | None = None) -> Release:
        """Publish the release before the newest once more, under a higher counter, to every door at once.

        factory: description of the shipped head, for where there is no release before it. to: another release than that
        before. The newest is withdrawn first, if it was not.

        Raises:
            RefusedError: there is nothing to go back from, or a key is not here. StoreError: do it again.
        """
        newest = self.published(None, even_withdrawn=True)
        candidate = self.former(newest, factory, to)
        if newest.status != "withdrawn":
            self.withdraw(newest.id, why)
        signed = self._sign(candidate, f"rolled back from {newest.id}: {why}")
        return self.publish(signed.release, REST)

    def former(self, newest: Release, factory: Path, to: str | None = None) -> Candidate:
        """What `roll_back` would publish.

        Raises:
            RefusedError: there is none, or its files are not here.
        """
        if newest.description.kind == "embedder":
            raise RefusedError(f"{newest.id}: brings an embedder; `release withdraw` sends back who is not done")
        older = [one for one in self._store.releases() if one.counter < newest.counter]
        release = self.find(to) if to is not None else current(older, newest.description.compatible)
        candidate = head_of(factory) if release is None else head_in(self.files_of(release))
        if candidate.embedder_sha256 != newest.description.compatible:
            raise RefusedError(f"{candidate.head}: is for another embedder than doors run; name another with --to")
        return candidate

    def renew(self, roles: Sequence[str]) -> None:
        """Sign roles anew, and so later to expire.

        Raises:
            RefusedError: keys are not here. StoreError: the repository failed.
        """
        with self._writing():
            for role in roles:
                self._editor().renew(role)

    def due(self) -> list[str]:
        """Roles of whose time less than half (of the online ones) or a third (of the others) is left.

        Raises:
            StoreError: there is no repository, or it is damaged.
        """
        trusted = self._repository.read()
        return [role for role in (*ONLINE, *TARGETS_ROLES, "root") if self._is_due(trusted.of(role), role)]

    def adopt(self) -> None:
        """Take into the store what is signed and not in it, and what is signed to be withdrawn."""
        trusted = self._repository.read()
        signed, withdrawn = list(_descriptions(trusted)), withdrawn_in(trusted)
        with self._store.write() as writer:
            for description in sorted(signed, key=lambda one: one.counter):
                writer.releases.add(description)
            for release in writer.releases.all():
                if release.id in withdrawn and release.status != "withdrawn":
                    writer.releases.end(release.id, "withdrawn", "signed to be withdrawn", counter_of(trusted))

    def find(self, release: str) -> Release:
        """Raises: RefusedError: there is none of that id."""
        found = self._store.releases()
        if (one := next((one for one in found if one.id == release), None)) is None:
            known = ", ".join(one.id for one in found[:5]) or "none yet"
            raise RefusedError(f"{release}: there is no such release; there are {known}")
        return one

    def signed(self, release: str | None) -> Release:
        """One that can be published, the newest where none is named. Raises: RefusedError: there is none."""
        if release is not None:
            self._check_newer(found := self.find(release))
            return found
        newest = next((one for one in self._store.releases() if one.status == "signed"), None)
        if newest is None:
            raise RefusedError("nothing is signed that was not published; `release sign FOLDER` first")
        self._check_newer(newest)
        return newest

    def published(self, release: str | None, *, even_withdrawn: bool = False) -> Release:
        """One that can be taken back; the newest that was published where none is named. Raises: RefusedError."""
        newest = (one for one in self._store.releases() if one.published_s is not None)
        found = next(newest, None) if release is None else self.find(release)
        if found is None:
            raise RefusedError("nothing was published yet; doors have the head that they were shipped with")
        if found.status == "withdrawn" and not even_withdrawn:
            raise RefusedError(f"{found.id}: is withdrawn already")
        return found

    def files_of(self, release: Release) -> Path:
        """The folder with a release's files. Raises: RefusedError: they are not on this machine."""
        folder = self._kept / release.id
        if not folder.is_dir():
            raise RefusedError(f"{folder}: the files of {release.id} are not here; run this where it was signed")
        return folder

    def _sign(self, candidate: Candidate, even_refused: str | None) -> ReleaseDescription:
        with self._writing(), tempfile.TemporaryDirectory(prefix=".sign-", dir=self._repository.folder) as scratch:
            self.adopt()
            releases = self._store.releases()
            description = self._describe(candidate, self._next_counter(), releases)
            bundle = Path(scratch) / f"{description.release}.zip"
            pack(candidate, description, bundle)
            keep(bundle, candidate.folder / REPORT, self._kept / description.release)
            self._editor().add(description, bundle, _outdated(releases, description))
            with self._store.write() as writer:
                writer.releases.add(description, even_refused)
        return description

    def _would_sign(self, candidate: Candidate) -> ReleaseDescription:
        releases = self._store.releases()
        counter = max([counter_of(self._repository.read()), *(one.counter for one in releases)]) + 1
        return self._describe(candidate, counter, releases)

    def _describe(self, candidate: Candidate, counter: int, releases: Sequence[Release]) -> ReleaseDescription:
        name = release_name(candidate.head, counter, [one.id for one in releases])
        return describe(candidate, name, counter, self._rules.max_rss_mb, self._clock())

    def _publish(self, release: Release, rings: str) -> None:
        parsed = parse_rings(rings)
        with self._store.reading_releases() as kept:
            if not fit_doors(kept.fleet(), release.description):
                raise RefusedError(f"{release.id}: no door is known that can take it; `fleet` shows why")
        self._editor().publish()
        with self._store.write() as writer:
            writer.releases.lock()
            begin(writer.releases, release, parsed, rings)

    def _check_newer(self, release: Release) -> None:
        """Doors take no release below one that they were told of."""
        if release.status != "signed":
            raise RefusedError(f"{release.id}: is {release.status} and is not published again; sign it anew")
        mine = (one for one in self._store.releases() if one.description.compatible == release.description.compatible)
        newer = next((one for one in mine if one.published_s is not None and one.counter > release.counter), None)
        if newer is not None:
            raise RefusedError(f"{release.id}: was signed before {newer.id}, which is published; sign it anew")

    def _next_counter(self) -> int:
        floor = counter_of(self._repository.read())
        with self._store.write() as writer:
            return writer.releases.next_counter(floor)

    def _is_due(self, metadata: Metadata[Any], role: str) -> bool:
        left: float = (metadata.signed.expires - self._clock()) / self._rules.expiries.of(role)
        return left < (1 / 2 if role in ONLINE else 1 / 3)

    def _editor(self) -> Editor:
        return Editor(self._repository, self._signers, self._rules.expiries, self._clock())

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._repository.read()  # says what to do where there is none
        with self._repository.locked():
            yield


def parse_rings(text: str) -> Rings:
    """Raises: RefusedError: not of the form of rings."""
    try:
        return Rings.parse(text)
    except ValueError as error:
        raise RefusedError(f"rings {text!r}: {error}") from None


def _descriptions(trusted: Trusted) -> Iterator[ReleaseDescription]:
    for role in TARGETS_ROLES:
        for target in trusted.of(role).signed.targets.values():
            try:
                yield ReleaseDescription.from_custom(target.custom)
            except MessageError:
                continue  # another tool's target: not one that a door would take


def _outdated(releases: Sequence[Release], description: ReleaseDescription) -> list[str]:
    """Targets that no door is told of any more: what was superseded, and all before the newest that is done."""
    mine = [one for one in releases if one.description.compatible == description.compatible]
    done = max((one.counter for one in mine if one.status == "done"), default=0)
    return [one.description.target for one in mine if one.status == "superseded" or one.counter < done]
