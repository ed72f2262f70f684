"""Enrolled people and strangers who come to a door, and what a way to compare makes of them. Pure.

Everybody is enrolled from clean pictures. They come by day (`clean`), by night (`door`), or both under one threshold
(`mix`, the realistic case). How often a threshold fails is left to `resampled.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.bench.data import Enrollee
from trainer.bench.features import CLEAN, Faces, ListFeatures
from trainer.bench.rivals.way import Doubles, Way
from trainer.bench.tables import parts

SIDES = ("clean", "door", "mix")


@dataclass(frozen=True, slots=True, eq=False)
class House:
    """Who may be enrolled, and who comes.

    pictures: of the people. shots: each person's places in it, in the order taken; some may show no face.
    probes: `(P,)` places of the pictures they come with; owners: `(P,)` whose, counted from 0.
    strangers: one picture each. enrolled: every picture as it is enrolled, which an adapter may change.
    """

    pictures: ListFeatures
    shots: tuple[NDArray[np.intp], ...]
    probes: NDArray[np.intp]
    owners: NDArray[np.intp]
    strangers: ListFeatures
    enrolled: Faces

    @classmethod
    def of_enrolled(cls, people: Sequence[Enrollee], pictures: ListFeatures, strangers: ListFeatures) -> House:
        """The people of the enrollment list; pictures that were not embedded, in a quick run, are passed over."""
        place = {path: at for at, path in enumerate(pictures.paths)}
        there = [who for who in people if any(path in place for path in who.shots)]
        shots = tuple(np.array([place[p] for p in who.shots if p in place], np.intp) for who in there)
        probes = [[place[p] for p in who.probes if p in place] for who in there]
        owners = np.repeat(np.arange(len(there)), [len(its) for its in probes])
        places = np.array([p for its in probes for p in its], np.intp)
        return cls(pictures, shots, places, owners, strangers, pictures.views(CLEAN)[0])

    @classmethod
    def of_fleet(cls, people: Sequence[str], shots: int, pictures: ListFeatures, strangers: ListFeatures) -> House:
        """People of the fleet list, with up to so many shots; a picture at least is left to come with."""
        known = pictures.people
        places = [known[person] for person in people if len(known.get(person, ())) > 1]
        taken = [min(shots, len(its) - 1) for its in places]
        probes = [its[count:] for its, count in zip(places, taken, strict=True)]
        owners = np.repeat(np.arange(len(places)), [len(its) for its in probes])
        first = tuple(its[:count] for its, count in zip(places, taken, strict=True))
        return cls(pictures, first, np.concatenate(probes), owners, strangers, pictures.views(CLEAN)[0])

    def __len__(self) -> int:
        return len(self.shots)

    def enrolled_from(self, person: int, shots: int) -> Faces:
        """The faces in their first so many shots; may be none."""
        places = self.shots[person][:shots]
        return self.enrolled.of(places[self.pictures.found[places]])


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One table with everybody who came to it. A picture without a face scores -inf and has norm 0.

    top, right, person, norms: `(P,)` of the enrolled people's pictures: best score, whether it is theirs, whose it is.
    strangers, who, stranger_norms: `(S,)` of strangers' pictures: best score, which stranger.
    """

    top: Doubles
    right: NDArray[np.bool_]
    person: NDArray[np.intp]
    norms: Doubles
    strangers: Doubles
    who: NDArray[np.intp]
    stranger_norms: Doubles

    def looked_at_again(self, share: float) -> Trial:
        """Without the pictures that a quality gate puts off: the worst `share` of the people's faces by norm.

        Strangers must reach the same norm. A picture without a face stays, and misses.
        """
        limit = float(np.quantile(self.norms[self.norms > 0], share))
        kept, let_in = ((norms == 0) | (norms >= limit) for norms in (self.norms, self.stranger_norms))
        of_people = (self.top[kept], self.right[kept], self.person[kept], self.norms[kept])
        return Trial(*of_people, self.strangers[let_in], self.who[let_in], self.stranger_norms[let_in])


