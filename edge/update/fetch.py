"""What is offered and who signed it: python-tuf's client over pieces, and what it leaves to its user.

It leaves durability: metadata is kept in `floor.py` and given to python-tuf anew each time, so that an empty or damaged
file can never pass for a first start. It leaves the clock: without one that can be believed no expiry means anything,
and nothing is fetched. It leaves what a target is: a release whose description is not what its path and its counter say
is refused. Bringing the bytes is left to `collect.py`, what is in a release to the self-test.

Everything that may go wrong is a `Refusal`; no exception of a line, a disk or a signature comes out.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, ParamSpec, TypeVar

from tuf.api.exceptions import (
    DownloadError,
    DownloadHTTPError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
)
from tuf.api.metadata import Metadata, Root, TargetFile
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from edge.contract.release import LARGEST_RELEASE, ReleaseDescription, ReleaseKind, target_of
from edge.contract.update import LARGEST_REPOSITORY_FILE
from edge.errors import MessageError, ModelError, RefusedError, StoreError
from edge.events import clock_set
from edge.log import get_logger
from edge.ports import Clock
from edge.store.durable import fsync_directory, make_directory
from edge.update.bundle import Bundle, open_bundle
from edge.update.collect import Collector
from edge.update.floor import Body, Floor
from edge.update.problems import Code, FetchError, Refusal

_log = get_logger("update")

P = ParamSpec("P")
T = TypeVar("T")

_METADATA, _TARGETS, _PARTIAL = "metadata/", "targets/", ".part"
# Far above what a fleet's repository has after years of releases (a target is some 900 bytes), far below a full card.
_LIMITS = UpdaterConfig(
    max_root_rotations=128,
    max_delegations=4,
    root_max_length=65_536,
    timestamp_max_length=16_384,
    snapshot_max_length=65_536,
    targets_max_length=4 << 20,
)
_FRAME = 65_536  # of a bundle beside its files
_ROOM = 16 << 20  # bytes that stay free on the disk beside the two copies that a download needs
_CODES: tuple[tuple[type[Exception], Code], ...] = (
    (ExpiredMetadataError, "expired"),
    (DownloadHTTPError, "missing"),
    (RepositoryError, "untrusted"),
    (DownloadError, "untrusted"),
    (ModelError, "unfit"),
    (StoreError, "damaged"),
    (OSError, "disk"),
)
_CLOCK_SLACK_S = 86_400  # a clock that was ahead by hours before the network set it right is no attack


@dataclass(frozen=True, slots=True)
class Offer:
    """A release that is signed, and that this door may fetch. info: its target's signed length and hashes."""

    description: ReleaseDescription
    info: TargetFile
    updater: Updater


def trust(path: Path, root: bytes, *, anew: bool = False) -> int:
    """Begin a floor at `path` with the root metadata in `root`, which an operator answers for; its version.

    Raises:
        RefusedError: it is no root metadata signed by itself, or one is trusted already and `anew` was not said.
        OSError: the disk is full or failing.
    """
    try:
        metadata = Metadata[Root].from_bytes(root)
        metadata.signed.verify_delegate("root", metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, ValueError, AttributeError, TypeError) as error:
        raise RefusedError(f"this is no root metadata that signs itself: {' '.join(str(error).split())}") from None
    version = int(metadata.signed.version)
    Floor.begin(path, Body(version, root), anew=anew)
    return version


