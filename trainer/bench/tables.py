"""Tables of enrolled people against strangers: what a threshold misses and whom it lets through. Pure.

A table of fewer people is columns of the whole one's scores, since nobody's score depends on who else is enrolled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.recognition.calibration import threshold_for
from edge.recognition.gallery import Gallery
from edge.recognition.types import Embedding, Floats
from trainer.bench.growth import Album, probe_scores, searches
from trainer.metrics import Searches, threshold_at_fpir


@dataclass(frozen=True, slots=True, eq=False)
class OpenTable:
    """A table with everybody who came before it.

    searches: by those enrolled. strangers: `(S,)` best scores of a list's. others: `(O,)` best scores of those who
        were enrolled elsewhere, several pictures each.
    """

    gallery: Gallery
    searches: Searches
    strangers: NDArray[np.float64]
    others: NDArray[np.float64]

    def own_threshold(self, target_fpir: float) -> float:
        """As the door that has this table sets it, from strangers drawn from the head."""
        return threshold_for(self.gallery, target_fpir)


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """All probes and strangers scored once against everybody.

    probes: `(P, N)`. strangers: `(S, N)` by list. Columns are the gallery's people.
    """

    album: Album
    gallery: Gallery
    probes: Floats
    strangers: Mapping[str, Floats]

    @classmethod
    def of(cls, album: Album, gallery: Gallery, strangers: Mapping[str, Sequence[Embedding | None]]) -> Scored:
        """strangers: by list, None for a picture without a face."""
        scored = {name: probe_scores(gallery, embeddings) for name, embeddings in strangers.items()}
        return cls(album, gallery, probe_scores(gallery, album.probes()), scored)

    def whole(self, name: str) -> OpenTable:
        """Everybody enrolled, against a list of strangers. Somebody who could not be enrolled is missed by all."""
        return self.part(name, np.arange(len(self.album.people)))

    def part(self, name: str, people: NDArray[np.intp]) -> OpenTable:
        """Some of the people enrolled, against a list of strangers. people: places in the album."""
        names = [self.album.people[place].person for place in people]
        columns = [self.gallery.people.index(person) for person in names if person in self.gallery]
        table = Gallery(self.gallery.head, tuple(self.gallery.people[c] for c in columns), self.gallery.rows[columns])
        scores, theirs = self.probes[:, columns], np.isin(self.album.owners, people)
        found = searches(scores, table.people, self.album).of(theirs)
        return OpenTable(table, found, _best(self.strangers[name][:, columns]), _best(scores[~theirs]))

    def real_threshold(self, name: str, target_fpir: float) -> float:
        """What a list of real strangers would set, for comparison."""
        return threshold_at_fpir(_best(self.strangers[name]), target_fpir)


def parts(people: int, size: int, seeds: int) -> list[NDArray[np.intp]]:
    """Draws of `size` of so many people: for each seed, as many that share nobody as there are people for."""
    drawn = []
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(people)
        drawn += [np.sort(order[start : start + size]) for start in range(0, people - size + 1, size)]
    return drawn


def _best(scores: Floats) -> NDArray[np.float64]:
    if not scores.shape[1]:
        return np.full(len(scores), -np.inf)
    return np.asarray(scores.max(axis=1), np.float64)
