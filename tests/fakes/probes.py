"""People who walk past a camera that is not there, and a door that watches them: probes at any place, no picture.

`enrollees.py` has those who stand still to be enrolled; here they move, leave, come back and stand beside each other.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from edge.recognition.plda import Affine, Plda, QualityModel
from edge.recognition.presence import Presence, PresenceSettings
from edge.recognition.quality import QualityGate
from edge.recognition.recognizer import ActiveModel
from edge.recognition.scoring import CentredCosine
from edge.recognition.strangers import StrangerMemory
from edge.recognition.types import Box, Detection, Embedding, Exemplar, Face, Floats, Pose, Probe, Quality
from edge.recognition.visit import VisitEvent

DIM = 128
GATE = QualityGate(
    min_width_px=40.0, max_away=40.0, min_brightness=25.0, max_brightness=225.0, min_sharpness=20.0, min_norm=45.0
)
SETTINGS = PresenceSettings(decide_after_frames=3, decide_within_s=0.8, visit_end_s=3.0)
FRAME_S = 0.1


def unit(vector: Floats) -> Floats:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def direction(seed: int, dim: int = DIM) -> Floats:
    """A random unit vector."""
    return unit(np.random.default_rng(seed).standard_normal(dim).astype(np.float32))


def cosine_head(embedder: str = "embedder", dim: int = DIM) -> CentredCosine:
    """Centred cosine of people who lie evenly around nothing."""
    return CentredCosine(embedder, np.zeros(dim, np.float32), np.asarray(np.eye(dim) / dim, np.float32))


def plda_head(seed: int = 0, embedder: str = "embedder", dim: int = DIM) -> Plda:
    """A learned head that was learned from nobody: any rotation, and people spread nine times as far as pictures."""
    random = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(random.standard_normal((dim, dim)))
    scale = np.float32(np.sqrt(10 * dim))  # unit vectors get the variance 9 + 1 that they should have
    beta = np.full(dim, 9, np.float32)
    quality = QualityModel(intercept=3.5, slope=-0.8, lowest=0.3, highest=6.0, levels=(0.7, 1.0, 1.6))
    project = Affine(np.zeros(dim, np.float32), (scale * turn).astype(np.float32), quality)
    return Plda(f"plda-{seed}", embedder, project, beta, quality.levels)


class Actor:
    """Somebody with a face. Two good pictures of them have a cosine of about `stillness`."""

    def __init__(self, name: str, *, like: Actor | None = None, alike: float = 0.6, stillness: float = 0.85) -> None:
        """like: a sibling, whose face is at the cosine `alike` from this one's."""
        self.name = name
        self._random = np.random.default_rng(list(name.encode()))
        own = unit(self._random.standard_normal(DIM).astype(np.float32))
        self.face: Floats = own if like is None else _near(like.face, own, alike)
        self._noise = np.sqrt(1 / stillness - 1)

    def embedding(self, norm: float = 70.0) -> Embedding:
        """As of one more picture."""
        noise = unit(self._random.standard_normal(DIM).astype(np.float32)) * np.float32(self._noise)
        return Embedding(unit(self.face + noise), norm)

    def exemplars(self, count: int = 4) -> list[Exemplar]:
        return [Exemplar(self.name, self.embedding()) for _ in range(count)]

    def at(self, x: float, width: float = 100.0, **quality: float) -> Probe:
        """A picture of them with the face's centre at x. quality: whatever differs from a good one; or `norm`."""
        norm = quality.pop("norm", 70.0)
        return probe(self.embedding(norm), Box(x - width / 2, 240 - width / 2, width, width), **quality)

    def blurred(self, x: float, width: float = 100.0) -> Probe:
        """Too poor to tell, and of a face that the embedder makes nothing of."""
        nonsense = Embedding(unit(self._random.standard_normal(DIM).astype(np.float32)), 30.0)
        return probe(nonsense, Box(x - width / 2, 240 - width / 2, width, width), sharpness=3.0)


def probe(embedding: Embedding, box: Box, **quality: float) -> Probe:
    """A probe at a place; `quality` names what differs from a good picture."""
    good = {"sharpness": 120.0, "brightness": 125.0, "contrast": 40.0, "clipped": 0.0, "away": 8.0, "presence": 0.999}
    values = {"width_px": box.width, "eye_distance_px": 0.45 * box.width} | good | quality
    x, y = box.centre
    eyes = np.array([[x - 0.2 * box.width, y], [x + 0.2 * box.width, y]], np.float32)
    pose = Pose(0.0, values["away"], 0.0)
    face = Face(Detection(box, 0.9, eyes), np.zeros((468, 3), np.float32), values["presence"], pose)
    return Probe(face, Quality(**values), embedding)


def active_model(*people: Actor, head: CentredCosine | Plda | None = None, target: float = 0.001) -> ActiveModel:
    """A table of these people, four pictures each."""
    exemplars = [exemplar for person in people for exemplar in person.exemplars()]
    return ActiveModel.of(head or cosine_head(), exemplars, target, "fake")


class Door:
    """A presence with its own time, frame after frame; `events` is all that it ever said."""

    def __init__(self, model: ActiveModel, settings: PresenceSettings = SETTINGS, memory_s: float = 86_400.0) -> None:
        strangers, visits = itertools.count(1), itertools.count(1)
        self.memory = StrangerMemory(memory_s, lambda: f"stranger-{next(strangers)}")
        self.presence = Presence(settings, GATE, self.memory, lambda: f"visit-{next(visits)}")
        self.model = model
        self.now_s = 100.0
        self.events: list[VisitEvent] = []

    def frame(self, *probes: Probe, after_s: float = FRAME_S) -> list[VisitEvent]:
        """One more frame; what was said because of it."""
        self.now_s += after_s
        told = self.presence.update(self.now_s, probes, self.model)
        self.events += told
        return told

    def frames(self, count: int, *people: tuple[Actor, float]) -> list[VisitEvent]:
        """So many frames with these people at these places."""
        return [event for _ in range(count) for event in self.frame(*(who.at(x) for who, x in people))]

    def empty(self, seconds: float) -> list[VisitEvent]:
        """Nobody before the camera for so long."""
        return [event for _ in range(round(seconds / FRAME_S)) for event in self.frame()]

    @property
    def told(self) -> list[tuple[str, str]]:
        """Phase and whom it is of, event by event."""
        return outline(self.events)


def outline(events: Sequence[VisitEvent]) -> list[tuple[str, str]]:
    """Phase and whom it is of: a person, a stranger's id, or the kind of the decision."""
    return [(event.phase, identity_of(event)) for event in events]


def identity_of(event: VisitEvent) -> str:
    person = getattr(event.decision, "person", None)
    return person or event.stranger or type(event.decision).__name__


def _near(face: Floats, other: Floats, cosine: float) -> Floats:
    """A unit vector at this cosine from `face`, towards `other`."""
    across = unit(other - np.dot(other, face) * face)
    return unit(np.float32(cosine) * face + np.float32(np.sqrt(1 - cosine**2)) * across)
