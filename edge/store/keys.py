"""The device key, the key of each person, and sealing with them. Leaves where sealed values are kept to the store.

Each person has a random key of their own; the device key wraps it. So erasing a person is, at its heart, destroying 60
bytes. A sealed value is `nonce (12) | ciphertext | tag (16)`, AES-256-GCM with a random nonce (NIST SP 800-38D 8.2.2:
good for 2^32 values under one key; a person has some hundred). The bound text (AAD) names person, row and column, so
that a sealed value that was moved to another place does not open there.

The device key lies on the same card as the store unless systemd's credentials keep it elsewhere: it protects backups,
copies and other users of the machine, not a card that is stolen together with its key.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from edge.errors import StoreError
from edge.store.durable import create_durably, make_directory

KEY_BYTES = 32
NONCE_BYTES = 12
CREDENTIAL = "doorward-key"
_KEY_FILE = "device.key"
_HEADER = "doorward-device-key-1"
_LONGEST_FILE = 1024
_LENGTHS = struct.Struct(">3H")


class SealError(StoreError):
    """A sealed value does not open: another key, damaged, or moved here from another place."""


def bind(person: str, row: str, column: str) -> bytes:
    """The text that a sealed value is bound to. Lengths go in, so that no two places share one text."""
    first, second, third = person.encode(), row.encode(), column.encode()
    lengths = _LENGTHS.pack(len(first), len(second), len(third))
    return b"".join((b"doorward-sealed-1", lengths, first, second, third))


class PersonKey:
    """One person's key. Shows nothing of itself when printed."""

    __slots__ = ("_cipher", "secret")

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self._cipher = AESGCM(secret)

    @classmethod
    def generate(cls) -> PersonKey:
        return cls(secrets.token_bytes(KEY_BYTES))

    def seal(self, plain: bytes, bound: bytes) -> bytes:
        """Encrypt `plain` for the place that `bound` (see `bind`) names."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, bound)

    def open(self, sealed: bytes, bound: bytes) -> bytes:
        """What `seal` was given.

        Raises:
            SealError: it does not open here.
        """
        return _open(self._cipher, sealed, bound)


class DeviceKey:
    """The key that wraps every person's. Shows only its id when printed.

    key_id: 16 hexadecimal digits that name the key and tell nothing of it; kept in the store, so that a wrong key is
        told from a damaged store.
    """

    __slots__ = ("_cipher", "_secret", "key_id")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise ValueError(f"a device key has {KEY_BYTES} bytes, not {len(secret)}")
        self._secret = secret
        self._cipher = AESGCM(_derive(secret, b"wrap"))
        self.key_id = _derive(secret, b"id")[:8].hex()

    def __repr__(self) -> str:
        return f"DeviceKey({self.key_id})"

    @classmethod
    def generate(cls) -> DeviceKey:
        return cls(secrets.token_bytes(KEY_BYTES))

    def wrap(self, key: PersonKey, person: str) -> bytes:
        """The person's key, sealed under this one for that person's row."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, key.secret, bind(person, person, "key"))

    def unwrap(self, wrapped: bytes, person: str) -> PersonKey:
        """What `wrap` was given.

        Raises:
            SealError: it was wrapped under another key or for another person, or it is damaged.
        """
        return PersonKey(_open(self._cipher, wrapped, bind(person, person, "key")))

    def signing_key(self) -> Ed25519PrivateKey:
        """The key that signs this device's erasure receipts; derived, so that there is one secret to keep."""
        return Ed25519PrivateKey.from_private_bytes(_derive(self._secret, b"sign receipts"))

    def matches(self, key_id: str) -> bool:
        return hmac.compare_digest(self.key_id.encode(), key_id.encode())

    def to_text(self) -> str:
        """The key file's content."""
        return f"{_HEADER} {self._secret.hex()}\n"


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where the device key comes from.

    path: the key file.
    may_create: it is ours to make at the first start; a given one must be there.
    ours: its mode is ours to check; a credential's is systemd's affair (an access list shows as group bits).
    """

    path: Path
    may_create: bool
    ours: bool


def key_place(configured: Path | None, state: Path, environ: Mapping[str, str]) -> KeyPlace:
    """Where to look: the settings' path, else systemd's credential `doorward-key`, else `device.key` in `state`."""
    if configured is not None:
        return KeyPlace(configured, may_create=False, ours=True)
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if directory and (Path(directory) / CREDENTIAL).exists():
        return KeyPlace(Path(directory) / CREDENTIAL, may_create=False, ours=False)
    return KeyPlace(state / _KEY_FILE, may_create=True, ours=True)


def obtain_device_key(place: KeyPlace, *, store_exists: bool) -> DeviceKey:
    """Read the device key, or make it at the first start. Never overwrites one.

    store_exists: something was already encrypted, so that a new key would be of no use and a missing one is an error.

    Raises:
        StoreError: missing, unreadable, open to others, or not a key; the line names the file and the way out.
    """
    try:
        return read_device_key(place)
    except FileNotFoundError:
        if not place.may_create:
            raise StoreError(
                f"{place.path}: the key file is not there: put it there, or leave the key setting out to have one made"
            ) from None
        if store_exists:
            raise StoreError(
                f"{place.path}: the key of an existing template store is missing: put the key file back from a backup, "
                "or move the store away and import an export into a new one"
            ) from None
    return create_device_key(place.path)


def create_device_key(path: Path) -> DeviceKey:
    """Make a key file of mode 0600, durably.

    Raises:
        StoreError: it exists, or the disk does not take it.
    """
    key = DeviceKey.generate()
    try:
        make_directory(path.parent)
        create_durably(path, key.to_text().encode(), mode=0o600)
    except FileExistsError:
        raise StoreError(f"{path}: a key file is there already and is never overwritten") from None
    except OSError as error:
        raise StoreError(f"{path}: cannot make the key file: {error.strerror}") from None
    return key


def read_device_key(place: KeyPlace) -> DeviceKey:
    """Read a key file.

    Raises:
        FileNotFoundError: there is none.
        StoreError: unreadable, open to others, or not a key.
    """
    path = place.path
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            data = file.read(_LONGEST_FILE + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"{path}: cannot read the key file: {error.strerror}") from None
    if place.ours and mode & 0o077:
        raise StoreError(f"{path}: other users can read the key (mode {mode:04o}): run chmod 600 on it")
    return _parse_key(path, data)


def _parse_key(path: Path, data: bytes) -> DeviceKey:
    try:
        header, digits = data.decode("ascii").split()
        if header != _HEADER:
            raise ValueError(header)
        return DeviceKey(bytes.fromhex(digits))
    except ValueError:
        raise StoreError(
            f"{path}: not a key file (one line, `{_HEADER}` and 64 hexadecimal digits): put it back from a backup"
        ) from None


def _derive(secret: bytes, purpose: bytes) -> bytes:
    return HKDFExpand(algorithm=SHA256(), length=KEY_BYTES, info=b"doorward device key: " + purpose).derive(secret)


def _open(cipher: AESGCM, sealed: bytes, bound: bytes) -> bytes:
    try:
        return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound)
    except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
        raise SealError("the sealed value does not open here") from None
