"""Nobody forgotten: the door's own people under the head in force and under another, by exemplars held aside. Pure.

Each exemplar in turn is taken out of its person's row and looked for in the table of everybody, under the threshold
that the head itself sets for this table: is it still found as whose it is, is it taken for somebody else, and would it
be, if its person were not enrolled? What was found before and is not any more counts against the other head, and what
was wrong before does not. Somebody with a single exemplar is looked for with that one in the row: it must be found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edge.recognition.gallery import Gallery
from edge.recognition.recognizer import ActiveModel
from edge.recognition.scoring import Head
from edge.recognition.types import Embedding, Exemplar, Floats

_PORTION = 512  # probes scored at once: 512 x 2000 people are 4 MB


@dataclass(frozen=True, slots=True, eq=False)
class Enrolled:
    """Somebody of the door. embeddings: one at least. denied: pictures that were taken for them and are not of them."""

    person: str
    embeddings: tuple[Embedding, ...] = field(repr=False)
    denied: tuple[Embedding, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What became of every held-aside exemplar under one head.

    owner: `(P,)` whose it is, people counted from 0. found: `(P,)` it was identified as theirs. taken: `(P,)` as whose
    else it was, -1 for nobody. stray: `(P,)` it would be taken for somebody if its person were not enrolled.
    """

    owner: NDArray[np.intp]
    found: NDArray[np.bool_]
    taken: NDArray[np.intp]
    stray: NDArray[np.bool_]
    threshold: float


def look_for_all(head: Head, people: Sequence[Enrolled], target_fpir: float) -> Found:
    """Look for every exemplar of these people under a head. people: ids are different, one person at least."""
    exemplars = [Exemplar(who.person, embedding) for who in people for embedding in who.embeddings]
    model = ActiveModel.of(head, exemplars, target_fpir, "")
    gallery = model.gallery
    for who in people:
        gallery = gallery.with_denials(who.person, who.denied)
    owner = np.repeat(np.arange(len(people)), [len(who.embeddings) for who in people])
    own = np.concatenate([_held_aside(head, who) for who in people])
    found, taken, stray = np.zeros(len(owner), np.bool_), np.zeros(len(owner), np.intp), np.zeros(len(owner), np.bool_)
    probes = [embedding for who in people for embedding in who.embeddings]
    for start in range(0, len(probes), _PORTION):
        part = slice(start, start + _PORTION)
        scores = _scores(gallery, probes[part], owner[part], own[part])
        found[part], taken[part], stray[part] = _judged(scores, owner[part], model.threshold)
    return Found(owner, found, taken, stray, model.threshold)


def _held_aside(head: Head, who: Enrolled) -> Floats:
    """`(n,)` each exemplar's score against the row of the person's others."""
    seen = [head.project(embedding) for embedding in who.embeddings]
    rows = [head.row(seen[:n] + seen[n + 1 :] if len(seen) > 1 else seen) for n in range(len(seen))]
    return np.array([head.scores(row[None], [probe])[0, 0] for row, probe in zip(rows, seen, strict=True)], np.float32)


def _scores(gallery: Gallery, probes: Sequence[Embedding], owner: NDArray[np.intp], own: Floats) -> Floats:
    """`(P, N)` as `Gallery.candidates` would give them, with each probe held aside from its own person."""
    head = gallery.head
    seen = [head.project(probe) for probe in probes]
    scores = head.scores(gallery.rows, seen)
    scores[np.arange(len(seen)), owner] = own
    for person, row in gallery.denials.items():
        at = gallery.people.index(person)
        denied = head.scores(row[None], seen)[:, 0] > scores[:, at]
        scores[denied, at] = -np.inf
    return scores