@dataclass(frozen=True, slots=True)
class Draw:
    """A table. people: places in the house. view: which of the night views everybody comes with."""

    people: NDArray[np.intp]
    view: int


def draws(people: int, size: int, seeds: int, views: int) -> list[Draw]:
    """For each seed, as many tables that share nobody as there are people for."""
    drawn = parts(people, min(size, people), seeds)
    return [Draw(part, place * seeds // len(drawn) % views) for place, part in enumerate(drawn)]


class Searched:
    """A house searched by one way, with so many shots; what all tables share is computed once."""

    def __init__(self, way: Way, house: House, shots: int) -> None:
        self._way, self._house = way, house
        self._faces = [house.enrolled_from(person, shots) for person in range(len(house))]
        self._columns = np.array([person for person, faces in enumerate(self._faces) if len(faces)], np.intp)
        self._whole: dict[tuple[str, int], tuple[Doubles, Doubles]] = {}

    def trial(self, draw: Draw, side: str, camera: str) -> Trial:
        """side: of SIDES. camera: the night camera's kind of views."""
        views = [(CLEAN, 0)] if side != "door" else []
        views += [(camera, draw.view)] if side != "clean" else []
        enrolled = np.intersect1d(draw.people, self._columns)
        theirs = np.isin(self._house.owners, draw.people)
        return _joined([self._trial(kind, view, enrolled, theirs) for kind, view in views])

    def trials(self, drawn: Sequence[Draw], side: str, camera: str) -> list[Trial]:
        return [self.trial(draw, side, camera) for draw in drawn]

    def _trial(self, kind: str, view: int, enrolled: NDArray[np.intp], theirs: NDArray[np.bool_]) -> Trial:
        house = self._house
        places = house.probes[theirs]
        if self._way.independent:
            of_probes, of_strangers = self._of_everybody(kind, view)
            columns = np.searchsorted(self._columns, enrolled)
            scores, strange = of_probes[theirs][:, columns], of_strangers[:, columns]
        else:
            scores = self._scores(house.pictures, places, kind, view, enrolled)
            everyone = np.arange(len(house.strangers.paths))
            strange = self._scores(house.strangers, everyone, kind, view, enrolled)
        norms = [
            np.where(its.found, its.views(kind)[view].norms, 0).astype(np.float64)
            for its in (house.pictures, house.strangers)
        ]
        top, owners = _best(scores), house.owners[theirs]
        right = np.isfinite(top) & (enrolled[scores.argmax(axis=1)] == owners if len(enrolled) else False)
        return Trial(top, right, owners, norms[0][places], _best(strange), np.arange(len(strange)), norms[1])

    def _of_everybody(self, kind: str, view: int) -> tuple[Doubles, Doubles]:
        if (kind, view) not in self._whole:
            house, everyone = self._house, np.arange(len(self._house.strangers.paths))
            self._whole[kind, view] = (
                self._scores(house.pictures, house.probes, kind, view, self._columns),
                self._scores(house.strangers, everyone, kind, view, self._columns),
            )
        return self._whole[kind, view]

    def _scores(
        self, pictures: ListFeatures, places: NDArray[np.intp], kind: str, view: int, enrolled: NDArray[np.intp]
    ) -> Doubles:
        scores = np.full((len(places), len(enrolled)), -np.inf)
        found = pictures.found[places]
        if found.any() and len(enrolled):
            faces = pictures.views(kind)[view].of(places[found])
            scores[found] = self._way.scores([self._faces[person] for person in enrolled], faces)
        return scores


def _best(scores: Doubles) -> Doubles:
    return np.asarray(scores.max(axis=1) if scores.shape[1] else np.full(len(scores), -np.inf))


def _joined(trials: Sequence[Trial]) -> Trial:
    return Trial(*(np.concatenate([getattr(t, name) for t in trials]) for name in Trial.__slots__))
