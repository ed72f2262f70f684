"""A door that fetches from a repository's folder, each time as a new process would: from what is on its disk."""

from __future__ import annotations

import time
from pathlib import Path

from edge.contract.release import ReleaseKind
from edge.update.bundle import Bundle
from edge.update.collect import MOST_OF_A_SESSION, Collector
from edge.update.fetch import Offer, ReleaseClient, trust
from edge.update.floor import Floor
from edge.update.pieces import Pace
from edge.update.problems import Code, Refusal
from tests.fakes.pieces import HandClock, ShelfLine
from tests.fakes.tuf_repository import TufRepository


class FetchingDoor:
    """See the module. line: where it gets its pieces from; tests may make that a dishonest one."""

    def __init__(self, folder: Path, repository: TufRepository, *, pace: Pace | None = None) -> None:
        self.folder = folder
        self.floor_path = folder / "floor.db"
        self.clock = HandClock(time.time())
        self.line = ShelfLine(repository.folder, self.clock)
        self.pace = pace or Pace()
        self.most = MOST_OF_A_SESSION
        self.progress: list[float] = []
        trust(self.floor_path, repository.root_bytes)

    def get(self, release: str = "plda-1", kind: ReleaseKind = "head") -> Bundle | Refusal:
        """Look and fetch."""
        with self._floor() as floor:
            client = self._client(floor)
            offer = client.look(kind, release)
            return offer if isinstance(offer, Refusal) else client.fetch(offer)

    def look(self, release: str = "plda-1", kind: ReleaseKind = "head") -> Offer | Refusal:
        with self._floor() as floor:
            return self._client(floor).look(kind, release)

    def refused(self, release: str = "plda-1", kind: ReleaseKind = "head") -> tuple[Code, str]:
        """Why it gets nothing; and it must have nothing, nor keep what it had fetched before."""
        for file in (self.folder / "downloads").glob("*.zip"):
            file.unlink()
        got = self.get(release, kind)
        assert isinstance(got, Refusal), f"{release} was taken: {got}"
        assert not list((self.folder / "downloads").glob("*.zip"))
        return got.code, got.words

    def got(self, release: str = "plda-1", kind: ReleaseKind = "head") -> Bundle:
        bundle = self.get(release, kind)
        assert isinstance(bundle, Bundle), bundle
        assert bundle.description.release == release
        return bundle

    def version(self, role: str) -> int:
        """Of a role's metadata, as it is kept."""
        with self._floor() as floor:
            return floor.bodies()[role].version

    def _floor(self) -> Floor:
        floor = Floor.open(self.floor_path)
        assert floor is not None
        return floor

    def _client(self, floor: Floor) -> ReleaseClient:
        collector = Collector(self.line, self.clock, self.pace, most=self.most)
        return ReleaseClient(floor, self.folder / "downloads", collector, self.clock, self.progress.append)
