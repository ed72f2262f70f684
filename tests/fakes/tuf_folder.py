"""A door's TUF client on a published folder, without a broker, and signing keys that need no file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.exceptions import DownloadHTTPError
from tuf.api.metadata import TargetFile
from tuf.ngclient import FetcherInterface, Updater

from edge.errors import RefusedError

BASE = "folder:///"


@dataclass
class FolderFetcher(FetcherInterface):
    """Serves files below a folder; what is not there is 404, as over HTTP. asked: every path, in order."""

    folder: Path
    asked: list[str] = field(default_factory=list)

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = url.removeprefix(BASE)
        self.asked.append(path)
        try:
            yield (self.folder / path).read_bytes()
        except FileNotFoundError:
            raise DownloadHTTPError(f"{path}: missing", 404) from None


class FolderClient:
    """A door: keeps what it trusts in a folder of its own, from root version 1 on."""

    def __init__(self, repository: Path, own: Path) -> None:
        self.fetcher = FolderFetcher(repository)
        self._own = own
        for name in ("metadata", "targets"):
            (own / name).mkdir(parents=True, exist_ok=True)
        self._root = (repository / "metadata" / "1.root.json").read_bytes()

    def look(self, target: str | None = None) -> TargetFile | None:
        """Refresh, and what is signed of a target. Raises: RepositoryError, DownloadError."""
        return self._updater().get_targetinfo(target or "heads/none.zip")

    def fetch(self, target: str) -> bytes:
        updater = self._updater()
        info = updater.get_targetinfo(target)
        assert info is not None, f"{target} is not signed"
        return Path(updater.download_target(info)).read_bytes()

    def _updater(self) -> Updater:
        updater = Updater(
            str(self._own / "metadata"),
            f"{BASE}metadata/",
            str(self._own / "targets"),
            f"{BASE}targets/",
            self.fetcher,
            bootstrap=self._root,
        )
        updater.refresh()
        return updater


class Signers:
    """Keys in memory, as an `Editor` asks for them. keys: by role; take one out to be without it."""

    def __init__(self, keys: dict[str, list[CryptoSigner]]) -> None:
        self.keys = {role: list(some) for role, some in keys.items()}

    def __call__(self, role: str, key_ids: Sequence[str], threshold: int) -> list[Signer]:
        found = [key for key in self.keys.get(role, []) if key.public_key.keyid in key_ids][:threshold]
        if len(found) < threshold:
            raise RefusedError(f"{role}: {threshold} of its keys must sign")
        return [*found]
