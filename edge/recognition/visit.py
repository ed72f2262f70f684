"""One visit: pictures of one face in a row, fused into one answer. Which belong to it is left to `presence.py`."""

from __future__ import annotations

import math
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from edge.recognition.decide import decide
from edge.recognition.recognizer import ActiveModel
from edge.recognition.types import Box, Decision, Embedding, Floats, Known, LookAgain, Probe, Reason, Stranger

Phase = Literal["started", "updated", "ended"]


@dataclass(frozen=True, slots=True, eq=False)
class VisitEvent:
    """What became of a visit.

    decision: of all good pictures of the visit as one.
    stranger: a stable id where the decision is a stranger, else None.
    provisional: fewer good pictures than a firm answer needs.
    started_s, last_seen_s: first and last picture, monotonic seconds.
    frames, good_frames: how many pictures, and how many of them good enough to tell.
    best: the probe of the best picture, for a quality summary.
    """

    phase: Phase
    visit: str
    decision: Decision
    stranger: str | None
    provisional: bool
    started_s: float
    last_seen_s: float
    frames: int
    good_frames: int
    best: Probe


@dataclass(slots=True, eq=False)
class Visit:
    """Mutable: owned by one `Presence`.

    near_s: first picture that was not too small to tell; None before it. denied: people whose visit this is not.
    """

    id: str
    started_s: float
    last_seen_s: float
    best: Probe
    latest: Probe
    frames: int = 0
    good_frames: int = 0
    near_s: float | None = None
    stranger: str | None = None
    decision: Decision = field(default_factory=lambda: LookAgain("low_quality"))
    said: tuple[str | None, bool] | None = None
    denied: set[str] = field(default_factory=set)
    _sum: Floats | None = None
    _norms: float = 0.0

    @property
    def box(self) -> Box:
        return self.latest.face.detection.box

    @property
    def person(self) -> str | None:
        return self.decision.person if isinstance(self.decision, Known) else None

    @property
    def identity(self) -> str | None:
        """Whom it is of, a person or a stranger with an id; None while it is unclear."""
        return self.person or self.stranger

    @property
    def fused(self) -> Embedding | None:
        """All good pictures as one embedding, each weighted by its norm; None before the first."""
        if self._sum is None or not self.good_frames:
            return None
        return Embedding(self._sum / max(float(np.linalg.norm(self._sum)), 1e-9), self._norms / self.good_frames)

    def see(self, probe: Probe, refusal: Reason | None, now_s: float) -> None:
        """Take in one more picture."""
        self.frames += 1
        self.last_seen_s = now_s
        self.latest = probe
        if refusal != "too_small" and self.near_s is None:
            self.near_s = now_s
        if refusal is not None:
            if not self.good_frames:
                self.decision = LookAgain(refusal)
                self.best = max(self.best, probe, key=lambda p: p.embedding.norm)
            return
        weighted = probe.embedding.x * np.float32(probe.embedding.norm)
        self._sum = weighted if self._sum is None else self._sum + weighted
        self._norms += probe.embedding.norm
        self.good_frames += 1
        if self.good_frames == 1 or probe.embedding.norm > self.best.embedding.norm:
            self.best = probe

    def best_score(self, model: ActiveModel) -> float:
        """How alike it is to whom it resembles most; -inf where there is nobody, or no good picture yet."""
        fused = self.fused
        return max((c.score for c in model.candidates(fused)), default=-math.inf) if fused is not None else -math.inf

    def decide(self, model: ActiveModel, firm_after: int, taken: Container[str] = ()) -> None:
        """Decide anew under the model in force.

        taken: people whom this cannot be, since they stand beside it.
        Once firmly known, a person stays known while they are enrolled: only another person's name takes theirs away,
        somebody beside them who resembles that person more, or a word that it is not them.
        """
        fused = self.fused
        if fused is None:
            return
        free = [c for c in model.candidates(fused) if c.person not in taken and c.person not in self.denied]
        fresh = decide(free, model.threshold, None)
        held = self.person is not None and self.person in model.gallery and self.person not in taken
        held = held and self.person not in self.denied
        settled = self.good_frames > firm_after and held
        if not (settled and isinstance(fresh, Stranger)):
            self.decision = fresh

    def absorb(self, other: Visit) -> None:
        """Go on with what another visit saw: the same person came back into view."""
        self.last_seen_s = other.last_seen_s
        self.latest = other.latest
        self.frames += other.frames
        self.good_frames += other.good_frames
        self._norms += other._norms
        self.denied |= other.denied
        if other._sum is not None:
            self._sum = other._sum if self._sum is None else self._sum + other._sum
        if other.best.embedding.norm > self.best.embedding.norm:
            self.best = other.best

    def event(self, phase: Phase, *, provisional: bool) -> VisitEvent:
        return VisitEvent(
            phase=phase,
            visit=self.id,
            decision=self.decision,
            stranger=None if self.person else self.stranger,
            provisional=provisional,
            started_s=self.started_s,
            last_seen_s=self.last_seen_s,
            frames=self.frames,
            good_frames=self.good_frames,
            best=self.best,
        )
