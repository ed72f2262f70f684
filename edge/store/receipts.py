"""Erasure receipts: what was erased, where, when and how much; signed, chained, and checked again by a second command.

A receipt names people by their opaque ids only. `marks` are pieces of the sealed bytes that were erased, twelve bytes
out of every 32: with the key destroyed they tell nothing, and by them the files can be searched for remains. Each
receipt holds the hash of the one before, so that none can be taken out unseen, and an Ed25519 signature by a key that
is derived from the device key. Erasing itself is `erasure`'s.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edge.errors import StoreError
from edge.store.durable import create_durably, make_directory
from edge.store.keys import DeviceKey

MARK_BYTES = 12
_MARK_EVERY = 32
_LEAST_VARIETY = 7
_FORMAT = "doorward-erasure-receipt"
_VERSION = 1
_FIRST = "0" * 64
_LARGEST_FILE = 4 << 20
_BLOCK = 1 << 20
_NAME = re.compile(r"(\d{6})\.json")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ErasedPlace:
    """One place that was erased from.

    items: how many things were taken out. left: how many could not be, or were found again afterwards.
    """

    place: str
    items: int
    left: int
    note: str = ""


class Place(Protocol):
    """Somewhere beside the template store where traces of a person lie: the outbox, statistics, other doors."""

    @property
    def name(self) -> str: ...

    def erase(self, people: Sequence[str]) -> ErasedPlace:
        """Take out everything about these ids, durably. Doing it again is harmless. May raise any DoorwardError."""
        ...

    def count(self, people: Sequence[str]) -> int:
        """How many things about these ids are there now."""
        ...


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt as it is kept in its file.

    people: the id of the erased person and of those merged into them.
    erased_s: seconds since 1970 UTC.
    hash: sha256 of the canonical JSON of everything above it. signature: Ed25519 over those same bytes.
    """

    number: int
    people: tuple[str, ...]
    erased_s: float
    places: tuple[ErasedPlace, ...]
    marks: tuple[str, ...]
    previous: str
    hash: str = ""
    public_key: str = ""
    signature: str = ""

    @property
    def complete(self) -> bool:
        """Nothing was left anywhere."""
        return all(place.left == 0 for place in self.places)

    def to_json(self) -> str:
        return json.dumps({"format": _FORMAT, "version": _VERSION, "complete": self.complete, **asdict(self)}, indent=1)


def marks_of(sealed: bytes) -> list[bytes]:
    """The pieces of a sealed value by which it is found again: its nonce, and twelve bytes of every 32.

    A damaged value may hold a run of zeros, which is found everywhere. Of random bytes one piece in 10^8 is left out.
    """
    pieces = (sealed[at : at + MARK_BYTES] for at in range(0, len(sealed) - MARK_BYTES + 1, _MARK_EVERY))
    return [piece for piece in pieces if len(set(piece)) >= _LEAST_VARIETY]


def issue_receipt(
    directory: Path,
    key: DeviceKey,
    *,
    people: Sequence[str],
    erased_s: float,
    places: Sequence[ErasedPlace],
    marks: Iterable[bytes],
) -> Receipt:
    """Chain, sign and durably file a receipt in `directory`.

    Raises:
        OSError: the disk does not take it.
    """
    make_directory(directory)
    number, previous = _chain_end(directory)
    draft = Receipt(
        number=number + 1,
        people=tuple(people),
        erased_s=erased_s,
        places=tuple(places),
        marks=tuple(mark.hex() for mark in marks),
        previous=previous,
    )
    receipt = _sign(draft, key)
    create_durably(receipt_file(directory, receipt.number), receipt.to_json().encode())
    return receipt


def receipt_file(directory: Path, number: int) -> Path:
    """Where the receipt of that number is kept."""
    return directory / f"{number:06d}.json"


def receipt_files(directory: Path) -> list[Path]:
    """The receipts in a directory, by number."""
    if not directory.is_dir():
        return []
    return sorted(path for path in directory.iterdir() if _NAME.fullmatch(path.name))


