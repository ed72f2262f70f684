"""People as heads are tried on them: some pictures enrolled, others searched with. Pure; judges no head by itself.

What is searched with is from another day than what is enrolled, wherever somebody has pictures of two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.recognition.scoring import Head
from edge.recognition.types import Embedding, Floats

# Of one visit are pictures less than so far apart.
SAME_VISIT_S = 4 * 3600.0


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """An enrolled picture. clean: its embedding. night: of its degraded views. taken_s: when, seconds since 1970."""

    clean: Embedding
    night: tuple[Embedding, ...]
    taken_s: float


@dataclass(frozen=True, slots=True, eq=False)
class TrialPerson:
    """Somebody to try a head on.

    person: their id. shots: enrolled, one at least. clean, night: searched with; may be empty.
    one_visit: all their pictures are of one visit, so that they are found more easily than they would be at a door.
    records: how often they are enrolled at doors, under whatever ids.
    """

    person: str
    shots: tuple[Embedding, ...] = field(repr=False)
    clean: tuple[Embedding, ...] = field(repr=False)
    night: tuple[Embedding, ...] = field(repr=False)
    one_visit: bool = False
    records: int = 1


def trial_person(person: str, pictures: Sequence[Picture], most_shots: int = 3) -> TrialPerson:
    """Enroll the first visit's pictures and search with the later ones; with one visit alone, part its pictures.

    Raises:
        ValueError: no picture.
    """
    if not pictures:
        raise ValueError(f"{person}: has no picture")
    ordered = sorted(pictures, key=lambda picture: picture.taken_s)
    visits = visits_of([picture.taken_s for picture in ordered])
    first = [picture for picture, visit in zip(ordered, visits, strict=True) if visit == 0]
    later = ordered[len(first) :]
    if not later:
        count = max(1, min(most_shots, len(ordered) - 1))
        first, later = ordered[:count], ordered[count:]
    return TrialPerson(
        person,
        tuple(picture.clean for picture in first[:most_shots]),
        tuple(picture.clean for picture in later),
        tuple(view for picture in later for view in picture.night),
        one_visit=int(visits[-1]) == 0,
    )


def joined(first: TrialPerson, other: TrialPerson) -> TrialPerson:
    """Two records of one person as one: enrolled as the first says, and searched with all that the other has."""
    return TrialPerson(
        first.person,
        first.shots,
        (*first.clean, *other.shots, *other.clean),
        (*first.night, *other.night),
        records=first.records + other.records,
    )


def visits_of(taken_s: Sequence[float]) -> NDArray[np.intp]:
    """`(n,)` which visit each of somebody's pictures is of, counted from 0. taken_s: ascending."""
    return np.asarray(np.cumsum(np.diff(np.asarray(taken_s, np.float64), prepend=taken_s[0]) > SAME_VISIT_S), np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """Every search of some people against the table of all of them.

    scores: `(P, N)`. owner: `(P,)` whose search it is, people counted from 0. at_night: `(P,)` by a degraded view.
    """

    scores: Floats
    owner: NDArray[np.intp]
    at_night: NDArray[np.bool_]

    @property
    def same(self) -> NDArray[np.bool_]:
        """`(P, N)` whether a score is of somebody against themselves."""
        return np.asarray(self.owner[:, None] == np.arange(self.scores.shape[1]))


def run_trials(head: Head, people: Sequence[TrialPerson]) -> Trials:
    """Enroll them all and search with all that they have.

    Raises:
        ValueError: nobody, or nothing to search with.
    """
    probes = [(place, view, False) for place, person in enumerate(people) for view in person.clean]
    probes += [(place, view, True) for place, person in enumerate(people) for view in person.night]
    if not probes:
        raise ValueError("there is nobody with a picture to search with beside those that are enrolled")
    rows = np.stack([head.row([head.project(shot) for shot in person.shots]) for person in people])
    scores = head.scores(rows, [head.project(view) for _, view, _ in probes])
    return Trials(scores, np.array([place for place, _, _ in probes]), np.array([night for _, _, night in probes]))
