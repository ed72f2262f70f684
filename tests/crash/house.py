"""A seeded script of changes to a template store, and what the store must tell after each of them.

`House` is the model: plain values, changed by `after` alone. `choose` makes up the next change, `carry_out` does it to
a real store, `look` reads a real store in the model's form, and `difference` compares the two. When to do what, and
what kills the process meanwhile, is left to the others of this folder.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, TypeAlias

from edge.store.codec import dequantize, quantize
from edge.store.receipts import Receipt
from edge.store.templates import TemplateStore
from edge.store.types import NewExemplar, StoredPeople
from tests.fakes.templates import NOW, picture, unit

Verb: TypeAlias = Literal["enroll", "add", "rename", "merge", "unmerge", "erase", "undo", "reject"]

_CROWDED = 12
_NAMES = ("Anna", "Bea", "Cleo", "Dora", "Ebba", "Finn")
_DIMENSIONS = 64


@dataclass(frozen=True, slots=True)
class Change:
    """One change. person, other: ids. pictures: numbers, from which ids and embeddings follow."""

    verb: Verb
    person: str = ""
    other: str = ""
    name: str | None = None
    pictures: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """A person as the model has them. merged_into: an id."""

    name: str
    verified: bool
    pictures: tuple[int, ...]
    merged_into: str | None = None


@dataclass(frozen=True, slots=True)
class Last:
    """The enrollment that an undo would take back."""

    person: str
    pictures: tuple[int, ...]
    new_person: bool


@dataclass(frozen=True, slots=True)
class House:
    """Everybody who is enrolled, by id. next_picture, next_name: numbers that were not given yet."""

    people: Mapping[str, Known]
    last: Last | None = None
    next_picture: int = 1
    next_name: int = 1

    def holders(self) -> list[str]:
        return [person for person, known in self.people.items() if known.merged_into is None]

    def group(self, person: str) -> list[str]:
        """The person and all who were merged into them, directly or through others."""
        found = [person]
        for member in found:
            found += [other for other, known in self.people.items() if known.merged_into == member]
        return found


EMPTY = House({})


@dataclass(frozen=True, slots=True)
class Seen:
    """What a store tells of one person, or the model; sets, since the order of merged people's pictures is free."""

    name: str
    verified: bool
    pictures: frozenset[int]
    origins: frozenset[str]


@dataclass(frozen=True, slots=True)
class Look:
    """What a store tells. trouble: a line for each thing that no whole store would tell."""

    people: Mapping[str, Seen]
    last: Last | None
    trouble: tuple[str, ...]


def choose(house: House, dice: random.Random) -> Change:
    """The next change: the house fills and empties, and every verb comes up that has somebody to be done to."""
    fewest = 2 if dice.random() < 0.97 else 0
    if len(house.people) <= fewest:
        return _enrollment(house, dice)
    holders = house.holders()
    merged = [person for person, known in house.people.items() if known.merged_into is not None]
    spare = [kept for known in house.people.values() for kept in known.pictures if len(known.pictures) > 1]
    options: list[tuple[int, Callable[[], Change]]] = [
        (3 if len(house.people) < _CROWDED else 1, lambda: _enrollment(house, dice)),
        (2, lambda: Change("add", dice.choice(holders), pictures=(house.next_picture,))),
        (2, lambda: Change("rename", dice.choice(holders), name=dice.choice(_NAMES))),
        (2 if len(holders) > 1 else 0, lambda: _merging(dice.sample(holders, 2))),
        (1 if merged else 0, lambda: Change("unmerge", dice.choice(merged))),
        (1 if spare else 0, lambda: Change("reject", pictures=(dice.choice(spare),))),
        (2, lambda: Change("erase", dice.choice(holders))),
        (1, lambda: Change("undo")),
    ]
    make = dice.choices([make for _, make in options], [weight for weight, _ in options])[0]
    return make()


def after(house: House, change: Change, person: str) -> House:
    """The house when the change was done. person: the id that an enrollment was given; else of no meaning."""
    match change.verb:
        case "enroll":
            done = _enrolled(house, change, person)
        case "add":
            done = _added(house, change)
        case "rename":
            done = _with(house, change.person, name=change.name or "", verified=True)
        case "merge" | "unmerge":
            done = _with(house, change.person, merged_into=change.other or None)
        case "erase":
            done = _without(house, house.group(change.person))
        case "reject":
            done = replace(_without_pictures(house, change.pictures), last=None)
        case "undo":
            done = _undone(house)
    return done


def carry_out(store: TemplateStore, change: Change) -> tuple[str, Receipt | None]:
    """Do it to a real store; the id of somebody new, else nothing, and the receipt where somebody was erased."""
    match change.verb:
        case "enroll":
            shots = [shot(number) for number in change.pictures]
            return store.add_person(change.name, shots, wall_s=NOW, verified=True).id, None
        case "add":
            store.add_exemplars(change.person, [shot(number) for number in change.pictures], wall_s=NOW)
        case "rename":
            store.rename(change.person, change.name or "")
        case "merge":
            store.merge(change.person, change.other)
        case "unmerge":
            store.unmerge(change.person)
        case "reject":
            store.reject_exemplar(_id(change.pictures[0]), wall_s=NOW)
        case "erase":
            return "", store.erase(change.person, wall_s=NOW)
        case "undo":
            undone = store.undo_last_enrollment(wall_s=NOW)
            return "", undone.receipt if undone is not None else None
    return "", None


