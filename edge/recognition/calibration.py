"""The threshold for a door's own table: the score that a stated share of strangers exceeds. Decides nobody's identity.

The strangers are the head's own synthetic ones (`Head.strangers`), never a real person's embeddings. How high each of
them scores is kept, so that one more person costs one column of scores and not the whole table's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.recognition.gallery import Gallery
from edge.recognition.types import Floats, Projection

# At a target of 1 % about 80 strangers lie above the threshold: its realised share is known to +-11 % (binomial).
STRANGERS = 8192
_SEED = 20_11
_NOBODY = ""


@dataclass(frozen=True, slots=True, eq=False)
class Ceiling:
    """How high strangers reach in one table.

    strangers: the same for every table of one head. best: `(S,)` each one's best score, -inf in an empty table.
    whose: `(S,)` ids of the people whom they scored it against.
    fpir_scale: of the head, see there.
    """

    strangers: list[Projection]
    best: Floats
    whose: NDArray[np.object_]
    fpir_scale: float = 1.0

    @classmethod
    def of(cls, gallery: Gallery, strangers: int = STRANGERS) -> Ceiling:
        """Of a whole table."""
        drawn = gallery.head.strangers(strangers, _SEED)
        best, whose = np.full(strangers, -np.inf, np.float32), np.full(strangers, _NOBODY, object)
        return cls(drawn, best, whose, gallery.head.fpir_scale).raised_by(gallery, np.arange(strangers), gallery.people)

    def with_person(self, gallery: Gallery, person: str) -> Ceiling:
        """After this person came or changed. gallery: the table as it is now."""
        # Somebody new held no stranger: a copy of the table without them would cost what the table costs.
        before = self.without(gallery.without(person), person) if (self.whose == person).any() else self
        return before.raised_by(gallery, np.arange(len(self.best)), (person,))

    def without(self, gallery: Gallery, person: str) -> Ceiling:
        """After this person went: only those who had scored against them are looked at again."""
        lost = np.flatnonzero(self.whose == person)
        if not len(lost):
            return self
        best, whose = self.best.copy(), self.whose.copy()
        best[lost], whose[lost] = -np.inf, _NOBODY
        return replace(self, best=best, whose=whose).raised_by(gallery, lost, gallery.people)

    def joined_by(self, newcomers: Gallery) -> Ceiling:
        """After these came, who were not in the table."""
        return self.raised_by(newcomers, np.arange(len(self.best)), newcomers.people)

    def threshold(self, target_fpir: float) -> float:
        """The score at which `target_fpir` (0..1) of strangers would be taken for somebody of this table.

        FPIR as ISO/IEC 19795-1 and NIST IR 8271 define it: over all enrolled people at once, so it rises with the
        table. An empty table gives inf: nobody can be recognized.
        """
        if not np.isfinite(self.best).all():
            return float("inf")
        return float(np.quantile(self.best, 1 - min(target_fpir / self.fpir_scale, 1.0)))

    def raised_by(self, gallery: Gallery, which: NDArray[np.intp], people: tuple[str, ...]) -> Ceiling:
        """With the scores of these strangers against these people of the table counted in."""
        if not people:
            return self
        places = [gallery.people.index(person) for person in people] if len(people) == 1 else list(range(len(people)))
        scores = gallery.head.scores(gallery.rows[places], [self.strangers[i] for i in which])
        highest = scores.argmax(axis=1)
        reached: NDArray[Any] = scores[np.arange(len(which)), highest]
        best, whose = self.best.copy(), self.whose.copy()
        higher = reached > best[which]
        best[which[higher]] = reached[higher]
        whose[which[higher]] = np.array(people, object)[highest[higher]]
        return replace(self, best=best, whose=whose)


def threshold_for(gallery: Gallery, target_fpir: float, strangers: int = STRANGERS) -> float:
    """See `Ceiling.threshold`, for a table of which nothing is known yet."""
    return Ceiling.of(gallery, strangers).threshold(target_fpir) if len(gallery) else float("inf")
