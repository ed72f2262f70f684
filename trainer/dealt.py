"""How a head finds people in many small tables, such as doors have: everybody dealt into tables, several times over.

Whoever is not in a table is a stranger to it, and so are those in none. Pure; what is made of it is `gate.py`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.recognition.calibration import Ceiling
from edge.recognition.gallery import Gallery
from edge.recognition.scoring import Head
from edge.recognition.types import Floats
from trainer.metrics import threshold_at_fpir
from trainer.statistics import Doubles
from trainer.trials import TrialPerson, run_trials

Table = NDArray[np.intp]


def deal(people: int, size: int, draws: int) -> list[Table]:
    """Everybody into tables of one size, `draws` times over; whom the last table has no room for sits out."""
    tables: list[Table] = []
    for draw in range(draws):
        order = np.random.default_rng(draw).permutation(people)
        tables += [np.sort(order[start : start + size]) for start in range(0, people - size + 1, size)]
    return tables


@dataclass(frozen=True, slots=True, eq=False)
class Searched:
    """Searches in tables, by people who are in the table or by strangers to it; `(P,)` each.

    person: whose search it is; who is in no table counts down from -1. night: by a degraded view.
    top: the best candidate's score.
    right: that candidate is the person, never so for a stranger. named: top reaches the table's own threshold.
    """

    person: NDArray[np.intp]
    night: NDArray[np.bool_]
    top: Doubles
    right: NDArray[np.bool_]
    named: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.person)

    def clean(self) -> Searched:
        """Those by clean views."""
        kept = ~self.night
        return Searched(*(getattr(self, name)[kept] for name in self.__slots__))

    def missed(self, threshold: float | Doubles) -> NDArray[np.bool_]:
        """`(P,)` those that do not name the person at rank 1 with a score that reaches the threshold.

        threshold: with `(R, 1)` of them, `(R, P)`.
        """
        return ~self.right | (self.top < threshold)

    @property
    def accepted(self) -> NDArray[np.bool_]:
        """`(P,)` those that a door answers with the right name."""
        return self.right & self.named


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a head found. enrolled: by those in each table. strangers: by all others. tables: how many."""

    enrolled: Searched
    strangers: Searched
    tables: int

    def missed_at(self, fpir: float, *, clean: bool = False) -> NDArray[np.bool_]:
        """`(P,)` enrolled searches missed at the threshold that `fpir` of the strangers' searches reach."""
        enrolled, strangers = (
            (self.enrolled.clean(), self.strangers.clean()) if clean else (self.enrolled, self.strangers)
        )
        return enrolled.missed(threshold_at_fpir(strangers.top, fpir))

    def realised_fpir(self) -> float:
        """The share of strangers' searches that are named at the tables' own thresholds."""
        return float(self.strangers.named.mean())


@dataclass(frozen=True, slots=True, eq=False)
class Dealt:
    """All searches in all tables by one head, before anybody is named. By table: thresholds are each table's own.

    ceilings: how high the head's own strangers reach. enrolled, strangers: as in `Found`, nobody named yet.
    """

    ceilings: tuple[Ceiling, ...]
    enrolled: tuple[Searched, ...]
    strangers: tuple[Searched, ...]

    @classmethod
    def of(
        cls, head: Head, people: Sequence[TrialPerson], outside: Sequence[TrialPerson], tables: Sequence[Table]
    ) -> Dealt:
        """Search with everybody in every table. outside: people who are in no table.

        Raises:
            ValueError: nobody has anything to search with, or there is no table.
        """
        if not tables:
            raise ValueError("there are too few people for a table")
        rows = np.stack([head.row([head.project(shot) for shot in person.shots]) for person in people])
        own = run_trials(head, people)
        foreign, nobody, foreign_night = _outside(head, rows, outside)
        ceilings, enrolled, strangers = [], [], []
        for table in tables:
            names = tuple(people[place].person for place in table)
            ceilings.append(Ceiling.of(Gallery(head, names, rows[table])))
            scores = own.scores[:, table]
            right, inside = table[scores.argmax(axis=1)] == own.owner, np.isin(own.owner, table)
            everyone = _searched(own.owner, own.at_night, scores, right)
            enrolled.append(_some(everyone, inside))
            beside = _searched(nobody, foreign_night, foreign[:, table], np.zeros(len(foreign), np.bool_))
            strangers.append(_joined([_some(everyone, ~inside), beside]))
        return cls(tuple(ceilings), tuple(enrolled), tuple(strangers))

    def found(self, target_fpir: float, fpir_scale: float | None = None) -> Found:
        """With those named who reach their table's own threshold. fpir_scale: another than the head's own."""
        enrolled, strangers = [], []
        for ceiling, theirs, others in zip(self.ceilings, self.enrolled, self.strangers, strict=True):
            one = ceiling if fpir_scale is None else replace(ceiling, fpir_scale=fpir_scale)
            threshold = one.threshold(target_fpir)
            enrolled.append(replace(theirs, named=theirs.top >= threshold))
            strangers.append(replace(others, named=others.top >= threshold))
        return Found(_joined(enrolled), _joined(strangers), len(self.ceilings))


def find_all(
    head: Head,
    people: Sequence[TrialPerson],
    outside: Sequence[TrialPerson],
    tables: Sequence[Table],
    target_fpir: float,
) -> Found:
    """What a head finds in these tables; see `Dealt`."""
    return Dealt.of(head, people, outside, tables).found(target_fpir)


def _outside(
    head: Head, rows: Floats, outside: Sequence[TrialPerson]
) -> tuple[Floats, NDArray[np.intp], NDArray[np.bool_]]:
    """Scores `(P, N)` of all their searches, whose each is, and whether by night."""
    views = [
        (view, -1 - place, night)
        for place, one in enumerate(outside)
        for night, those in ((False, one.clean), (True, one.night))
        for view in those
    ]
    if not views:
        return np.empty((0, len(rows)), np.float32), np.empty(0, np.intp), np.empty(0, np.bool_)
    scores = head.scores(rows, [head.project(view) for view, _, _ in views])
    return scores, np.array([who for _, who, _ in views]), np.array([night for _, _, night in views])


def _searched(person: NDArray[np.intp], night: NDArray[np.bool_], scores: Floats, right: NDArray[np.bool_]) -> Searched:
    return Searched(person, night, scores.max(axis=1).astype(np.float64), right, np.zeros(len(person), np.bool_))


def _some(searches: Searched, which: NDArray[np.bool_]) -> Searched:
    return Searched(*(getattr(searches, name)[which] for name in Searched.__slots__))


def _joined(parts: Sequence[Searched]) -> Searched:
    return Searched(*(np.concatenate([getattr(part, name) for part in parts]) for name in Searched.__slots__))
