"""Enrolls somebody from pictures instead of at the door: one good face a picture, the same person in all of them.

The gate is the recognizer's own; what a session at the door asks beyond it is in `session.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edge.recognition.recognizer import Recognizer
from edge.recognition.scoring import Head, resemblance
from edge.recognition.shots import Shot, Shots
from edge.recognition.types import Image, Probe
from edge.store.types import NewExemplar, View

_NIGHT_VIEWS = 2
# A face so much narrower than the largest stands in the background.
_BACKGROUND_WIDTH = 0.6
# Of `scoring.resemblance`: 99 % of two pictures of one person, years apart, lie above, 99 % of two people's below.
_SAME_PERSON = 0.36


@dataclass(frozen=True, slots=True)
class PictureRefused:
    """Why a picture will not do: one line for a person."""

    picture: str
    reason: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """What made the embeddings. embedder: sha256. runtime: name and version. wall_s: now."""

    embedder: str
    runtime: str
    wall_s: float


def shot_of(name: str, pixels: Image, line: Recognizer) -> Probe | PictureRefused:
    """The one face of a picture that is good enough to enroll."""
    probes = line.probes(pixels)
    if not probes:
        return PictureRefused(name, "no face is found in it")
    main, *others = sorted(probes, key=lambda p: -p.quality.width_px)
    if others and others[0].quality.width_px > _BACKGROUND_WIDTH * main.quality.width_px:
        return PictureRefused(name, "several faces; cut out the one that is meant")
    refusal = line.refusal(main)
    return main if refusal is None else PictureRefused(name, f"the face is {refusal.replace('_', ' ')}")


def stranger_among(shots: Sequence[tuple[str, Probe]], head: Head) -> PictureRefused | None:
    """The first picture that shows somebody else than the first does."""
    first_name, first = shots[0]
    for name, shot in shots[1:]:
        if resemblance(head, first.embedding, shot.embedding) < _SAME_PERSON:
            return PictureRefused(name, f"shows somebody else than {first_name}")
    return None


def night_views(line: Recognizer) -> Callable[[Image, Probe], list[View]]:
    """What makes the degraded views of a shot as it is enrolled, for the statistics that heads are learned from."""
    random = np.random.default_rng()

    def views(pixels: Image, shot: Probe) -> list[View]:
        made = line.night_views(pixels, shot.face, _NIGHT_VIEWS, random)
        return [View(view.embedding, view.quality) for view in made]

    return views


class ShotViews:
    """The degraded views of a session's shots, each made once: as it is taken, so that the last one keeps nobody."""

    def __init__(self, make: Callable[[Image, Probe], Sequence[View]]) -> None:
        self._make = make
        self._made: dict[Probe, Sequence[View]] = {}

    def of(self, shot: Shot) -> Sequence[View]:
        """A shot's; none where its frame was not kept."""
        if shot.probe in self._made:
            return self._made[shot.probe]
        return () if shot.frame is None else self._make(shot.frame.pixels, shot.probe)

    def keep(self, shots: Shots) -> None:
        """Have those of these shots ready, and of no others."""
        self._made = {shot.probe: self.of(shot) for shot in shots}


def exemplar_of(shot: Probe, provenance: Provenance, views: Sequence[View] = ()) -> NewExemplar:
    """What the store keeps of a shot."""
    return NewExemplar(
        shot.embedding, shot.quality, provenance.embedder, provenance.runtime, provenance.wall_s, tuple(views)
    )
