"""The gallery in numbers, person by person: how good their pictures are, how alike to each other and to somebody else.

Pure. No embedding and no picture leaves here; the page that shows the numbers is `sheet_page.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from edge.recognition.gallery import Gallery
from edge.recognition.recognizer import ActiveModel
from edge.recognition.types import Embedding, Floats
from edge.store.types import Person, StoredExemplar, StoredPeople

Concern: TypeAlias = Literal["unusable", "mistakable", "loose", "one_shot", "review", "unverified"]
_BINS = 48


@dataclass(frozen=True, slots=True)
class Span:
    """The smallest and the largest of some pictures' values."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Closest:
    """The other person whom a picture of somebody is most alike. margin: what is missing to the threshold; at 0 and
    below, that picture reaches the threshold for the other too.
    """

    person: str
    name: str = field(repr=False)
    score: float
    margin: float


@dataclass(frozen=True, slots=True)
class PersonNumbers:
    """Somebody in numbers.

    shots: pictures that the embedder in use can work with. others: by another embedder. review, denied: pictures.
    width_px, sharpness, brightness, norm: over the shots, in the units of `Quality` and `Embedding`; None without any.
    own: each shot's score against a row made of all the others, lowest first; none for fewer than two shots.
    closest: None where nobody else is in the table, or they are not.
    """

    person: str
    name: str = field(repr=False)
    verified: bool
    created_s: float
    seen_s: float | None
    shots: int
    others: int
    review: int
    denied: int
    width_px: Span | None
    sharpness: Span | None
    brightness: Span | None
    norm: Span | None
    own: tuple[float, ...]
    closest: Closest | None
    concerns: tuple[Concern, ...]


@dataclass(frozen=True, slots=True)
class Strangers:
    """How high the head's synthetic strangers reach in this table.

    count: of them. highest: the best score of all. edges, heights: a histogram of each one's best score.
    """

    count: int
    highest: float
    edges: tuple[float, ...]
    heights: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SheetNumbers:
    """The whole table. people: those with the most concerns first, then by name. threshold: inf for an empty table.

    strangers: None for an empty table. damage: rows that could not be read, a line each.
    """

    people: tuple[PersonNumbers, ...]
    threshold: float
    target_fpir: float
    head: str
    strangers: Strangers | None
    damage: tuple[str, ...]

    @property
    def shots(self) -> int:
        return sum(person.shots for person in self.people)

    def with_concern(self, concern: Concern) -> tuple[PersonNumbers, ...]:
        """Those of whom that is to be said."""
        return tuple(person for person in self.people if concern in person.concerns)


def sheet_numbers(people: StoredPeople, model: ActiveModel) -> SheetNumbers:
    """The numbers of everybody stored. model: active over exactly these people."""
    names = {person.id: person.name for person in people.people.values()}
    told = [_person(person, names, model) for person in people.people.values()]
    ordered = sorted(told, key=lambda person: (-_weight(person), person.name.casefold(), person.person))
    return SheetNumbers(
        people=tuple(ordered),
        threshold=model.threshold,
        target_fpir=model.target_fpir,
        head=model.gallery.head.id,
        strangers=_strangers(model.ceiling.best) if len(model.gallery) else None,
        damage=people.damage,
    )


def _person(person: Person, names: Mapping[str, str], model: ActiveModel) -> PersonNumbers:
    head = model.gallery.head
    usable = [exemplar for exemplar in person.exemplars if exemplar.embedder == head.embedder_id]
    embeddings = [exemplar.embedding for exemplar in usable]
    own = tuple(sorted(_leave_one_out(model.gallery, embeddings)))
    closest = _closest(person.id, embeddings, names, model)
    return PersonNumbers(
        person=person.id,
        name=person.name,
        verified=person.verified,
        created_s=person.created_s,
        seen_s=person.seen_s,
        shots=len(usable),
        others=len(person.exemplars) - len(usable),
        review=len(person.under_review),
        denied=len(person.denied),
        width_px=_span(exemplar.quality.width_px for exemplar in usable),
        sharpness=_span(exemplar.quality.sharpness for exemplar in usable),
        brightness=_span(exemplar.quality.brightness for exemplar in usable),
        norm=_span(embedding.norm for embedding in embeddings),
        own=own,
        closest=closest,
        concerns=tuple(_concerns(person, usable, own, closest, model.threshold)),
    )


def _leave_one_out(gallery: Gallery, embeddings: Sequence[Embedding]) -> Iterator[float]:
    """How well each shot would have been recognized from the others."""
    seen = [gallery.head.project(embedding) for embedding in embeddings]
    if len(seen) < 2:
        return
    for place, probe in enumerate(seen):
        row = gallery.head.row([*seen[:place], *seen[place + 1 :]])
        yield float(gallery.head.scores(row[None], [probe])[0, 0])


def _closest(
    person: str, embeddings: Sequence[Embedding], names: Mapping[str, str], model: ActiveModel
) -> Closest | None:
    gallery = model.gallery
    if not embeddings or len(gallery) < 2:
        return None
    best = gallery.head.scores(gallery.rows, [gallery.head.project(e) for e in embeddings]).max(axis=0)
    best[gallery.people.index(person)] = -np.inf
    place = int(np.argmax(best))
    score, other = float(best[place]), gallery.people[place]
    return Closest(other, names[other], score, model.threshold - score)


def _concerns(
    person: Person, usable: Sequence[StoredExemplar], own: Sequence[float], closest: Closest | None, threshold: float
) -> Iterator[Concern]:
    """What an operator should look at, the gravest first."""
    if not usable:
        yield "unusable"
    if closest is not None and closest.margin <= 0:
        yield "mistakable"
    if own and own[0] < threshold:
        yield "loose"
    if len(usable) == 1:
        yield "one_shot"
    if person.under_review:
        yield "review"
    if not person.verified:
        yield "unverified"


def _weight(person: PersonNumbers) -> int:
    """Grave concerns before any number of light ones."""
    order: tuple[Concern, ...] = ("unverified", "one_shot", "review", "loose", "mistakable", "unusable")
    return sum(1 << order.index(concern) for concern in person.concerns)


def _strangers(best: Floats) -> Strangers:
    heights, edges = np.histogram(best, bins=_BINS)
    return Strangers(len(best), float(best.max()), tuple(edges.tolist()), tuple(heights.tolist()))


def _span(values: Iterable[float]) -> Span | None:
    found = list(values)
    return Span(min(found), max(found)) if found else None
