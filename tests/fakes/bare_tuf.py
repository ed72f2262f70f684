"""python-tuf's client as it comes, with its own files alone: to show what the floor adds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tuf.api.exceptions import DownloadHTTPError
from tuf.api.metadata import Metadata
from tuf.ngclient import FetcherInterface, Updater

from tests.fakes.tuf_repository import TufRepository


class _FolderFetcher(FetcherInterface):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            return iter([(self._folder / url).read_bytes()])
        except FileNotFoundError:
            raise DownloadHTTPError(url, 404) from None


def timestamp_after_an_empty_file(folder: Path, repository: TufRepository, old: TufRepository) -> tuple[int, int]:
    """Timestamp versions: of the newest, and of what is held for true after a power cut and the old repository."""
    folder.mkdir()
    file = folder / "timestamp.json"

    def refresh(source: TufRepository) -> int:
        fetcher = _FolderFetcher(source.folder)
        Updater(str(folder), "metadata/", fetcher=fetcher, bootstrap=repository.root_bytes).refresh()
        return int(Metadata.from_bytes(file.read_bytes()).signed.version)

    newest = refresh(repository)
    for name in ("timestamp", "snapshot"):
        (folder / f"{name}.json").write_bytes(b"")
    return newest, refresh(old)
