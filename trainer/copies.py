"""The same person enrolled at several doors, found among people whom heads are tried on. Pure.

Every door gives ids of its own, so one person may be there several times over. Left so, each would be a stranger to
their own copy, and somebody to judge by might have been learned from. Who is the same is said by one head (the factory
head, which depends on no fleet) as `edge.recognition.shots.enrolled_as` says it: by all pictures together and by most
of them alone, at a threshold that hardly any stranger reaches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from edge.recognition.calibration import threshold_for
from edge.recognition.gallery import Gallery
from edge.recognition.scoring import Head
from edge.recognition.shots import fuse
from edge.recognition.types import Floats
from trainer.trials import TrialPerson, joined

# Of the head's own strangers, by one picture; most of several take fewer for somebody. On LFW (432 people, 109 of them
# parted into two records) 108 pairs are found and nobody else; with 1e-4 the same, with 1e-2 4 people are taken for
# others. Where cameras show people otherwise than the head knows, a stricter one finds fewer (drawn people).
_STRANGERS = 1e-3


def join_copies(people: Sequence[TrialPerson], ids: Sequence[str], head: Head) -> dict[int, TrialPerson]:
    """Each person once, by the place of the first of their records.

    ids: of one person there may be records at several doors. Whoever is like a copy is a copy too.
    """
    if not people:
        return {}
    rows, threshold = _table(people, head)
    first: dict[str, int] = {}
    group = np.array([first.setdefault(id_, place) for place, id_ in enumerate(ids)])
    for place, person in enumerate(people):
        for copy in np.flatnonzero(_resembled(person, rows, head, threshold)):
            group[group == group[copy]] = group[place]
    places: dict[int, list[int]] = {}
    for place, of in enumerate(group):
        places.setdefault(int(of), []).append(place)
    return {those[0]: reduce(joined, (people[place] for place in those)) for those in places.values()}


def without_copies(people: Sequence[TrialPerson], others: Iterable[TrialPerson], head: Head) -> tuple[TrialPerson, ...]:
    """Those of whom none of the others is a copy."""
    if not people:
        return ()
    rows, threshold = _table(people, head)
    copied = np.zeros(len(people), np.bool_)
    for other in others:
        copied |= _resembled(other, rows, head, threshold)
    return tuple(person for person, out in zip(people, copied, strict=True) if not out)


def _table(people: Sequence[TrialPerson], head: Head) -> tuple[Floats, float]:
    """Everybody's row, and the threshold of a table of them all."""
    rows = np.stack([head.row([head.project(shot) for shot in person.shots]) for person in people])
    names = tuple(str(place) for place in range(len(people)))
    return rows, threshold_for(Gallery(head, names, rows), _STRANGERS)


def _resembled(person: TrialPerson, rows: Floats, head: Head, threshold: float) -> NDArray[np.bool_]:
    """`(N,)` whom of a table somebody's pictures show."""
    pictures = (*person.shots, *person.clean)
    reached = head.scores(rows, [head.project(view) for view in (fuse(pictures), *pictures)]) >= threshold
    return np.asarray(reached[0] & (2 * reached[1:].sum(axis=0) > len(pictures)))
