"""The line for one frame: faces -> quality -> alignment -> embeddings -> decisions. Keeps nothing between frames.

Models come as finished collaborators behind Protocols, so that the trainer's gate runs this very code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np

from edge.recognition.align import Alignment
from edge.recognition.calibration import Ceiling
from edge.recognition.decide import decide
from edge.recognition.degrade import NightCamera, night_view
from edge.recognition.gallery import Gallery
from edge.recognition.pose import face_width_px
from edge.recognition.quality import MIN_PRESENCE, QualityGate, measure
from edge.recognition.scoring import Head
from edge.recognition.types import (
    Candidate,
    Decision,
    Detection,
    Embedding,
    Exemplar,
    Face,
    Floats,
    Image,
    Probe,
    Reason,
)


class Detects(Protocol):
    """Finds faces in a frame. turn: the frame's number in a stream; None for a picture on its own."""

    def detect(self, pixels: Image, turn: int | None = None) -> list[Detection]: ...


class Fits(Protocol):
    """Lays a mesh over a detected face."""

    def fit(self, pixels: Image, detection: Detection) -> Face: ...


class Embeds(Protocol):
    """Aligns a face and embeds it."""

    @property
    def id(self) -> str: ...

    @property
    def alignment(self) -> Alignment: ...

    def align(self, pixels: Image, mesh: Floats) -> Image: ...

    def embed(self, crop: Image) -> Embedding: ...


Pictures: TypeAlias = tuple[Sequence[Embedding], Sequence[Embedding]]
"""Somebody's embeddings, and those that were taken for them and are not of them."""


@dataclass(frozen=True, slots=True)
class ActiveModel:
    """What swaps as one: a table projected by another head, or a threshold of another table, cannot be expressed.

    Make one by `ActiveModel.of`. Whatever changes the table calibrates the threshold with it.
    """

    gallery: Gallery
    ceiling: Ceiling
    threshold: float
    target_fpir: float
    release: str

    @classmethod
    def of(cls, head: Head, exemplars: Sequence[Exemplar], target_fpir: float, release: str) -> ActiveModel:
        """The active model over everybody who has an exemplar."""
        gallery = Gallery.build(head, exemplars)
        ceiling = Ceiling.of(gallery)
        return cls(gallery, ceiling, ceiling.threshold(target_fpir), target_fpir, release)

    def with_person(
        self, person: str, embeddings: Sequence[Embedding], denied: Sequence[Embedding] = ()
    ) -> ActiveModel:
        """With this person added or replaced, at the cost of one row. embeddings: all of theirs; none takes them out.

        denied: pictures that were taken for them and are not of them.
        """
        if not embeddings:
            return self.without(person)
        gallery = self.gallery.with_person(person, embeddings).with_denials(person, denied)
        return self._over(gallery, self.ceiling.with_person(gallery, person))

    def with_people(self, people: Mapping[str, Pictures]) -> ActiveModel:
        """With these added or replaced. Newcomers are counted in together, which is far cheaper than one by one."""
        new = [Exemplar(p, e) for p, (theirs, _) in people.items() if p not in self.gallery for e in theirs]
        newcomers = Gallery.build(self.gallery.head, new)
        model = self._over(self.gallery.joined_by(newcomers), self.ceiling.joined_by(newcomers)) if new else self
        for person, (theirs, denied) in people.items():
            if person not in newcomers or denied:
                model = model.with_person(person, theirs, denied)
        return model

    def without(self, person: str) -> ActiveModel:
        """With this person taken out."""
        gallery = self.gallery.without(person)
        return self._over(gallery, self.ceiling.without(gallery, person))

    def with_gallery(self, gallery: Gallery) -> ActiveModel:
        """Over another table, calibrated from scratch, as after a swap of heads."""
        return self._over(gallery, Ceiling.of(gallery))

    def _over(self, gallery: Gallery, ceiling: Ceiling) -> ActiveModel:
        return replace(self, gallery=gallery, ceiling=ceiling, threshold=ceiling.threshold(self.target_fpir))

    def candidates(self, embedding: Embedding) -> list[Candidate]:
        return self.gallery.candidates(self.gallery.head.project(embedding))


class Recognizer:
    """Finds and embeds the faces of a frame, and decides who they are under an active model."""

    def __init__(
        self,
        detector: Detects,
        mesh: Fits,
        embedder: Embeds,
        gate: QualityGate,
        *,
        max_faces: int = 8,
        min_presence: float = MIN_PRESENCE,
    ) -> None:
        """max_faces: the largest so many are looked at, which bounds the time for one frame."""
        self._detector = detector
        self._mesh = mesh
        self._embedder = embedder
        self._gate = gate
        self._max_faces = max_faces
        self._min_presence = min_presence

    @property
    def embedder_id(self) -> str:
        return self._embedder.id

    def faces(self, pixels: Image, turn: int | None = None) -> list[Face]:
        """Faces of a frame, the largest first; boxes that the mesh does not believe in are gone.

        turn: the frame's number in a stream, where far faces are searched in one half of the frame at a time; None
            searches a picture on its own with all care.
        """
        detections = self._detector.detect(pixels, turn)[: self._max_faces]
        fitted = [self._mesh.fit(pixels, detection) for detection in detections]
        return _apart([face for face in fitted if face.presence >= self._min_presence])

    def probe(self, pixels: Image, face: Face) -> Probe:
        """Quality and embedding of one face of this frame."""
        crop = self._embedder.align(pixels, face.mesh)
        return Probe(face, measure(face, crop), self._embedder.embed(crop))

    def night_views(self, pixels: Image, face: Face, count: int, random: np.random.Generator) -> list[Probe]:
        """The face as a door camera at night would have seen it, for the statistics that heads are learned from."""
        crop = self._embedder.align(pixels, face.mesh)
        eye_px = self._embedder.alignment.eye_distance_px(face.mesh)
        views = [night_view(crop, eye_px, NightCamera(), random) for _ in range(count)]
        return [Probe(face, measure(face, view), self._embedder.embed(view)) for view in views]

    def probes(self, pixels: Image, turn: int | None = None) -> list[Probe]:
        return [self.probe(pixels, face) for face in self.faces(pixels, turn)]

    def decide(self, probe: Probe, model: ActiveModel) -> Decision:
        """Who one picture shows, on its own."""
        return decide(model.candidates(probe.embedding), model.threshold, self.refusal(probe))

    def refusal(self, probe: Probe) -> Reason | None:
        """Why this picture is too poor to tell, or None."""
        return self._gate.refusal(probe.quality, probe.embedding.norm)


def _apart(faces: list[Face]) -> list[Face]:
    """One face a place: two boxes of one head would become two visits. The one that the mesh believes more stays."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda f: -f.presence):
        if not any(_same_place(face, other) for other in kept):
            kept.append(face)
    return [face for face in faces if face in kept]


def _same_place(one: Face, other: Face) -> bool:
    """Centres nearer than half the wider face: no two heads are, seen from a camera."""
    across, down = one.mesh[:, :2].mean(axis=0) - other.mesh[:, :2].mean(axis=0)
    return math.hypot(across, down) < max(face_width_px(one.mesh), face_width_px(other.mesh)) / 2
