"""From probes to visits: who is at the door and since when, with one event as a visit starts, changes and ends.

Pure: time comes in with each frame. How pictures of one visit add up is in `visit.py`; the wire is left to `contract/`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edge.recognition.quality import QualityGate
from edge.recognition.recognizer import ActiveModel
from edge.recognition.strangers import StrangerMemory
from edge.recognition.types import LookAgain, Probe, Stranger
from edge.recognition.visit import Visit, VisitEvent

# Boxes of one walking person overlap far more than this from frame to frame.
_SAME_PLACE_IOU = 0.25
# Raw cosines on LFW: 99.9 % of pairs of different people lie under 0.40, 95 % of pairs of one person over 0.54.
_SAME_FACE_COSINE = 0.5
_OTHER_FACE_COSINE = 0.15


@dataclass(frozen=True, slots=True)
class PresenceSettings:
    """When a visit is told.

    decide_after_frames: good pictures for a firm answer.
    decide_within_s: after so long a visit starts with what there is, provisionally.
    visit_end_s: a face unseen for so long has gone.
    """

    decide_after_frames: int = 3
    decide_within_s: float = 0.8
    visit_end_s: float = 3.0


class Presence:
    """The open visits of one door."""

    def __init__(
        self, settings: PresenceSettings, gate: QualityGate, strangers: StrangerMemory, new_id: Callable[[], str]
    ) -> None:
        self._settings = settings
        self._gate = gate
        self._strangers = strangers
        self._new_id = new_id
        self._visits: list[Visit] = []

    @property
    def visits(self) -> tuple[Visit, ...]:
        """Those open now, the oldest first; for drawing, not for changing."""
        return tuple(self._visits)

    def update(self, now_s: float, probes: Sequence[Probe], model: ActiveModel) -> list[VisitEvent]:
        """Take in the faces of one frame; an empty one lets time pass."""
        seen = self._assign(now_s, probes)
        for visit in seen:
            self._decide(visit, model, now_s)
        self._join(seen)
        told = [event for visit in self._visits if (event := self._tell(visit, now_s))]
        return told + self._end(now_s - self._settings.visit_end_s)

    def finish(self) -> list[VisitEvent]:
        """End every visit, as when the daemon stops."""
        return self._end(float("inf"))

    def _assign(self, now_s: float, probes: Sequence[Probe]) -> list[Visit]:
        """Each probe to the open visit it fits best, or to a new one."""
        free = list(self._visits)
        seen = []
        for probe in probes:
            refusal = self._gate.refusal(probe.quality, probe.embedding.norm)
            visit = max(free, key=lambda v: _likeness(v, probe, good=refusal is None), default=None)
            if visit is None or _likeness(visit, probe, good=refusal is None) <= 0:
                visit = Visit(self._new_id(), now_s, now_s, best=probe, latest=probe)
                self._visits.append(visit)
            else:
                free.remove(visit)
            visit.see(probe, refusal, now_s)
            seen.append(visit)
        return seen

    def _decide(self, visit: Visit, model: ActiveModel, now_s: float) -> None:
        visit.decide(model, self._settings.decide_after_frames)
        fused = visit.fused
        if visit.person is not None and visit.stranger is not None:
            self._strangers.drop(visit.stranger)
            visit.stranger = None
        elif (
            isinstance(visit.decision, Stranger) and visit.stranger is None and fused is not None and self._firm(visit)
        ):
            visit.stranger = self._strangers.identify(fused, model.gallery.head, now_s)

    def _join(self, seen: Sequence[Visit]) -> None:
        """A person who left the picture for a moment goes on with the visit they had."""
        for visit in seen:
            earlier = next((v for v in self._visits if v not in seen and self._same_person(v, visit)), None)
            if earlier is not None and visit.said is None:
                earlier.absorb(visit)
                self._visits.remove(visit)

    def _same_person(self, earlier: Visit, visit: Visit) -> bool:
        return visit.identity is not None and earlier.identity == visit.identity and earlier.said is not None

    def _tell(self, visit: Visit, now_s: float) -> VisitEvent | None:
        provisional = not self._firm(visit)
        if visit.said is None:
            if provisional and not self._due(visit, now_s):
                return None
            visit.said = (visit.identity, provisional)
            return visit.event("started", provisional=provisional)
        said_identity, said_provisional = visit.said
        if visit.identity == said_identity and provisional == said_provisional:
            return None
        visit.said = (visit.identity, provisional)
        return visit.event("updated", provisional=provisional)

    def _firm(self, visit: Visit) -> bool:
        return visit.good_frames >= self._settings.decide_after_frames

    def _due(self, visit: Visit, now_s: float) -> bool:
        """Time to say something of a visit that has had no firm answer; nothing is said of someone still far away."""
        passing = isinstance(visit.decision, LookAgain) and visit.decision.reason == "too_small"
        return now_s - visit.started_s >= self._settings.decide_within_s and visit.frames > 1 and not passing

    def _end(self, before_s: float) -> list[VisitEvent]:
        gone = [v for v in self._visits if v.last_seen_s <= before_s]
        self._visits = [v for v in self._visits if v.last_seen_s > before_s]
        return [v.event("ended", provisional=not self._firm(v)) for v in gone if v.said is not None]


def _likeness(visit: Visit, probe: Probe, *, good: bool) -> float:
    """How well a probe continues a visit; 0 or less is not at all. A poor picture tells by its place alone."""
    overlap = visit.box.iou(probe.face.detection.box)
    near = overlap if overlap >= _SAME_PLACE_IOU else 0.0
    reference = visit.fused
    if not good or reference is None:
        return near
    cosine = float(np.dot(reference.x, probe.embedding.x))
    if cosine >= _SAME_FACE_COSINE:
        return near + cosine
    return near if cosine >= _OTHER_FACE_COSINE else 0.0
