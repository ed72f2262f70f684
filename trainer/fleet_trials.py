"""People of the fleet's store on whom heads are tried: as many as are asked for, spread over the fleet, each once."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from edge.recognition.scoring import Head
from trainer.copies import join_copies, without_copies
from trainer.store.records import FleetPerson
from trainer.store.store import FleetStore
from trainer.trials import Picture, TrialPerson, trial_person

# With one picture alone there is nothing to search with.
_PICTURES = 2


@dataclass(frozen=True, slots=True)
class Judges:
    """Whom a head is judged by. dropped: who were left out, since the same person is learned from at another door."""

    people: tuple[TrialPerson, ...]
    dropped: int = 0


def spread(store: FleetStore, embedder: str, folds: Collection[int], most: int, pictures: int = 1) -> list[int]:
    """Numbers of some people of these folds, `most` at most, with so many pictures at least.

    By a hash of their ids: the same ones as long as they are there, of whatever door, however early or late they came.
    """
    listed = store.people_of(embedder, folds, pictures)
    return [number for number, _ in heapq.nsmallest(most, listed, key=lambda one: _place(one[1]))]


def choosing_people(
    store: FleetStore, embedder: str, folds: Collection[int], most: int, factory: Head
) -> list[tuple[int, TrialPerson]]:
    """People to choose by, with their fold, that of their first record; only those with something to search with.

    A copy in another fold is learned from while they are tried. That flatters the fleet a little, and the gate, whose
    people are apart, is not misled by it.
    """
    chosen = spread(store, embedder, folds, most, _PICTURES)
    found = [(person.fold, person.person, _trial(person)) for person in store.embeddings(embedder, folds, only=chosen)]
    joined = join_copies([one for *_, one in found], [id_ for _, id_, _ in found], factory)
    return [(found[place][0], person) for place, person in joined.items()]


def judging_people(
    store: FleetStore,
    embedder: str,
    folds: Collection[int],
    most: int,
    learned: tuple[Collection[int], int],
    factory: Head,
) -> Judges:
    """People to judge by: without those of whom a copy is learned from.

    learned: the folds that are, and among how many of their people copies are looked for. In a fleet with more a copy
    weighs next to nothing in what is learned.
    """
    people = [person for _, person in choosing_people(store, embedder, folds, most, factory)]
    apart = without_copies(people, _trials(store, embedder, *learned), factory)
    return Judges(apart, len(people) - len(apart))


def _trials(store: FleetStore, embedder: str, folds: Collection[int], most: int) -> Iterator[TrialPerson]:
    chosen = spread(store, embedder, folds, most)
    return (_trial(person) for person in store.embeddings(embedder, folds, only=chosen))


def _trial(person: FleetPerson) -> TrialPerson:
    pictures = [Picture(views.clean, views.night, views.taken_s) for views in person.exemplars.values()]
    return trial_person(f"{person.door}/{person.person}", pictures)


def _place(person: str) -> bytes:
    """Where somebody stands in the order of choice; folds are of the hash's first byte."""
    return hashlib.sha256(person.encode()).digest()[1:9]
