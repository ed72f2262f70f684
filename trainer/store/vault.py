"""Sealing and opening what the store keeps of people and of the fleet. Knows keys and bytes, no database."""

from __future__ import annotations

from edge.store.keys import DeviceKey, PersonKey, SealError, bind
from trainer.statistics import Statistics

_FLEET = "fleet"
_ASIDE = "set aside"  # holds a blank, which no door's id does, so that no person is ever its owner


class Vault:
    """What one store's key opens.

    sums_key: seals the pooled sums; wrapped by the store's key as every other.
    """

    def __init__(self, key: DeviceKey, sums_key: PersonKey) -> None:
        self._key = key
        self._sums_key = sums_key

    @property
    def key_id(self) -> str:
        return self._key.key_id

    def new_person(self, door: str, person: str) -> tuple[PersonKey, bytes]:
        """A fresh key for a person's row, and the same wrapped."""
        key = PersonKey.generate()
        return key, self._key.wrap(key, _owner(door, person))

    def person(self, door: str, person: str, wrapped: bytes) -> PersonKey:
        """Raises: SealError."""
        return self._key.unwrap(wrapped, _owner(door, person))

    def seal_sums(self, embedder: str, fold: int, sums: Statistics) -> bytes:
        return self._sums_key.seal(sums.to_bytes(), bind(_FLEET, f"{embedder}:{fold}", "sums"))

    def open_sums(self, embedder: str, fold: int, sealed: bytes) -> Statistics:
        """Raises: SealError: they are damaged, or of a form that this program does not know."""
        try:
            return Statistics.from_bytes(self._sums_key.open(sealed, bind(_FLEET, f"{embedder}:{fold}", "sums")))
        except ValueError as error:
            raise SealError(str(error)) from None

    def seal_aside(self, sha256: str, head: bytes) -> tuple[bytes, bytes]:
        """The beginning of a message, sealed under a key of its own that goes with its row; wrapped key, sealed."""
        key = PersonKey.generate()
        return self._key.wrap(key, _ASIDE), key.seal(head, bind(_ASIDE, sha256, "head"))

    def open_aside(self, sha256: str, wrapped: bytes, sealed: bytes) -> bytes:
        """Raises: SealError."""
        return self._key.unwrap(wrapped, _ASIDE).open(sealed, bind(_ASIDE, sha256, "head"))


def seal_exemplar(key: PersonKey, door: str, person: str, exemplar: str, packed: bytes) -> bytes:
    """An exemplar, sealed for its row."""
    return key.seal(packed, bind(_owner(door, person), exemplar, "exemplar"))


def open_exemplar(key: PersonKey, door: str, person: str, exemplar: str, sealed: bytes) -> bytes:
    """Raises: SealError."""
    return key.open(sealed, bind(_owner(door, person), exemplar, "exemplar"))


def _owner(door: str, person: str) -> str:
    return f"{door}/{person}"  # neither holds a slash
