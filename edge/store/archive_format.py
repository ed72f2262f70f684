"""The encrypted stream of an export: a passphrase, bytes in, bytes out. Knows nothing of people.

Layout, little-endian: the header (`_HEADER`: magic, version, log2 of scrypt's N, r, p, salt, nonce prefix, check
value), 8 bytes of the header's SHA-256, then chunks. A chunk is 64 KiB of plain text, less for the last, sealed by
AES-256-GCM; its nonce is prefix (7) | counter (4) | 1 for the last chunk, else 0: the STREAM construction (Hoang,
Reyhanitabar, Rogaway and Vizar 2015), so that chunks can be neither swapped, dropped nor cut off unseen. The header is
bound to every chunk.

The check value is derived from the passphrase beside the key. As the header has a hash of its own, a wrong passphrase
(hash right, check value not) is told from damage (hash wrong, or a chunk does not open). Somebody who rewrites the hash
too can make damage look like a wrong passphrase, never the other way about.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from edge.errors import RefusedError, StoreError
from edge.store.types import StoreRefusedError

SHORTEST_PASSPHRASE = 10
CHUNK = 64 * 1024
LARGEST_ARCHIVE = 1 << 30
_MAGIC = b"DOORWARD-PEOPLE\n"
_VERSION = 1
_HEADER = struct.Struct("<16sHBHH16s7s16s")
_HASH_BYTES = 8
_TAG_BYTES = 16
# An archive comes from anywhere, and its header chooses how much memory opening it takes: 128 * r * N bytes.
_MOST_MEMORY = 256 << 20
_MOST_WORK = 1 << 23  # N * r * p: four times the default's


class ArchiveError(StoreError):
    """An export cannot be opened."""


class WrongPassphraseError(ArchiveError):
    """The archive is whole as far as can be told, and the passphrase is not the one it was made with."""

    exit_code = RefusedError.exit_code


@dataclass(frozen=True, slots=True)
class ScryptCost:
    """scrypt's parameters (RFC 7914). The default takes 64 MiB, what a Zero 2 W can spare; OWASP's list has it."""

    log2_n: int = 16
    r: int = 8
    p: int = 2

    def check(self) -> None:
        """Refuse costs that no Doorward chose.

        Raises:
            ArchiveError: more memory or work than an archive may ask for, or so little that the passphrase is bare.
        """
        n = 1 << min(self.log2_n, 63)
        bounded = 128 * n * self.r <= _MOST_MEMORY and n * self.r * self.p <= _MOST_WORK
        if self.log2_n < 10 or self.r < 1 or self.p < 1 or not bounded:
            raise ArchiveError(f"its key derivation ({self.log2_n}, {self.r}, {self.p}) is not one that is accepted")


def encrypt(target: BinaryIO, plain: Iterable[bytes], passphrase: str, cost: ScryptCost | None = None) -> None:
    """Write an archive of the pieces in `plain`, holding one chunk of it in memory.

    Raises:
        StoreRefusedError: the passphrase is too short.
        OSError: `target` does not take it.
    """
    cost = cost or ScryptCost()
    salt, prefix = os.urandom(16), os.urandom(7)
    key, check = _derive(_usable(passphrase), salt, cost)
    header = _HEADER.pack(_MAGIC, _VERSION, cost.log2_n, cost.r, cost.p, salt, prefix, check)
    target.write(header + hashlib.sha256(header).digest()[:_HASH_BYTES])
    cipher = AESGCM(key)
    target.writelines(
        cipher.encrypt(_nonce(prefix, counter, last=last), chunk, header)
        for counter, (chunk, last) in enumerate(_chunks(plain))
    )


class Archive:
    """An archive whose passphrase was right. It may be read more than once."""

    def __init__(self, source: BinaryIO, passphrase: str) -> None:
        """Derive the key, which takes as long as its header asks for.

        Raises:
            WrongPassphraseError: see the module's text.
            ArchiveError: not an archive, a newer form, or damaged; or a pipe, which cannot be read again.
        """
        if not source.seekable():
            raise ArchiveError("a pipe, and an export is read twice: save it as a file first")
        self._source = source
        source.seek(0)
        self._header = _read(source, _HEADER.size)
        cost, salt, self._prefix, check = _parse_header(self._header, _read(source, _HASH_BYTES))
        key, expected = _derive(passphrase, salt, cost)
        if not hmac.compare_digest(check, expected):
            raise WrongPassphraseError("the passphrase is not the one that this export was made with")
        self._cipher = AESGCM(key)

    def plain(self) -> Iterator[bytes]:
        """The plain text, a chunk at a time. Each chunk is genuine; that it is all shows only at the end.

        Raises:
            ArchiveError: damaged or cut off.
        """
        self._source.seek(_HEADER.size + _HASH_BYTES)
        chunk, counter = _read(self._source, CHUNK + _TAG_BYTES), 0
        while chunk or not counter:
            following = _read(self._source, CHUNK + _TAG_BYTES)
            try:
                nonce = _nonce(self._prefix, counter, last=not following)
                yield self._cipher.decrypt(nonce, chunk, self._header)
            except (InvalidTag, ValueError):
                raise ArchiveError(f"damaged or cut off at chunk {counter}: take another copy") from None
            chunk, counter = following, counter + 1
            if counter * CHUNK > LARGEST_ARCHIVE:
                raise ArchiveError(f"larger than {LARGEST_ARCHIVE >> 20} MiB")


def _read(source: BinaryIO, size: int) -> bytes:
    try:
        return source.read(size)
    except OSError as error:
        raise ArchiveError(f"cannot be read: {error.strerror}") from None


def _usable(passphrase: str) -> str:
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise StoreRefusedError(f"the passphrase must have at least {SHORTEST_PASSPHRASE} characters")
    return passphrase


def _parse_header(header: bytes, digest: bytes) -> tuple[ScryptCost, bytes, bytes, bytes]:
    if not header.startswith(_MAGIC) or len(header) < _HEADER.size:
        raise ArchiveError("not an export of people, or only its beginning")
    _, version, log2_n, r, p, salt, prefix, check = _HEADER.unpack(header)
    if hashlib.sha256(header).digest()[:_HASH_BYTES] != digest:
        raise ArchiveError("its header is damaged: take another copy")
    if version != _VERSION:
        raise ArchiveError(f"form {version} is not known here, only {_VERSION}: a newer Doorward made it")
    cost = ScryptCost(log2_n, r, p)
    cost.check()
    return cost, salt, prefix, check


def _derive(passphrase: str, salt: bytes, cost: ScryptCost) -> tuple[bytes, bytes]:
    cost.check()
    # The same letters typed on another keyboard may come as other code points.
    secret = unicodedata.normalize("NFKC", passphrase).encode()
    derived = Scrypt(salt=salt, length=48, n=1 << cost.log2_n, r=cost.r, p=cost.p).derive(secret)
    return derived[:32], derived[32:]


def _nonce(prefix: bytes, counter: int, *, last: bool) -> bytes:
    return prefix + counter.to_bytes(4, "big") + bytes([last])


def _chunks(plain: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Full chunks and then a last one, which may be full or empty."""
    held = bytearray()
    for piece in plain:
        held += piece
        while len(held) > CHUNK:
            yield bytes(held[:CHUNK]), False
            del held[:CHUNK]
    yield bytes(held), True
