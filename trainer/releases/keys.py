"""Signing keys: Ed25519, one PEM file each (PKCS 8, encrypted with a passphrase, mode 0600), named after their role.

Root's and the targets' keys are made to be carried away; those that the server signs with by itself stay. A token that
speaks PKCS 11 can hold no Ed25519 key by securesystemslib 1.x, so files are the one form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner, Signer

from edge.errors import RefusedError, StoreError
from edge.store.durable import create_durably, make_directory
from trainer.releases.options import ROLES
from trainer.releases.passphrases import Passphrases

ROOT_KEYS, ROOT_THRESHOLD = 3, 2
_NAME = re.compile(rf"({'|'.join(ROLES)})(-[0-9]{{1,4}})?\.pem")
_LARGEST = 16_384


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key file that is there. role: by its name; which keys sign for a role is the metadata's to say."""

    path: Path
    role: str


def new_signers() -> dict[str, list[CryptoSigner]]:
    """Fresh keys for every role; root has several, of which `ROOT_THRESHOLD` sign."""
    return {
        role: [CryptoSigner.generate_ed25519() for _ in range(ROOT_KEYS if role == "root" else 1)] for role in ROLES
    }


def key_names(role: str, count: int, first: int = 1) -> list[str]:
    """Names for files of new keys: `root-1.pem`, `root-2.pem`; `targets.pem` where it is the first and only one."""
    if count == 1 and first == 1:
        return [f"{role}.pem"]
    return [f"{role}-{number}.pem" for number in range(first, first + count)]


def write_key(path: Path, signer: CryptoSigner, passphrase: bytes) -> None:
    """Write a key where no file may be yet.

    Raises:
        RefusedError: a file is there already. StoreError: it cannot be written.
    """
    try:
        make_directory(path.parent)
        create_durably(path, _pem(signer, passphrase))
    except FileExistsError:
        raise RefusedError(f"{path}: a key is there already and is not replaced; name another folder") from None
    except OSError as error:
        raise StoreError(f"{path}: the key cannot be written: {error.strerror}") from None


def find_keys(folders: Iterable[Path]) -> list[KeyFile]:
    """The key files of some folders, by their names."""
    found = (path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir()))
    return [KeyFile(path, match[1]) for path in found if (match := _NAME.fullmatch(path.name))]


def next_number(folders: Iterable[Path], role: str) -> int:
    """A number for a role's new key file that none of these folders has."""
    mine = [key.path.name for key in find_keys(folders) if key.role == role]
    numbers = (int(match[1]) for name in mine if (match := re.search(r"-([0-9]+)\.pem$", name)))
    return max([len(mine), *numbers]) + 1


class KeyFolders:
    """Keys from some folders, opened when they are asked for and kept open for this run."""

    def __init__(self, folders: Sequence[Path], passphrases: Passphrases) -> None:
        self._folders = tuple(folders)
        self._passphrases = passphrases
        self._open: dict[Path, CryptoSigner] = {}

    def signers(self, role: str, key_ids: Sequence[str], threshold: int) -> list[Signer]:
        """As many of a role's keys as must sign. key_ids: those that the metadata names for the role.

        Raises:
            RefusedError: fewer are here; the line says where was looked. StoreError: a file is damaged.
        """
        found: dict[str, Signer] = {}
        for signer in self._of(role):
            if signer.public_key.keyid in key_ids:
                found.setdefault(signer.public_key.keyid, signer)
            if len(found) == threshold:
                return list(found.values())
        raise RefusedError(
            f"{role}: {threshold} of its {len(key_ids)} keys must sign and {len(found)} found in "
            f"{', '.join(map(str, self._folders)) or 'no folder'}; name the folders of its keys with --keys"
        )

    def roles(self) -> set[str]:
        """Roles of which there are files; whether they open is not tried."""
        return {key.role for key in find_keys(self._folders)}

    def _of(self, role: str) -> Iterator[CryptoSigner]:
        for key in find_keys(self._folders):
            if key.role == role:
                if key.path not in self._open:
                    self._open[key.path] = read_key(key.path, self._passphrases)
                yield self._open[key.path]


def read_key(path: Path, passphrases: Passphrases) -> CryptoSigner:
    """A key from its file.

    Raises:
        RefusedError: none of the passphrases opens it. StoreError: others may read it, or it is no key.
    """
    try:
        mode, pem = path.stat().st_mode, path.read_bytes()[:_LARGEST]
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}; put the key back from where it is kept") from None
    if mode & 0o077:
        raise StoreError(f"{path}: others may read this key; chmod 600 {path}, and replace it if they did")
    if b"BEGIN ENCRYPTED PRIVATE KEY" not in pem:
        raise StoreError(f"{path}: is no key with a passphrase; `openssl pkcs8 -topk8 -in KEY` gives it one")
    for passphrase in passphrases.tries(str(path)):
        if (signer := _opened(pem, passphrase, path)) is not None:
            return signer
    raise RefusedError(f"{path}: the passphrase does not open it; name the right file with --passphrase-file")


def public_keys(signers: Mapping[str, Sequence[CryptoSigner]]) -> dict[str, list[str]]:
    """Key ids by role, to be shown."""
    return {role: [signer.public_key.keyid for signer in some] for role, some in signers.items()}


def _pem(signer: CryptoSigner, passphrase: bytes) -> bytes:
    key = load_pem_private_key(signer.private_bytes, None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase))


def _opened(pem: bytes, passphrase: bytes, path: Path) -> CryptoSigner | None:
    """None for a wrong passphrase; cryptography tells it from a damaged file by words alone, so both are one."""
    try:
        key = load_pem_private_key(pem, passphrase)
    except ValueError:
        return None
    if not isinstance(key, Ed25519PrivateKey):
        raise StoreError(f"{path}: is no Ed25519 key; `doorward-trainer keys init` makes them")
    return CryptoSigner(key)