def look(store: TemplateStore) -> Look:
    """Read everything: people, each embedding to the bit, each view, and what could be undone."""
    people = store.load()
    trouble = [*store.report, *people.damage, *people.repaired, *people.blind, *_wrong_embeddings(store, people)]
    seen = {
        person.id: Seen(
            person.name,
            person.verified,
            frozenset(int(kept.id, 16) for kept in person.exemplars),
            frozenset(person.origins),
        )
        for person in people.people.values()
    }
    last = store.last_enrollment()
    told = Last(last.person, tuple(int(kept, 16) for kept in last.exemplars), last.new_person) if last else None
    return Look(seen, told, tuple(trouble))


def difference(found: Look, house: House) -> str | None:
    """The first thing in which a store differs from the model, or None."""
    expected = {
        holder: Seen(
            house.people[holder].name,
            house.people[holder].verified,
            frozenset(number for member in house.group(holder) for number in house.people[member].pictures),
            frozenset(house.group(holder)[1:]),
        )
        for holder in house.holders()
    }
    if found.trouble:
        return found.trouble[0]
    for person in sorted(expected.keys() | found.people.keys()):
        if expected.get(person) != found.people.get(person):
            return f"{person}: expected {expected.get(person)}, found {found.people.get(person)}"
    return None if found.last == house.last else f"to be undone: expected {house.last}, found {found.last}"


def newcomer(found: Look, house: House, change: Change) -> str:
    """The id under which somebody was enrolled who never learned it, since the process was killed; else nothing."""
    strangers = [person for person in found.people if person not in house.people]
    return strangers[0] if change.verb == "enroll" and len(strangers) == 1 else ""


def shot(number: int) -> NewExemplar:
    """The picture of a number."""
    plain = picture(number, views=1, dimensions=_DIMENSIONS, taken_s=NOW + number)
    return replace(plain, id=_id(number))


def _id(number: int) -> str:
    return f"{number:032x}"


@cache
def _as_kept(seed: int) -> bytes:
    return dequantize(*quantize(unit(seed, _DIMENSIONS))).tobytes()


def _wrong_embeddings(store: TemplateStore, people: StoredPeople) -> list[str]:
    kept = [exemplar for person in people.people.values() for exemplar in person.exemplars]
    wrong = [one.id for one in kept if one.embedding.x.tobytes() != _as_kept(int(one.id, 16) * 1000)]
    for one in kept:
        views = [view.embedding.x.tobytes() for view in store.views(one.id)]
        wrong += [] if views == [_as_kept(int(one.id, 16) * 1000 + 1)] else [f"{one.id}'s views"]
    return [f"{one}: not what was enrolled" for one in wrong]


def _enrollment(house: House, dice: random.Random) -> Change:
    first = house.next_picture
    name = dice.choice([None, *_NAMES])
    return Change("enroll", name=name, pictures=tuple(range(first, first + dice.randint(1, 3))))


def _merging(two: list[str]) -> Change:
    return Change("merge", two[0], two[1])


def _enrolled(house: House, change: Change, person: str) -> House:
    name = change.name or f"Person {house.next_name}"
    return replace(
        house,
        people={**house.people, person: Known(name, change.name is not None, change.pictures)},
        last=Last(person, change.pictures, new_person=True),
        next_picture=max(change.pictures) + 1,
        next_name=house.next_name + (change.name is None),
    )


def _added(house: House, change: Change) -> House:
    grown = _with(house, change.person, pictures=(*house.people[change.person].pictures, *change.pictures))
    last = Last(change.person, change.pictures, new_person=False)
    return replace(grown, last=last, next_picture=max(change.pictures) + 1)


def _undone(house: House) -> House:
    if house.last is None:
        return house
    if not house.last.new_person:
        return replace(_without_pictures(house, house.last.pictures), last=None)
    gone = house.last.person
    parted = {
        person: replace(known, merged_into=None) if known.merged_into == gone else known
        for person, known in house.people.items()
    }
    return _without(replace(house, people=parted), [gone])


def _with(house: House, person: str, **changed: Any) -> House:
    return replace(house, people={**house.people, person: replace(house.people[person], **changed)})


def _without(house: House, people: list[str]) -> House:
    return replace(house, people={one: known for one, known in house.people.items() if one not in people}, last=None)


def _without_pictures(house: House, pictures: tuple[int, ...]) -> House:
    left = {
        person: replace(known, pictures=tuple(kept for kept in known.pictures if kept not in pictures))
        for person, known in house.people.items()
    }
    return replace(house, people=left)
