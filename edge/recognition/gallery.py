"""The table of enrolled people under one head. Immutable: a change makes a new one, so that a swap is one assignment.

Adding somebody computes their row alone; every other row is as before, and so is every other score.
Where the threshold comes from is left to `calibration.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from edge.recognition.scoring import Head
from edge.recognition.types import Candidate, Embedding, Exemplar, Floats, Projection


class Gallery:
    """People with their rows."""

    def __init__(
        self,
        head: Head,
        people: tuple[str, ...] = (),
        rows: Floats | None = None,
        denials: Mapping[str, Floats] = MappingProxyType({}),
    ) -> None:
        """people: ids, one a row. rows: `(N, head.row_dim)`; use `build` to make them from exemplars.

        denials: by person, the row of pictures that were taken for them and are not of them.
        """
        self.head = head
        self.people = people
        self.rows = rows if rows is not None else np.empty((0, head.row_dim), np.float32)
        self.denials = denials

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
        return Gallery(self.head, (*others.people, person), np.concatenate([others.rows, row]), others.denials)

    def joined_by(self, newcomers: Gallery) -> Gallery:
        """This table and after it those of another one under the same head, who are not in this one."""
        rows = np.concatenate([self.rows, newcomers.rows])
        return Gallery(self.head, (*self.people, *newcomers.people), rows, {**self.denials, **newcomers.denials})

    def with_denials(self, person: str, embeddings: Sequence[Embedding]) -> Gallery:
        """The same table, in which pictures like these are not taken for this person; none lifts what was denied."""
        denials = {name: row for name, row in self.denials.items() if name != person}
        if embeddings:
            denials[person] = _rows(self.head, {person: embeddings})[0]
        return Gallery(self.head, self.people, self.rows, denials)

    def without(self, person: str) -> Gallery:
        """The same table less this person; the same table where they are not in it."""
        if person not in self.people:
            return self
        at = self.people.index(person)
        rest, denials = np.delete(self.rows, at, axis=0), {n: row for n, row in self.denials.items() if n != person}
        return Gallery(self.head, self.people[:at] + self.people[at + 1 :], rest, denials)

    def candidates(self, probe: Projection, limit: int = 5) -> list[Candidate]:
        """The people most alike, best first."""
        if not self.people:
            return []
        scores = self.head.scores(self.rows, [probe])[0]
        for denied in self._denied(probe, scores):
            scores[denied] = -np.inf
        best = np.argsort(-scores, kind="stable")[:limit]
        return [Candidate(self.people[i], float(scores[i])) for i in best if scores[i] > -np.inf]

    def _denied(self, probe: Projection, scores: Floats) -> list[int]:
        """Places of the people for whom this probe is more like what was denied than like them."""
        places = [(self.people.index(person), row) for person, row in self.denials.items() if person in self.people]
        return [at for at, row in places if self.head.scores(row[None], [probe])[0, 0] > scores[at]]

    def best_scores(self, probes: Sequence[Projection]) -> Floats:
        """`(P,)`: each probe's score against the person most alike; -inf for an empty table."""
        if not self.people:
            return np.full(len(probes), -np.inf, np.float32)
        return np.asarray(self.head.scores(self.rows, probes).max(axis=1), np.float32)


def _rows(head: Head, by_person: Mapping[str, Sequence[Embedding]]) -> Floats:
    rows = [head.row([head.project(e) for e in embeddings]) for embeddings in by_person.values()]
    return np.stack(rows) if rows else np.empty((0, head.row_dim), np.float32)