def _judged(
    scores: Floats, owner: NDArray[np.intp], threshold: float
) -> tuple[NDArray[np.bool_], NDArray[np.intp], NDArray[np.bool_]]:
    # A score that is no number is above nothing: whoever has it is not found.
    scores = np.where(np.isnan(scores), -np.inf, scores)
    best = scores.argmax(axis=1)
    known = scores.max(axis=1) >= threshold
    others = scores.copy()
    others[np.arange(len(owner)), owner] = -np.inf
    stray = others.max(axis=1) >= threshold
    return known & (best == owner), np.where(known & (best != owner), best, -1), stray


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What two good heads may differ by on one door. Shares are of the exemplars; the number counts where it is more.

    Measured between a head and others refined or distilled from other people, both shipped embedders, some 2,500 tables
    of 3 to 60 people whose exemplars were day views, or a quarter of them night views. At most 3 exemplars of 80 and 7
    of 240 fell below the threshold, 2 of 40 and 5 of 240 were taken for another, and of strays there were 6 more of 9,
    16 of 80, 22 of 240, since one resemblance makes several. Nobody was lost from day views but by a head that 30
    people had made; with night views one of 109 people, by several heads. With every other direction of a head gone
    half of them stray, and nearly all with directions that do not belong to their variances.
    """

    missed: tuple[int, float] = (3, 0.05)
    taken: tuple[int, float] = (2, 0.03)
    strays: tuple[int, float] = (8, 0.3)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What the other head would mean for the door's people.

    people, exemplars: how many were looked for.
    found_before, found_after: exemplars that were identified as whose they are.
    lost: ids of people who were found before and of whose exemplars none is any more, or not half where all were.
    taken: ids of people of whose exemplars more than half are taken for somebody else, and were not.
    missed: exemplars that are not found any more, less those that newly are.
    mistaken: exemplars that are newly taken for somebody else.
    strays_before, strays_after: exemplars that would be taken for somebody, were their person not enrolled.
    reason: why the head is to be refused, or None.
    """

    people: int
    exemplars: int
    found_before: int
    found_after: int
    lost: tuple[str, ...]
    taken: tuple[str, ...]
    missed: int
    mistaken: int
    strays_before: int
    strays_after: int
    reason: str | None


def compare(people: Sequence[str], before: Found, after: Found, tolerance: Tolerance | None = None) -> Forgotten:
    """people: ids in the order in which `look_for_all` had them."""
    tolerance, count = tolerance or Tolerance(), len(people)
    held, was, now = (np.bincount(before.owner, w, count) for w in (None, before.found, after.found))
    newly = (after.taken >= 0) & (before.taken < 0)
    was_taken, now_taken = (np.bincount(before.owner, one.taken >= 0, count) for one in (before, after))
    facts = Forgotten(
        people=count,
        exemplars=len(before.owner),
        found_before=int(before.found.sum()),
        found_after=int(after.found.sum()),
        lost=tuple(people[i] for i in np.flatnonzero((was > 0) & ((now == 0) | ((was == held) & (2 * now < was))))),
        taken=tuple(people[i] for i in np.flatnonzero((2 * now_taken > held) & (2 * was_taken <= held))),
        missed=int(before.found.sum()) - int(after.found.sum()),
        mistaken=int(newly.sum()),
        strays_before=int(before.stray.sum()),
        strays_after=int(after.stray.sum()),
        reason=None,
    )
    return replace(facts, reason=_reason(facts, tolerance))


def _reason(found: Forgotten, tolerance: Tolerance) -> str | None:
    if found.lost:
        return f"would forget {len(found.lost)} of {found.people} people: {_some(found.lost)}"
    if found.taken:
        return f"would take {len(found.taken)} of {found.people} people for others: {_some(found.taken)}"
    strays = found.strays_after - found.strays_before
    for count, (number, share), words in (
        (found.missed, tolerance.missed, "more are no longer found"),
        (found.mistaken, tolerance.taken, "more are taken for somebody else"),
        (strays, tolerance.strays, "more would be taken for somebody, were they strangers"),
    ):
        most = max(number, int(share * found.exemplars))
        if count > most:
            return f"of {found.exemplars} pictures of the people enrolled {count} {words}; {most} may be"
    return None


def _some(people: Sequence[str]) -> str:
    """The first of them; a report has room for so many."""
    return ", ".join(people[:4]) + (", …" if len(people) > 4 else "")