class ReleaseClient:
    """See the module. `look` and then `fetch`; each may be called again, and picks up what an earlier try left.

    folder: of the downloads alone; whatever else lies in it is deleted.
    on_progress: told the share of the release that is there, 0..1.
    """

    def __init__(
        self,
        floor: Floor | None,
        folder: Path,
        collector: Collector,
        clock: Clock,
        on_progress: Callable[[float], None] = lambda _share: None,
    ) -> None:
        self._floor = floor
        self._folder = folder
        self._clock = clock
        self._fetcher = _PieceFetcher(collector, folder, on_progress)

    def look(self, kind: ReleaseKind, release: str) -> Offer | Refusal:
        """Bring the metadata up to date and see what it says of a release."""
        return _answered(self._look, kind, release)

    def fetch(self, offer: Offer) -> Bundle | Refusal:
        """The release's bundle, every byte checked and durable."""
        return _answered(self._fetch, offer)

    def _look(self, kind: ReleaseKind, release: str) -> Offer:
        floor = self._usable_floor()
        make_directory(self._folder)
        path = target_of(kind, release)
        updater = self._updater(floor)
        try:
            updater.refresh()
            info = updater.get_targetinfo(path)
            fresh = True
        except BaseException:
            fresh = False
            raise
        finally:
            # Whatever python-tuf wrote was verified, whatever came after: a new root above all must never be lost.
            self._keep(floor, self._clock.wall_s() if fresh else None)
        if info is None:
            raise FetchError("missing", f"the repository has no release {release}")
        return Offer(_fitting(info, path, floor.counter), info, updater)

    def _fetch(self, offer: Offer) -> Bundle:
        path = self._folder / f"{offer.description.release}.zip"
        self._clear(keep=path, offer=offer)
        if offer.updater.find_cached_target(offer.info, str(path)) is None:
            self._check_room(offer.info.length)
            self._download(offer, path)
        _make_durable(path)
        bundle = open_bundle(path, offer.description)
        self._clear(keep=path, offer=None)
        return bundle

    def _download(self, offer: Offer, path: Path) -> None:
        try:
            offer.updater.download_target(offer.info, str(path))
        except LengthOrHashMismatchError:
            if not self._fetcher.resumed:
                raise
            _log.warning("what was left of an earlier download was damaged; it begins again")
            offer.updater.download_target(offer.info, str(path))

    def _usable_floor(self) -> Floor:
        if self._floor is None:
            raise FetchError("no_root", "no root is trusted; see doorward releases trust ROOT.json")
        if not clock_set(self._clock):
            raise FetchError("clock", "the clock is not set, so that nothing can be said of an expiry")
        if self._clock.wall_s() < self._floor.seen_s - _CLOCK_SLACK_S:
            raise FetchError("clock", "the clock went back behind the last update; set it right")
        return self._floor

    def _updater(self, floor: Floor) -> Updater:
        """python-tuf's client on files made from the floor: the newest root, and the lines not to go back behind."""
        folder = self._folder / "metadata"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        bodies = floor.bodies()
        for role, body in bodies.items():
            if role != "root":
                (folder / f"{role}.json").write_bytes(body.body)
        return Updater(
            str(folder),
            _METADATA,
            str(self._folder),
            _TARGETS,
            self._fetcher,
            _LIMITS,
            bootstrap=bodies["root"].body,
        )

    def _keep(self, floor: Floor, seen_s: float | None) -> None:
        """What python-tuf holds for true now, into the floor."""
        found = {file.stem: _body(file.read_bytes()) for file in sorted((self._folder / "metadata").glob("*.json"))}
        _check_not_older(floor.bodies(), found)
        floor.keep(found, seen_s)

    def _clear(self, keep: Path, offer: Offer | None) -> None:
        """Downloads of other releases, and of this one what is no longer needed."""
        partial = _partial_name(offer.info.get_prefixed_paths()[0]) if offer is not None else ""
        for file in self._folder.iterdir():
            if file.is_file() and file != keep and file.name != partial:
                file.unlink()

    def _check_room(self, length: int) -> None:
        free = shutil.disk_usage(self._folder).free
        if free < 2 * length + _ROOM:
            raise FetchError(
                "disk", f"{self._folder}: {free >> 20} MB are free, {(2 * length + _ROOM) >> 20} are needed"
            )


