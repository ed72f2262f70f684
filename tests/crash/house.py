"""A seeded script of changes to a template store, and what the store must tell after each of them.

`House` is the model: plain values, changed by `after` alone. `choose` makes up the next change, `carry_out` does it to a
real store, `look` reads a real store in the model's form, and `difference` compares the two. When to do what, and what
kills the process meanwhile, is left to the others of this folder.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, TypeAlias

from edge.receipts import Receipt
from edge.template_codec import dequantize, quantize
from edge.template_types import NewExemplar, StoredPeople
from edge.templates import TemplateStore
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
    holders = house.holders()
    fewest = 2 if dice.random() < 0.97 else 0
    if len(house.people) <= fewest:
        return _enrollment(house, dice)
    growing = 3 if len(house.people) < _CROWDED else 1
    weights: dict[Verb, int] = {"enroll": growing, "add": 2, "rename": 2, "erase": 2, "undo": 1, "reject": 1}
    if len(holders) > 1:
        weights["merge"] = 2
    merged = [person for person, known in house.people.items() if known.merged_into is not None]
    if merged:
        weights["unmerge"] = 1
    verb = dice.choices(list(weights), list(weights.values()))[0]
    match verb:
        case "enroll":
            return _enrollment(house, dice)
        case "add":
            return Change("add", dice.choice(holders), pictures=(house.next_picture,))
        case "rename":
            return Change("rename", dice.choice(holders), name=dice.choice(_NAMES))
        case "merge":
            source, into = dice.sample(holders, 2)
            return Change("merge", source, into)
        case "unmerge":
            return Change("unmerge", dice.choice(merged))
        case "reject":
            several = [kept for known in house.people.values() for kept in known.pictures if len(known.pictures) > 1]
            return Change("reject", pictures=(dice.choice(several),)) if several else _enrollment(house, dice)
        case "erase":
            return Change("erase", dice.choice(holders))
        case _:
            return Change("undo")


def after(house: House, change: Change, person: str) -> House:
    """The house when the change was done. person: the id that an enrollment was given; else of no meaning."""
    match change.verb:
        case "enroll":
            return _enrolled(house, change, person)
        case "add":
            known = house.people[change.person]
            grown = replace(known, pictures=(*known.pictures, *change.pictures))
            last = Last(change.person, change.pictures, new_person=False)
            return replace(_with(house, change.person, grown), last=last, next_picture=max(change.pictures) + 1)
        case "rename":
            known = house.people[change.person]
            return _with(house, change.person, replace(known, name=change.name or "", verified=True))
        case "merge" | "unmerge":
            known = house.people[change.person]
            return _with(house, change.person, replace(known, merged_into=change.other or None))
        case "erase":
            return _without(house, house.group(change.person))
        case "reject":
            return replace(_without_pictures(house, change.pictures), last=None)
        case "undo":
            return _undone(house)


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


def _enrolled(house: House, change: Change, person: str) -> House:
    name = change.name or f"Person {house.next_name}"
    known = Known(name, change.name is not None, change.pictures)
    return replace(
        _with(house, person, known),
        last=Last(person, change.pictures, new_person=True),
        next_picture=max(change.pictures) + 1,
        next_name=house.next_name + (change.name is None),
    )


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


def _with(house: House, person: str, known: Known) -> House:
    return replace(house, people={**house.people, person: known})


def _without(house: House, people: list[str]) -> House:
    return replace(house, people={one: known for one, known in house.people.items() if one not in people}, last=None)


def _without_pictures(house: House, pictures: tuple[int, ...]) -> House:
    left = {
        person: replace(known, pictures=tuple(kept for kept in known.pictures if kept not in pictures))
        for person, known in house.people.items()
    }
    return replace(house, people=left)
