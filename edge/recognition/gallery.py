"""The table of enrolled people under one head. Immutable: a change makes a new one, so that a swap is one assignment.

Adding somebody computes their row alone; every other row is as before, and so is every other score.
Where the threshold comes from is left to `calibration.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from edge.recognition.scoring import Head
from edge.recognition.types import Candidate, Embedding, Exemplar, Floats, Projection


class Gallery:
    """People with their rows."""

    def __init__(self, head: Head, people: tuple[str, ...] = (), rows: Floats | None = None) -> None:
        """people: ids, one a row. rows: `(N, head.row_dim)`; use `build` to make them from exemplars."""
        self.head = head
        self.people = people
        self.rows = rows if rows is not None else np.empty((0, head.row_dim), np.float32)

    @classmethod
    def build(cls, head: Head, exemplars: Iterable[Exemplar]) -> Gallery:
        """A table of everybody who has an exemplar, in order of first appearance."""
        by_person: dict[str, list[Embedding]] = {}
        for exemplar in exemplars:
            by_person.setdefault(exemplar.person, []).append(exemplar.embedding)
        return cls(head, tuple(by_person), _rows(head, by_person))

    def __len__(self) -> int:
        return len(self.people)

    def __contains__(self, person: str) -> bool:
        return person in self.people

    def with_person(self, person: str, embeddings: Sequence[Embedding]) -> Gallery:
        """The same table with this person added or replaced. embeddings: all of theirs, one at least."""
        row = _rows(self.head, {person: embeddings})
        others = self.without(person)
        return Gallery(self.head, (*others.people, person), np.concatenate([others.rows, row]))

    def without(self, person: str) -> Gallery:
        """The same table less this person; the same table where they are not in it."""
        if person not in self.people:
            return self
        at = self.people.index(person)
        return Gallery(self.head, self.people[:at] + self.people[at + 1 :], np.delete(self.rows, at, axis=0))

    def candidates(self, probe: Projection, limit: int = 5) -> list[Candidate]:
        """The people most alike, best first."""
        if not self.people:
            return []
        scores = self.head.scores(self.rows, [probe])[0]
        best = np.argsort(-scores, kind="stable")[:limit]
        return [Candidate(self.people[i], float(scores[i])) for i in best]

    def best_scores(self, probes: Sequence[Projection]) -> Floats:
        """`(P,)`: each probe's score against the person most alike; -inf for an empty table."""
        if not self.people:
            return np.full(len(probes), -np.inf, np.float32)
        return np.asarray(self.head.scores(self.rows, probes).max(axis=1), np.float32)


def _rows(head: Head, by_person: Mapping[str, Sequence[Embedding]]) -> Floats:
    rows = [head.row([head.project(e) for e in embeddings]) for embeddings in by_person.values()]
    return np.stack(rows) if rows else np.empty((0, head.row_dim), np.float32)