class _PieceFetcher(FetcherInterface):
    """python-tuf's way to files: metadata into memory, a target into a file that outlives us and is gone on with.

    resumed: whether the last target was begun before.
    """

    def __init__(self, collector: Collector, folder: Path, on_progress: Callable[[float], None]) -> None:
        self._collector = collector
        self._folder = folder
        self._on_progress = on_progress
        self.resumed = False

    def _fetch(self, url: str) -> Iterator[bytes]:
        return (data for data, _ in self._pieces(url, LARGEST_REPOSITORY_FILE))

    @contextmanager
    def download_file(self, url: str, max_length: int) -> Iterator[IO[bytes]]:
        """As the interface has it; but a file that is larger than `max_length` is refused at its first piece."""
        if not url.startswith(_TARGETS):
            yield BytesIO(b"".join(data for data, _ in self._pieces(url, max_length)))
            return
        partial = self._folder / _partial_name(url)
        self._collect(url, max_length, partial)
        try:
            with partial.open("rb") as file:
                yield file
        except LengthOrHashMismatchError:
            partial.unlink()
            raise

    def _collect(self, url: str, length: int, partial: Path) -> None:
        with partial.open("ab") as file:
            start = file.tell()
            if start > length:
                file.truncate(0)
                start = 0
            self.resumed = start > 0
            for data, share in self._pieces(url, length, exact=True, start=start):
                file.write(data)
                file.flush()  # to the kernel, whatever becomes of this process
                self._on_progress(share)

    def _pieces(self, url: str, most: int, *, exact: bool = False, start: int = 0) -> Iterator[tuple[bytes, float]]:
        try:
            yield from self._collector.pieces(url, most, exact=exact, start=start)
        except FetchError as error:
            if error.code == "missing":
                raise DownloadHTTPError(str(error), 404) from error  # of a next root that is the usual answer
            raise


def _answered(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | Refusal:
    """What a call gives, or why it gives nothing."""
    try:
        return call(*args, **kwargs)
    except FetchError as error:
        return Refusal.of(error)
    except Exception as error:  # noqa: BLE001 - python-tuf parses what anybody may have sent; recognition goes on
        code = next((code for kind, code in _CODES if isinstance(error, kind)), None)
        if code is None:
            _log.exception("an update failed unexpectedly")
        return Refusal(code or "untrusted", " ".join(_words(code, error).split())[:300])


def _words(code: Code | None, error: Exception) -> str:
    if code is None:
        return f"unexpected: {type(error).__name__}: {error}"
    if code == "expired":
        return f"{error}: nobody signed lately, or it is withheld from this door"
    return error.strerror or str(error) if code == "disk" and isinstance(error, OSError) else str(error)


def _fitting(info: TargetFile, path: str, counter: int) -> ReleaseDescription:
    """What the target says of itself, where it can be."""
    try:
        description = ReleaseDescription.from_custom(info.custom)
    except MessageError as error:
        raise FetchError("unfit", f"{path} does not say what it is: {error}") from None
    if description.target != path:
        raise FetchError("unfit", f"{path} says that it is {description.target}")
    if "sha256" not in info.hashes or not description.total < info.length <= LARGEST_RELEASE + _FRAME:
        raise FetchError("unfit", f"{path} is signed with {info.length} bytes and {', '.join(info.hashes)}")
    if description.counter <= counter:
        words = f"release {description.release} has counter {description.counter}, and {counter} was in force here"
        raise FetchError("counter", words)
    return description


def _check_not_older(kept: dict[str, Body], found: dict[str, Body]) -> None:
    """python-tuf's own rule once more, on what it will be judged by next time.

    A timestamp or a snapshot that the newest root no longer vouches for binds nobody: that is how a fleet gets rid of a
    version that a thief of the old key pushed out of reach (TUF specification, 5.3.11).
    """
    root = Metadata[Root].from_bytes(found["root"].body).signed
    for role in ("timestamp", "snapshot"):
        if role not in kept or (role in found and found[role].version >= kept[role].version):
            continue
        old = Metadata.from_bytes(kept[role].body)
        with contextlib.suppress(RepositoryError):
            root.verify_delegate(role, old.signed_bytes, old.signatures)
            raise FetchError("untrusted", f"{role} would go back behind version {kept[role].version}")


def _body(data: bytes) -> Body:
    return Body(int(Metadata.from_bytes(data).signed.version), data)


def _partial_name(url: str) -> str:
    return url.rpartition("/")[2] + _PARTIAL


def _make_durable(path: Path) -> None:
    """python-tuf leaves that to us."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    fsync_directory(path.parent)