def read_receipt(path: Path) -> Receipt:
    """Read one. Its hash and signature are not yet looked at: see `check_receipt`.

    Raises:
        StoreError: not there, too large, or not a receipt.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise StoreError(f"{path}: cannot read the receipt: {error.strerror}") from None
    if len(data) > _LARGEST_FILE:
        raise StoreError(f"{path}: too large for a receipt")
    try:
        return _parse(json.loads(data))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise StoreError(f"{path}: not an erasure receipt, or damaged: take a copy from a backup") from None


def check_receipt(receipt: Receipt, directory: Path, key: DeviceKey) -> list[str]:
    """What is wrong with the receipt itself: its hash, signature and place in the chain. Empty when it holds."""
    wrong: list[str] = []
    body = _body(receipt)
    if hashlib.sha256(body).hexdigest() != receipt.hash:
        wrong.append("the receipt was changed after it was made: its hash differs")
    if receipt.public_key != public_key_of(key):
        wrong.append("the receipt was signed by another device's key")
    elif not signature_holds(receipt):
        wrong.append("the receipt's signature does not hold")
    before = _FIRST
    if receipt.number > 1:
        try:
            before = read_receipt(directory / f"{receipt.number - 1:06d}.json").hash
        except StoreError as error:
            return [*wrong, f"the receipt before it cannot be read: {error}"]
    if receipt.previous != before:
        wrong.append("the chain is broken: the receipt before it is another one")
    return wrong


def signature_holds(receipt: Receipt) -> bool:
    """Whether the signature is by the public key that the receipt names; whose that is, the caller must know."""
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(receipt.public_key))
        public.verify(bytes.fromhex(receipt.signature), _body(receipt))
    except (InvalidSignature, ValueError):
        return False
    return True


def public_key_of(key: DeviceKey) -> str:
    """The public half of the key that signs a device's receipts, 64 hexadecimal digits."""
    return key.signing_key().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def find_marks(path: Path, marks: Sequence[bytes]) -> int:
    """How many of the marks occur in a file, which may be of any size; 0 for a file that is not there.

    Raises:
        OSError: it cannot be read.
    """
    wanted = {mark for mark in marks if len(mark) == MARK_BYTES}
    if not wanted or not path.exists():
        return 0
    # Two bytes of each place select some hundred candidates in a block; only those are compared as a whole.
    first = np.zeros(1 << 16, dtype=np.bool_)
    first[[mark[0] | mark[1] << 8 for mark in wanted]] = True
    found: set[bytes] = set()
    with path.open("rb") as file:
        tail = b""
        while block := file.read(_BLOCK):
            data = tail + block
            for offset in (0, 1):  # reading pairs where they lie is four times as fast as putting them together
                pairs = np.frombuffer(data, dtype="<u2", count=(len(data) - offset) // 2, offset=offset)
                for at in np.flatnonzero(first.take(pairs)).tolist():
                    if (piece := data[(begin := 2 * at + offset) : begin + MARK_BYTES]) in wanted:
                        found.add(piece)
            tail = data[-(MARK_BYTES - 1) :]
    return len(found)


def _chain_end(directory: Path) -> tuple[int, str]:
    """Number and hash of the last receipt. A damaged one must not stop erasures: its bytes' hash stands for it."""
    files = receipt_files(directory)
    if not files:
        return 0, _FIRST
    try:
        last = read_receipt(files[-1]).hash
    except StoreError:
        last = hashlib.sha256(files[-1].read_bytes()).hexdigest()
    return int(files[-1].stem), last


def _sign(draft: Receipt, key: DeviceKey) -> Receipt:
    named = replace(draft, public_key=public_key_of(key))
    body = _body(named)
    return replace(named, hash=hashlib.sha256(body).hexdigest(), signature=key.signing_key().sign(body).hex())


def _body(receipt: Receipt) -> bytes:
    document = {"format": _FORMAT, "version": _VERSION, **asdict(receipt)}
    for outside in ("hash", "signature"):
        del document[outside]
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _parse(document: Mapping[str, Any]) -> Receipt:
    if document["format"] != _FORMAT or document["version"] != _VERSION:
        raise ValueError(document["version"])
    texts = {name: _word(document[name]) for name in ("previous", "hash", "public_key", "signature")}
    marks = _list(document["marks"], _word)
    for mark in marks:
        bytes.fromhex(mark)
    return Receipt(
        number=int(document["number"]),
        people=_list(document["people"], _word),
        erased_s=float(document["erased_s"]),
        places=_list(document["places"], _parse_place),
        marks=marks,
        **texts,
    )


def _parse_place(entry: Any) -> ErasedPlace:
    return ErasedPlace(_word(entry["place"]), int(entry["items"]), int(entry["left"]), _word(entry["note"]))


def _list(value: Any, parse: Callable[[Any], _T]) -> tuple[_T, ...]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return tuple(parse(entry) for entry in value)


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
