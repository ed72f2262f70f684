"""A table that grows session by session, and what becomes of those who were in it before. Pure.

The table is a door's own (`ActiveModel`), and grows as a door's does, one person after another. What is made of the
searches is left to `enroll.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.recognition.gallery import Gallery
from edge.recognition.recognizer import ActiveModel
from edge.recognition.scoring import Head
from edge.recognition.types import Embedding, Floats
from trainer.bench.data import Enrollee
from trainer.metrics import Searches


@dataclass(frozen=True, slots=True, eq=False)
class Album:
    """People and the embeddings of their pictures by path; a picture in which no face was found has none."""

    people: Sequence[Enrollee]
    faces: Mapping[str, Embedding]

    @property
    def sessions(self) -> NDArray[np.int64]:
        """`(N,)` session of each person."""
        return np.array([person.session for person in self.people])

    @property
    def owners(self) -> NDArray[np.intp]:
        """`(P,)` whose each probe is, people counted from 0; probes stand in the people's order."""
        return np.repeat(np.arange(len(self.people)), [len(person.probes) for person in self.people])

    def shots(self, person: Enrollee, count: int) -> list[Embedding]:
        """Their first `count` shots, as far as a face was found in them."""
        return [self.faces[path] for path in person.shots[:count] if path in self.faces]

    def probes(self) -> list[Embedding | None]:
        """`(P,)` of everybody."""
        return [self.faces.get(path) for person in self.people for path in person.probes]


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """The table after a session.

    searches: by the probes of everybody who is in it or should be.
    changed: people of earlier sessions or enrolled before whose row, or whose score with any probe, is no longer what
        it was, to the last bit.
    """

    session: int
    model: ActiveModel
    searches: Searches
    changed: frozenset[str]


def grow(head: Head, album: Album, shots: int, target_fpir: float) -> Iterator[Stage]:
    """Enroll session after session, everybody with `shots` pictures at most; somebody without any is not enrolled."""
    model = ActiveModel.of(head, (), target_fpir, "bench")
    probes, sessions, owners = album.probes(), album.sessions, album.owners
    before: dict[str, Floats] = {}
    for session in np.unique(sessions):
        changed: set[str] = set()
        for person in (person for person in album.people if person.session == session):
            grown = model.with_person(person.person, album.shots(person, shots))
            changed |= _changed(_rows(model.gallery), _rows(grown.gallery))
            model = grown
        scores = probe_scores(model.gallery, probes)
        now = dict(zip(model.gallery.people, scores.T, strict=True))
        changed |= _changed(before, now)
        before = now
        enrolled = searches(scores, model.gallery.people, album).of(sessions[owners] <= session)
        yield Stage(int(session), model, enrolled, frozenset(changed))


def probe_scores(gallery: Gallery, probes: Sequence[Embedding | None]) -> Floats:
    """`(P, N)` scores of probes against a table; -inf for a picture without a face."""
    scores = np.full((len(probes), len(gallery)), -np.inf, np.float32)
    there = [place for place, probe in enumerate(probes) if probe is not None]
    if there and len(gallery):
        projections = [gallery.head.project(probe) for probe in probes if probe is not None]
        scores[there] = gallery.head.scores(gallery.rows, projections)
    return scores


def searches(scores: Floats, people: Sequence[str], album: Album) -> Searches:
    """What the probes' scores against a table say. people: of the scores' columns."""
    names = np.array([person.person for person in album.people])
    owners = album.owners
    if not len(people):
        return Searches(np.full(len(owners), -np.inf), np.zeros(len(owners), np.bool_), owners)
    top = scores.max(axis=1).astype(np.float64)
    right = (np.array(people)[scores.argmax(axis=1)] == names[owners]) & np.isfinite(top)
    return Searches(top, right, owners)


def _rows(gallery: Gallery) -> dict[str, Floats]:
    return dict(zip(gallery.people, gallery.rows, strict=True))


def _changed(before: Mapping[str, Floats], after: Mapping[str, Floats]) -> set[str]:
    """Those for whom something is not as it was; compared as bytes, so that -0.0 is not 0.0."""
    return {name for name, values in before.items() if name not in after or values.tobytes() != after[name].tobytes()}
