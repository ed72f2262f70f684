"""The outbox as a place that a person is erased from: their waiting events go, overwritten on the disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from edge.adapters.outbox import Outbox
from edge.store.receipts import ErasedPlace


class OutboxPlace:
    """See `receipts.Place`."""

    name = "outbox"

    def __init__(self, erase_person: Callable[[str], int]) -> None:
        """erase_person: takes a person's events out and says how many it were, or raises a StoreError."""
        self._erase_person = erase_person

    def erase(self, people: Sequence[str]) -> ErasedPlace:
        """Raises:
        StoreError: they may still be on the disk.
        """
        return ErasedPlace(self.name, sum(self._erase_person(person) for person in people), 0)

    def count(self, people: Sequence[str]) -> int:
        """After an erasure none is left, since it takes all out or raises; asking again takes out what came since."""
        return sum(self._erase_person(person) for person in people)


def erase_from_file(path: Path, person: str) -> int:
    """Take a person's events out of an outbox that no daemon has open.

    Raises:
        StoreError: they may still be on the disk.
    """
    if not path.exists():
        return 0
    outbox = Outbox(path)
    outbox.open()
    try:
        return outbox.erase_person(person)
    finally:
        outbox.close()
