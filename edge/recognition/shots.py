"""Which pictures an enrollment takes: good ones of one person alone that differ. Keeps no time-out and talks to nobody.

Pure functions over tuples of shots; the session around them is `edge.enrollment`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from edge.recognition.quality import QualityGate
from edge.recognition.recognizer import ActiveModel
from edge.recognition.types import Candidate, Embedding, Frame, Probe, Reason

Grade: TypeAlias = Literal["firm", "poor", "unfit"]
Verdict: TypeAlias = Literal["taken", "better", "too_soon", "too_alike", "different_person"]

FIRM = QualityGate(
    min_width_px=60.0, max_away=30.0, min_brightness=50.0, max_brightness=200.0, min_sharpness=40.0, min_norm=45.0
)
POOR = QualityGate(
    min_width_px=60.0, max_away=30.0, min_brightness=15.0, max_brightness=215.0, min_sharpness=20.0, min_norm=30.0
)
SAME_PERSON_COSINE = 0.5
SAME_PICTURE_COSINE = 0.998
ALIKE_COSINE = 0.97
ALIKE_DEGREES = 4.0


@dataclass(frozen=True, slots=True)
class ShotRules:
    """What makes a set of shots.

    count: how many.
    min_interval_s: between two of them.
    alike_after_s: a picture that looks like an earlier shot is taken only so long after the last one.
    firm: gate for a picture that makes a good template.
    poor: gate for one that is kept while there is no better, and makes the enrollment provisional.
    max_second_face: how wide another face may be, as a share of the largest one's width.
    """

    count: int = 4
    min_interval_s: float = 0.4
    alike_after_s: float = 1.5
    firm: QualityGate = FIRM
    poor: QualityGate = POOR
    max_second_face: float = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A picture that was taken.

    time_s: when. slot_s: when its place in the set was first filled; a better picture may take the place soon after.
    frame: what the camera gave, for those who need more of it than the probe; None where nobody does.
    """

    probe: Probe
    time_s: float
    slot_s: float
    frame: Frame | None = None


Shots: TypeAlias = tuple[Shot, ...]


def main_face(probes: Sequence[Probe], max_second_face: float) -> Probe | Literal["no_face", "several_faces"]:
    """The one face of a frame that may be enrolled. Somebody far behind does not matter, a second one near does."""
    if not probes:
        return "no_face"
    largest, *others = sorted(probes, key=lambda probe: -probe.quality.width_px)
    limit = max_second_face * largest.quality.width_px
    return "several_faces" if any(probe.quality.width_px > limit for probe in others) else largest


def grade(probe: Probe, rules: ShotRules) -> tuple[Grade, Reason | None]:
    """How good a face's picture is for a template, and what keeps it from being firm."""
    quality, norm = probe.quality, probe.embedding.norm
    missing = rules.firm.refusal(quality, norm)
    if missing is None:
        return "firm", None
    return ("poor" if rules.poor.refusal(quality, norm) is None else "unfit"), missing


def same_person(shots: Shots, probe: Probe) -> bool:
    """Whether a probe shows the one whom each of the shots shows; before the first, anybody will do."""
    return all(_cosine(shot.probe, probe) >= SAME_PERSON_COSINE for shot in shots)


def offer(shots: Shots, shot: Shot, rules: ShotRules) -> tuple[Shots, Verdict]:
    """The set with this picture in it, or as it was; and which of the two, and why."""
    if not same_person(shots, shot.probe):
        return shots, "different_person"
    if not shots:
        return (shot,), "taken"
    since_s = shot.time_s - shots[-1].time_s
    if since_s < rules.min_interval_s:
        return _improve_last(shots, shot, rules)
    if _too_alike(shots, shot, patient=since_s >= rules.alike_after_s):
        return shots, "too_alike"
    return (*shots, shot), "taken"


def best(shots: Shots, count: int) -> Shots:
    """The `count` shots with the largest norms, in order of time."""
    largest = sorted(shots, key=lambda shot: -shot.probe.embedding.norm)[:count]
    return tuple(sorted(largest, key=lambda shot: shot.time_s))


def fuse(shots: Shots) -> Embedding:
    """The shots as one embedding, each weighted by its norm, which tells how much its picture is worth."""
    total = np.sum([shot.probe.embedding.x * np.float32(shot.probe.embedding.norm) for shot in shots], axis=0)
    norm = float(np.mean([shot.probe.embedding.norm for shot in shots]))
    return Embedding(np.asarray(total / max(float(np.linalg.norm(total)), 1e-9), np.float32), norm)


def enrolled_as(shots: Shots, model: ActiveModel) -> Candidate | None:
    """Whom of the table the shots show, at the threshold by which the door recognizes; None if nobody."""
    best = next(iter(model.candidates(fuse(shots))), None)
    return best if best is not None and best.score >= model.threshold else None


def _improve_last(shots: Shots, shot: Shot, rules: ShotRules) -> tuple[Shots, Verdict]:
    """Soon after a shot a better picture of the same moment may take its place; the set never gets smaller."""
    *earlier, last = shots
    in_time = shot.time_s - last.slot_s < rules.min_interval_s
    better = shot.probe.embedding.norm > last.probe.embedding.norm
    apart = not earlier or not _too_alike(tuple(earlier), shot, patient=False)
    if in_time and better and apart:
        return (*earlier, Shot(shot.probe, shot.time_s, last.slot_s, shot.frame)), "better"
    return shots, "too_soon"


def _too_alike(shots: Shots, shot: Shot, *, patient: bool) -> bool:
    """patient: whoever just holds still has been given time to move, so only the very same picture is too much."""
    cosines = [_cosine(other.probe, shot.probe) for other in shots]
    if max(cosines) > SAME_PICTURE_COSINE:
        return True
    turned = [_turn(other.probe, shot.probe) for other in shots]
    alike = any(c > ALIKE_COSINE and t < ALIKE_DEGREES for c, t in zip(cosines, turned, strict=True))
    return alike and not patient


def _turn(one: Probe, other: Probe) -> float:
    """Degrees between two poses, leaving out roll, which alignment takes away."""
    return float(np.hypot(one.face.pose.yaw - other.face.pose.yaw, one.face.pose.pitch - other.face.pose.pitch))


def _cosine(one: Probe, other: Probe) -> float:
    return float(np.dot(one.embedding.x, other.embedding.x))
