"""How a head finds people in many small tables, such as doors have: everybody dealt into tables, several times over.

Whoever is not in a table is a stranger to it, and so are those in none. Pure; what is made of it is `gate.py`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.recognition.calibration import threshold_for
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

    person: whose search it is. night: by a degraded view. top: the best candidate's score.
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

    def missed(self, threshold: float) -> NDArray[np.bool_]:
        """`(P,)` those that do not name the person at rank 1 with a score that reaches the threshold."""
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


def find_all(
    head: Head,
    people: Sequence[TrialPerson],
    outside: Sequence[TrialPerson],
    tables: Sequence[Table],
    target_fpir: float,
) -> Found:
    """Search with everybody in every table.

    outside: people who are in no table. target_fpir: what the tables' own thresholds aim at.

    Raises:
        ValueError: nobody has anything to search with, or there is no table.
    """
    if not tables:
        raise ValueError("there are too few people for a table")
    rows = np.stack([head.row([head.project(shot) for shot in person.shots]) for person in people])
    own = run_trials(head, people)
    foreign, foreign_night = _outside(head, rows, outside)
    enrolled, strangers = [], []
    for table in tables:
        names = tuple(people[place].person for place in table)
        threshold = threshold_for(Gallery(head, names, rows[table]), target_fpir)
        top, best = own.scores[:, table].max(axis=1), table[own.scores[:, table].argmax(axis=1)]
        inside = np.isin(own.owner, table)
        everyone = Searched(own.owner, own.at_night, top.astype(np.float64), best == own.owner, top >= threshold)
        enrolled.append(_some(everyone, inside))
        strangers.append(_some(everyone, ~inside))
        if len(foreign):
            top = foreign[:, table].max(axis=1).astype(np.float64)
            nobody = np.full(len(top), -1)
            strangers.append(Searched(nobody, foreign_night, top, np.zeros(len(top), np.bool_), top >= threshold))
    return Found(_joined(enrolled), _joined(strangers), len(tables))


def _outside(head: Head, rows: Floats, outside: Sequence[TrialPerson]) -> tuple[Floats, NDArray[np.bool_]]:
    views = [
        (view, night) for one in outside for night, those in ((False, one.clean), (True, one.night)) for view in those
    ]
    if not views:
        return np.empty((0, len(rows)), np.float32), np.empty(0, np.bool_)
    return head.scores(rows, [head.project(view) for view, _ in views]), np.array([night for _, night in views])


def _some(searches: Searched, which: NDArray[np.bool_]) -> Searched:
    return Searched(*(getattr(searches, name)[which] for name in Searched.__slots__))


def _joined(parts: Sequence[Searched]) -> Searched:
    return Searched(*(np.concatenate([getattr(part, name) for part in parts]) for name in Searched.__slots__))
