"""Making the keys and the repository, and putting a new key in an old one's place. What is typed is `commands.py`'s."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from securesystemslib.signer import CryptoSigner

from edge.errors import RefusedError, StoreError
from edge.store.durable import create_durably, make_directory
from trainer.releases.assemble import Places, expiries_of, now, online_passphrase
from trainer.releases.editing import ONLINE, Editor, create
from trainer.releases.keys import KeyFolders, find_keys, key_names, new_signers, next_number, write_key
from trainer.releases.passphrases import Passphrases
from trainer.releases.repository import HEADS, Repository, Trusted
from trainer.settings import TrainerSettings


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key and where it is to be."""

    role: str
    file: Path
    signer: CryptoSigner


def online_roles(settings: TrainerSettings) -> tuple[str, ...]:
    """Roles that the server signs for by itself."""
    return (*ONLINE, HEADS) if settings.releases.mode == "auto" else ONLINE


def plan_keys(settings: TrainerSettings, offline: Path) -> list[NewKey]:
    """A key for every role and root's several, each in the folder where its role's belong.

    Raises:
        RefusedError: keys or a repository are there already.
    """
    places = Places.of(settings)
    if places.repository.exists():
        raise RefusedError(f"{places.repository}: is there already; `keys replace ROLE` changes keys of a repository")
    if there := find_keys([places.online, offline]):
        raise RefusedError(f"{there[0].path}: a key is there already and is not replaced; name other folders")
    online = online_roles(settings)
    return [
        NewKey(role, (places.online if role in online else offline) / name, signer)
        for role, some in new_signers().items()
        for name, signer in zip(key_names(role, len(some)), some, strict=True)
    ]


def make_all(settings: TrainerSettings, keys: Sequence[NewKey], passphrase: bytes) -> Path:
    """Write the keys, then the repository; the file that doors are to trust.

    passphrase: of the keys that are carried away.

    Raises:
        RefusedError, StoreError: something is there already, or cannot be written.
    """
    own = obtain_online_passphrase(settings)
    for key in keys:
        write_key(key.file, key.signer, own if key.role in online_roles(settings) else passphrase)
    repository = Repository(Places.of(settings).repository)
    create(repository, by_role(keys), expiries_of(settings.releases), now())
    return repository.metadata / "1.root.json"


def by_role(keys: Sequence[NewKey]) -> Mapping[str, list[CryptoSigner]]:
    """The keys of each role."""
    found: dict[str, list[CryptoSigner]] = {}
    for key in keys:
        found.setdefault(key.role, []).append(key.signer)
    return found


def obtain_online_passphrase(settings: TrainerSettings) -> bytes:
    """The passphrase of the server's own keys; one is made beside them where the settings name none."""
    known = online_passphrase(settings)
    if known:
        return known[0]
    file, made = Places.of(settings).passphrase, secrets.token_hex(32).encode()
    try:
        make_directory(file.parent)
        create_durably(file, made + b"\n")
    except OSError as error:
        raise StoreError(f"{file}: the passphrase cannot be written: {error.strerror}") from None
    return made


def key_ids(trusted: Trusted, role: str) -> list[str]:
    """The ids of the keys that may sign for a role."""
    delegator = trusted.targets.signed if role == HEADS else trusted.root.signed
    return list(delegator.get_delegated_role(role).keyids)


def replace_key(
    settings: TrainerSettings, role: str, old_id: str, folder: Path, keys: KeyFolders, passphrases: Passphrases
) -> NewKey:
    """Make a key for a role and have it vouched for; what the old one signs is worth nothing from then on.

    old_id: of the key that goes; empty where the role has but one. folder: where the new one is written.

    Raises:
        RefusedError: no such key, or too few of the keys that vouch for it are here. StoreError: a write failed.
    """
    repository = Repository(Places.of(settings).repository)
    old = _one_of(key_ids(repository.read(), role), role, old_id)
    number = next_number([folder], role)
    made = NewKey(role, folder / key_names(role, 1, number)[0], CryptoSigner.generate_ed25519())
    own = role in online_roles(settings)
    passphrase = obtain_online_passphrase(settings) if own else passphrases.new(str(made.file))
    with repository.locked():
        write_key(made.file, made.signer, passphrase)
        try:
            _editor(settings, repository, keys).replace_key(role, made.signer, old)
        except RefusedError:
            made.file.unlink()
            raise
    return made


def _one_of(known: Sequence[str], role: str, wanted: str) -> str:
    found = [key for key in known if key.startswith(wanted)]
    if len(found) != 1:
        raise RefusedError(f"{role}: name one of its keys with --key-id: {', '.join(key[:16] for key in known)}")
    return found[0]


def _editor(settings: TrainerSettings, repository: Repository, keys: KeyFolders) -> Editor:
    return Editor(repository, keys.signers, expiries_of(settings.releases), now())
