"""The head that doors have been given last, as the next refresh compares with it. Loads nothing of TUF."""

from __future__ import annotations

from pathlib import Path

from edge.errors import ModelError
from trainer.releases.rollouts import current
from trainer.store.store import FleetStore

RELEASED = "released"  # folder in the state folder: what was signed, unpacked


def published_head(store: FleetStore, state: Path, embedder_sha256: str) -> Path | None:
    """Description of the newest published head for an embedder; None where doors have the shipped one.

    state: the state folder.

    Raises:
        ModelError: its files are not on this machine. StoreError: the store failed.
    """
    release = current(store.releases(), embedder_sha256)
    if release is None:
        return None
    folder = state / RELEASED / release.id
    found = sorted(folder.glob("*.head.json"))
    if len(found) != 1:
        raise ModelError(f"{folder}: the files of the published head {release.id} are not here; name it with --current")
    return found[0]
