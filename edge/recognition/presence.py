"""From probes to visits: who is at the door and since when, with one event as a visit starts, changes and ends.

Pure: time comes in with each frame. How pictures of one visit add up is in `visit.py`; the wire is left to `contract/`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

from edge.recognition.quality import QualityGate
from edge.recognition.recognizer import ActiveModel
from edge.recognition.scoring import Head, resemblance
from edge.recognition.strangers import StrangerMemory
from edge.recognition.types import LookAgain, Probe, Stranger
from edge.recognition.visit import Visit, VisitEvent

# Boxes of one walking person overlap far more than this from frame to frame.
_SAME_PLACE_IOU = 0.25
# Of `scoring.resemblance`; see there for how often pairs of pictures lie above and below.
_SAME_FACE_COSINE = 0.5
_OTHER_FACE_COSINE = 0.3


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
        self._model: ActiveModel | None = None

    @property
    def visits(self) -> tuple[Visit, ...]:
        """Those open now, the oldest first; for drawing, not for changing."""
        return tuple(self._visits)

    def update(self, now_s: float, probes: Sequence[Probe], model: ActiveModel) -> list[VisitEvent]:
        """Take in the faces of one frame; an empty one lets time pass.

        Whoever was away for too long has gone before this frame, even if it is the first for a long time.
        """
        told = self._follow(model, now_s)
        told += self._end([v for v in self._visits if now_s - v.last_seen_s >= self._settings.visit_end_s], now_s)
        seen = self._assign(now_s, probes, model)
        self._decide(seen, model, now_s)
        told += self._join(seen, now_s)
        return told + [event for visit in self._visits if (event := self._tell(visit, now_s))]

    def deny(self, now_s: float, visit: str, person: str, model: ActiveModel) -> None:
        """Somebody says that a visit is not this person's: if it still lasts, it cannot be any more."""
        for still_open in self._visits:
            if still_open.id == visit:
                still_open.denied.add(person)
        self._decide(self._visits, model, now_s)

    def finish(self) -> list[VisitEvent]:
        """End every visit, as when the daemon stops; one that was about to be told is told."""
        return self._end(self._visits, math.inf)

    def _follow(self, model: ActiveModel, now_s: float) -> list[VisitEvent]:
        """Under another model everybody is looked at anew; what another embedder saw says nothing any more."""
        before, self._model = self._model, model
        if before is None or before is model:
            return []
        if before.gallery.head.embedder_id != model.gallery.head.embedder_id:
            self._strangers.clear()
            return self.finish()
        self._decide(self._visits, model, now_s)
        return []

    def _assign(self, now_s: float, probes: Sequence[Probe], model: ActiveModel) -> list[Visit]:
        """Each probe to the open visit that it continues, the likeliest pair first, or to a new one."""
        refusals = [self._gate.refusal(probe.quality, probe.embedding.norm) for probe in probes]
        pairs = [
            (_likeness(visit, probe, model.gallery.head, good=refusals[number] is None), number, visit)
            for number, probe in enumerate(probes)
            for visit in self._visits
        ]
        continued: dict[int, Visit] = {}
        for likeness, number, visit in sorted(pairs, key=lambda pair: -pair[0]):
            if likeness > 0 and number not in continued and visit not in continued.values():
                continued[number] = visit
        seen = [continued.get(number) or self._open(probe, now_s) for number, probe in enumerate(probes)]
        for visit, probe, refusal in zip(seen, probes, refusals, strict=True):
            visit.see(probe, refusal, now_s)
        return seen

    def _open(self, probe: Probe, now_s: float) -> Visit:
        visit = Visit(self._new_id(), now_s, now_s, best=probe, latest=probe)
        self._visits.append(visit)
        return visit

    def _decide(self, visits: Sequence[Visit], model: ActiveModel, now_s: float) -> None:
        """Who each of them is. Of two who resemble one person, only the one who does so more can be that person."""
        taken: set[str] = set()
        for visit in sorted(visits, key=lambda v: -v.best_score(model)):
            visit.decide(model, self._settings.decide_after_frames, taken)
            if visit.person is not None:
                taken.add(visit.person)
            self._know_stranger(visit, {v.stranger for v in visits if v.stranger is not None}, model, now_s)

    def _know_stranger(self, visit: Visit, apart: Container[str], model: ActiveModel, now_s: float) -> None:
        """Give a stranger the id that they keep, and take it from one who has become somebody known."""
        fused = visit.fused
        if visit.person is not None and visit.stranger is not None:
            self._strangers.drop(visit.stranger)
            visit.stranger = None
        elif (
            isinstance(visit.decision, Stranger) and visit.stranger is None and fused is not None and self._firm(visit)
        ):
            visit.stranger = self._strangers.identify(fused, model.gallery.head, now_s, apart)

    def _join(self, seen: Sequence[Visit], now_s: float) -> list[VisitEvent]:
        """A person who left the picture for a moment goes on with the visit they had.

        If the new one was told already, before it was clear whose it is, the old one ends instead.
        """
        told = []
        for visit in seen:
            earlier = next((v for v in self._visits if v not in seen and self._same_person(v, visit)), None)
            if earlier is None:
                continue
            if visit.said is None:
                earlier.absorb(visit)
                self._visits.remove(visit)
            else:
                told += self._end([earlier], now_s)
        return told

    def _same_person(self, earlier: Visit, visit: Visit) -> bool:
        return visit.identity is not None and earlier.identity == visit.identity

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
        if visit.near_s is None or visit.frames < 2 or passing:
            return False
        return now_s - visit.near_s >= self._settings.decide_within_s

    def _end(self, gone: Sequence[Visit], now_s: float) -> list[VisitEvent]:
        """These are over. One whose time to be told came while no frame did is told first."""
        self._visits = [v for v in self._visits if v not in gone]
        told = []
        for visit in gone:
            told += [event for event in (self._tell(visit, now_s),) if event]
            if visit.said is not None:
                told.append(visit.event("ended", provisional=not self._firm(visit)))
        return told


def _likeness(visit: Visit, probe: Probe, head: Head, *, good: bool) -> float:
    """How well a probe continues a visit; 0 or less is not at all. A poor picture tells by its place alone."""
    overlap = visit.box.iou(probe.face.detection.box)
    near = overlap if overlap >= _SAME_PLACE_IOU else 0.0
    reference = visit.fused
    if not good or reference is None:
        return near
    cosine = resemblance(head, reference, probe.embedding)
    if cosine >= _SAME_FACE_COSINE:
        return near + cosine
    return near if cosine >= _OTHER_FACE_COSINE else 0.0
