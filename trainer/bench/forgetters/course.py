"""Classes of people who join one after the other, and who of them is still recognized after each. Pure.

What a way is, is `ways.py`'s; the measures are those of the literature on incremental learning: average incremental
accuracy (iCaRL 1611.07725), forgetting (Chaudhry 1801.10112) and backward transfer (GEM 1706.08840).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.recognition.types import Floats
from trainer.bench.features import Faces
from trainer.bench.forgetters.network import Labels
from trainer.bench.forgetters.ways import Way
from trainer.bench.resampled import Estimate
from trainer.bench.rivals.way import Doubles

Right = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Pupil:
    """Somebody who joins. number: who among all people of the bench. shots: given to the ways, one at least.

    probes: searched with. faceless: further pictures to search with in which no face was found, which never succeed.
    """

    number: int
    shots: Faces
    probes: Faces
    faceless: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """People by the step in which they join, the first being those that there are from the start."""

    steps: tuple[tuple[Pupil, ...], ...]

    @property
    def people(self) -> list[Pupil]:
        return [pupil for step in self.steps for pupil in step]

    @property
    def joined(self) -> NDArray[np.intp]:
        """`(N,)` each one's step."""
        return np.repeat(np.arange(len(self.steps)), [len(step) for step in self.steps])

    def lessons(self) -> Iterator[tuple[Faces, Labels]]:
        """Each step's shots with whose they are: people counted from 0 in the order that they join."""
        first = 0
        for step in self.steps:
            labels = np.repeat(np.arange(first, first + len(step)), [len(pupil.shots) for pupil in step])
            yield Faces.joined([pupil.shots for pupil in step]), labels
            first += len(step)

    def probes(self) -> tuple[Faces, Labels]:
        """Everybody's pictures to search with, and whose they are."""
        people = self.people
        owners = np.repeat(np.arange(len(people)), [len(pupil.probes) for pupil in people])
        return Faces.joined([pupil.probes for pupil in people]), owners


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """What came of a course for one way. hits: `(T, N)` after each step, how many of each person's pictures are right.

    counts: `(N,)` of their pictures. joined: `(N,)` each one's step. numbers: `(N,)` who they are.
    changed: people whose scores with anybody's picture a later step changed, to the last bit, beside new columns.
    """

    hits: Doubles
    counts: Doubles
    joined: NDArray[np.intp]
    numbers: NDArray[np.intp]
    changed: int

    def accuracies(self, weights: Doubles) -> Doubles:
        """`(R, T, T)` after step t, of those who joined in step j. weights: `(R, people)` how often each is drawn."""
        drawn = weights[:, self.numbers]
        groups = (self.joined[:, None] == np.arange(len(self.hits))).astype(np.float64)
        right = np.einsum("rn,tn,nj->rtj", drawn, self.hits, groups)
        return np.asarray(right / np.maximum(np.einsum("rn,n,nj->rj", drawn, self.counts, groups), 1e-12)[:, None])

    def share(self, weights: Doubles, step: int, which: NDArray[np.bool_]) -> Doubles:
        """`(R,)` right of some people's pictures after a step. which: `(N,)`."""
        drawn = weights[:, self.numbers] * which
        return np.asarray(drawn @ self.hits[step] / np.maximum(drawn @ self.counts, 1e-12))

    def measures(self, weights: Doubles) -> dict[str, Doubles]:
        """`(R,)` each. See the module's sources; `lost old` is what those of the first step lost over all others."""
        last, seen = len(self.hits) - 1, self.accuracies(weights)
        earlier = np.arange(last)
        old = self.joined == 0
        after = [self.share(weights, step, self.joined <= step) for step in range(last + 1)]
        best = np.stack([seen[:, j:last, j].max(axis=1) for j in earlier], axis=1)
        learned = np.stack([seen[:, j, j] for j in earlier], axis=1)
        return {
            "rank1 old": self.share(weights, last, old),
            "rank1 new": self.share(weights, last, ~old),
            "average incremental": np.mean(after, axis=0),
            "lost old": self.share(weights, 0, old) - self.share(weights, last, old),
            "forgetting": (best - seen[:, last, :last]).mean(axis=1),
            "bwt": (seen[:, last, :last] - learned).mean(axis=1),
        }


def attend(way: Way, course: Course, *, started: bool = False) -> Marks:
    """Let people join step by step, and search with everybody's pictures after each.

    started: the way knows those of the first step already.
    """
    probes, owners = course.probes()
    people, joined = course.people, course.joined
    hits, before, changed = [], None, np.zeros(len(people), np.bool_)
    for step, (faces, labels) in enumerate(course.lessons()):
        if step or not started:
            way.add(faces, labels)
        scores = way.scores(probes)
        right = scores.argmax(axis=1) == owners
        hits.append(np.bincount(owners[right], minlength=len(people)).astype(np.float64))
        if before is not None:
            changed[: before.shape[1]] |= _differ(before, scores[:, : before.shape[1]])
        before = scores
    counts = np.array([len(pupil.probes) + pupil.faceless for pupil in people], np.float64)
    numbers = np.array([pupil.number for pupil in people])
    return Marks(np.stack(hits), counts, joined, numbers, int(changed.sum()))


def _differ(before: Floats, after: Floats) -> Right:
    """`(C,)` columns that are not the same to the last bit."""
    return np.asarray((before.view(np.uint32) != after.view(np.uint32)).any(axis=0))


def estimates(marks: Sequence[Marks], weights: Doubles) -> Mapping[str, Estimate]:
    """Each measure's mean over courses, with what it would have been with other people. weights: see `accuracies`."""
    once = [mark.measures(np.ones((1, weights.shape[1]))) for mark in marks]
    drawn = [mark.measures(weights) for mark in marks]
    return {
        name: Estimate(
            float(np.mean([measured[name][0] for measured in once])),
            np.mean([measured[name] for measured in drawn], axis=0),
        )
        for name in once[0]
    }


def old_after(marks: Sequence[Marks], step: int, weights: Doubles) -> Estimate:
    """Right of the first step's people's pictures after a step, mean over courses."""
    everybody = np.ones((1, weights.shape[1]))
    return Estimate(
        float(np.mean([mark.share(everybody, step, mark.joined == 0) for mark in marks])),
        np.mean([mark.share(weights, step, mark.joined == 0) for mark in marks], axis=0),
    )
