"""From the settings to what the release commands and the ingest's chores work with: folders, keys, rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from trainer.releases.editing import Expiries
from trainer.releases.keys import KeyFolders
from trainer.releases.passphrases import Ask, Passphrases, read_passphrase
from trainer.releases.published import RELEASED
from trainer.releases.releaser import Releaser, ReleaseRules
from trainer.releases.repository import Repository
from trainer.releases.rings import Rules
from trainer.releases.rollouts import RolloutRules
from trainer.settings import ReleasesSettings, TrainerSettings
from trainer.store.store import FleetStore

_PASSPHRASE = "passphrase"  # noqa: S105 - the name of a file


@dataclass(frozen=True, slots=True)
class Places:
    """Folders of a trainer. online: keys that the server signs with by itself. offline: where others are made."""

    repository: Path
    released: Path
    online: Path
    offline: Path
    passphrase: Path

    @classmethod
    def of(cls, settings: TrainerSettings) -> Places:
        state = settings.store.folder or Path()
        online = settings.releases.keys or state / "keys"
        passphrase = settings.releases.passphrase_file or online / _PASSPHRASE
        return cls(state / "repository", state / RELEASED, online, state / "offline-keys", passphrase)


@dataclass(frozen=True, slots=True)
class GivenKeys:
    """What an operator named: folders of keys, and passphrases. ask: at the terminal, None where nobody is there."""

    folders: tuple[Path, ...] = ()
    passphrases: tuple[bytes, ...] = ()
    ask: Ask | None = None


def key_folders(settings: TrainerSettings, given: GivenKeys | None = None) -> KeyFolders:
    """The server's own keys, and those that are named. A passphrase that cannot be read is told when it is needed."""
    given, places = given or GivenKeys(), Places.of(settings)
    passphrases = Passphrases(given.passphrases, given.ask, lambda: online_passphrase(settings))
    return KeyFolders([places.online, *given.folders], passphrases)


def online_passphrase(settings: TrainerSettings) -> list[bytes]:
    """The passphrase of the server's own keys; none where none was made yet.

    Raises:
        SettingsError: the file that the settings name cannot be read.
    """
    file = Places.of(settings).passphrase
    if settings.releases.passphrase_file is None and not file.exists():
        return []
    return [read_passphrase(file)]


def releaser_of(settings: TrainerSettings, store: FleetStore, keys: KeyFolders) -> Releaser:
    """What signs and publishes."""
    places = Places.of(settings)
    repository = Repository(places.repository)
    return Releaser(store, repository, places.released, keys.signers, release_rules(settings.releases), now)


def now() -> datetime:
    """The time, UTC."""
    return datetime.now(UTC)


def release_rules(settings: ReleasesSettings) -> ReleaseRules:
    """What the settings say of signing."""
    return ReleaseRules(settings.rings, settings.max_rss_mb, expiries_of(settings))


def expiries_of(settings: ReleasesSettings) -> Expiries:
    """How long signatures hold."""
    days: Sequence[int] = (settings.root_days, settings.targets_days, settings.heads_days, settings.online_days)
    return Expiries(*(timedelta(days=number) for number in days))


def rollout_rules(settings: ReleasesSettings) -> RolloutRules:
    """When rings follow."""
    rules = Rules(settings.success, settings.least, settings.wait_hours * 3600)
    return RolloutRules(rules, settings.absent_hours * 3600)
