"""The table in a course, under one head or several. Heads by fold are for a course of the people they are learned from.

Such heads are learned each without the people of one fold, by their ids, and every picture is searched by the head
that does not know its person, in a table of everybody under that head: nobody is searched by a head that was learned
from their pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from edge.recognition.scoring import Head
from edge.recognition.types import Floats
from trainer.bench.features import CLEAN, NIGHT, Faces, ListFeatures
from trainer.bench.forgetters.course import Course
from trainer.bench.forgetters.network import Labels
from trainer.bench.forgetters.ways import Table
from trainer.bench.visits import Trial
from trainer.distill import distill
from trainer.statistics import FOLDS, Statistics, fold_of


def folded_heads(fleet: ListFeatures, embedder_id: str) -> list[Head]:
    """By fold, the head of everybody but its people: closed form, clean and night views.

    Raises:
        ValueError: too few people outside a fold.
    """
    people = list(fleet.people)
    sums = []
    for fold in range(FOLDS):
        faces, owners = fleet.learnable((CLEAN, NIGHT), [person for person in people if fold_of(person) == fold])
        dim = faces.x.shape[1]
        sums.append(Statistics.of_people(faces.x, faces.norms, owners) if len(faces) else Statistics.empty(dim))
    whole = sum(sums[1:], sums[0])
    return [distill(whole - own, embedder_id).head() for own in sums]


class Tables:
    """One table for each head; a way like the others. folds: `(P,)` which head each of the course's probes is for."""

    def __init__(self, heads: Sequence[Head], folds: Labels) -> None:
        self._tables = [Table(head) for head in heads]
        self._folds = folds
        self._last: Floats | None = None

    def add(self, faces: Faces, labels: Labels) -> None:
        self._last = None
        for table in self._tables:
            table.add(faces, labels)

    def scores(self, probes: Faces) -> Floats:
        """`(P, C)` of the course's probes."""
        parts = []
        for fold in np.unique(self._folds):
            its = np.flatnonzero(self._folds == fold)
            parts.append((its, self._tables[fold].scores(probes.of(its))))
        whole = np.empty((len(self._folds), parts[0][1].shape[1]), np.float32)
        for its, scores in parts:
            whole[its] = scores
        self._last = whole
        return whole

    def trials(self, course: Course, strangers: Faces) -> Iterator[Trial]:
        """After the course, for each head: its people's pictures among strangers. A faceless picture misses."""
        probes, owners = course.probes()
        numbers = np.array([pupil.number for pupil in course.people])
        faceless = np.array([pupil.faceless for pupil in course.people])
        scores = self.scores(probes) if self._last is None else self._last
        for fold in np.unique(self._folds):
            its = self._folds == fold
            theirs = np.unique(owners[its])
            blind = np.repeat(numbers[theirs], faceless[theirs])
            top = scores[its].max(axis=1).astype(np.float64)
            right = scores[its].argmax(axis=1) == owners[its]
            norms = probes.norms[its].astype(np.float64)
            strange = self._tables[fold].scores(strangers).max(axis=1).astype(np.float64)
            yield Trial(
                np.concatenate([top, np.full(len(blind), -np.inf)]),
                np.concatenate([right, np.zeros(len(blind), np.bool_)]),
                np.concatenate([numbers[owners[its]], blind]),
                np.concatenate([norms, np.zeros(len(blind))]),
                strange,
                np.arange(len(strange)),
                strangers.norms.astype(np.float64),
            )
