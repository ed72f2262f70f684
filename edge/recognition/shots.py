"""Which pictures an enrollment takes: good ones of one person alone that differ. Keeps no time-out and talks to nobody.

Pure functions over tuples of shots; the session around them is `edge.enrollment.session`.

Where the numbers are from: 792 LFW pictures of 220 people, each as it is and in 28 simulated worse ways (smaller,
blurred, moved, dark, grainy as by night, glaring), were taken as templates, and how often clean other pictures of the
same people are missed was counted, at the threshold that 0.1 % of other people's pictures pass ("missed" below).
Simulated night is not night, and LFW's people are likely to be among those the embedder has learned from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import numpy as np

from edge.recognition.quality import QualityGate
from edge.recognition.recognizer import ActiveModel
from edge.recognition.scoring import Head
from edge.recognition.types import Candidate, Embedding, Floats, Frame, Probe, Reason

Grade: TypeAlias = Literal["firm", "poor", "unfit"]
Verdict: TypeAlias = Literal["taken", "better", "too_soon", "too_alike", "different_person"]

# The norm tells nearly all. As a share of the median over good pictures, and missed of templates with it: above 0.9
# 1 %, 0.85 4 %, 0.8 8 %, 0.75 17 %, 0.7 27 %, 0.65 42 %, 0.6 59 %. Of 2165 clean pictures 4 % fall under 0.8, and of
# 732 people 2 in 1000 do with all of theirs.
_FIRM_NORM, _POOR_NORM = 0.8, 0.7
# In ordinary light all pictures of one person within a minute lie above 0.89 (webcam, 8 people), grainy ones above 0.6
# of clean ones; of different people 1 in 10,000 pairs reaches 0.5 (0.65 with the 128-d embedder).
SAME_PERSON_COSINE = 0.6
# Two frames of somebody who holds still reach 0.996 at most (as above); a camera that hangs gives 1.
SAME_PICTURE_COSINE = 0.998
# The median of pictures of somebody who holds still, a second or so apart, is 0.976.
ALIKE_COSINE = 0.97
# Pose is consistent to about a degree; somebody who holds still turns by 2 degrees in the median.
ALIKE_DEGREES = 4.0


def firm_gate(typical_norm: float | None) -> QualityGate:
    """What a picture must reach to make a good template.

    typical_norm: the embedder's median over good pictures; None where it is not known, and norms are not looked at.
    Width: by simulated night a face of 56 px was missed at 11 %, one of 94 px at 5 %; by day both at 2 %.
    Away: 97 % of LFW's pictures are within 30 degrees, too few beyond to know. Sharpness: of clean pictures 0.5 % lie
    under 25; blurred to 21 they are missed at 2 %, to 11 at 5 %, to 4 at 22 %. Brightness: up to 215 8 % are missed,
    beyond 230 25 %; dark without grain costs little, so the limit says what is night.
    """
    return QualityGate(
        min_width_px=60.0,
        max_away=30.0,
        min_brightness=40.0,
        max_brightness=215.0,
        min_sharpness=20.0,
        min_norm=_FIRM_NORM * (typical_norm or 0.0),
    )


def poor_gate(typical_norm: float | None) -> QualityGate:
    """What a picture must reach to be better than none; see `firm_gate`."""
    return QualityGate(
        min_width_px=60.0,
        max_away=30.0,
        min_brightness=15.0,
        max_brightness=230.0,
        min_sharpness=10.0,
        min_norm=_POOR_NORM * (typical_norm or 0.0),
    )


@dataclass(frozen=True, slots=True)
class ShotRules:
    """What makes a set of shots.

    count: how many.
    min_interval_s: between two of them.
    alike_after_s: a picture that looks like an earlier shot is taken only so long after the last one.
    firm: gate for a picture that makes a good template.
    poor: gate for one that is kept while there is no better, and makes the enrollment provisional.
    max_second_face: how wide another face may be, as a share of the largest one's width: half means twice as far.
    """

    count: int = 4
    min_interval_s: float = 0.4
    alike_after_s: float = 1.0
    firm: QualityGate = field(default_factory=lambda: firm_gate(None))
    poor: QualityGate = field(default_factory=lambda: poor_gate(None))
    max_second_face: float = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A picture that was taken.

    seen: the embedding as the head sees it, `(D,)`, length 1; raw embeddings of some embedders are all alike.
    time_s: when. slot_s: when its place in the set was first filled; a better picture may take the place soon after.
    frame: what the camera gave, for those who need more of it than the probe; None where nobody does.
    """

    probe: Probe
    seen: Floats
    time_s: float
    slot_s: float
    frame: Frame | None = None

    @classmethod
    def of(cls, probe: Probe, head: Head, time_s: float, frame: Frame | None = None) -> Shot:
        z = head.project(probe.embedding).z
        return cls(probe, np.asarray(z / max(float(np.linalg.norm(z)), 1e-9), np.float32), time_s, time_s, frame)


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


def same_person(shots: Shots, shot: Shot) -> bool:
    """Whether a picture shows the one whom each of the shots shows; before the first, anybody will do."""
    return all(_cosine(other, shot) >= SAME_PERSON_COSINE for other in shots)


def offer(shots: Shots, shot: Shot, rules: ShotRules) -> tuple[Shots, Verdict]:
    """The set with this picture in it, or as it was; and which of the two, and why."""
    if not same_person(shots, shot):
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


def fuse(pictures: Sequence[Embedding]) -> Embedding:
    """Pictures of one person as one embedding, each weighted by its norm, which tells how much it is worth."""
    total = np.sum([picture.x * np.float32(picture.norm) for picture in pictures], axis=0)
    norm = float(np.mean([picture.norm for picture in pictures]))
    return Embedding(np.asarray(total / max(float(np.linalg.norm(total)), 1e-9), np.float32), norm)


def enrolled_as(pictures: Sequence[Embedding], model: ActiveModel) -> Candidate | None:
    """Whom of the table pictures of one person show; None if nobody.

    Fused they must be recognized, and most of them one by one too. On LFW (tables of 20, four shots of other days,
    threshold for 1 % of strangers) this finds 300 of 300 who are enrolled and takes 9 of 2955 newcomers for somebody;
    fused shots alone take 48.
    """
    found = _recognized(fuse(pictures), model)
    if found is None:
        return None
    alone = [_recognized(picture, model) for picture in pictures]
    agreeing = sum(one is not None and one.person == found.person for one in alone)
    return found if 2 * agreeing > len(pictures) else None


def _recognized(embedding: Embedding, model: ActiveModel) -> Candidate | None:
    top = next(iter(model.candidates(embedding)), None)
    return top if top is not None and top.score >= model.threshold else None


def _improve_last(shots: Shots, shot: Shot, rules: ShotRules) -> tuple[Shots, Verdict]:
    """Soon after a shot a better picture of the same moment may take its place; the set never gets smaller."""
    *earlier, last = shots
    in_time = shot.time_s - last.slot_s < rules.min_interval_s
    better = shot.probe.embedding.norm > last.probe.embedding.norm
    apart = not earlier or not _too_alike(tuple(earlier), shot, patient=False)
    if in_time and better and apart:
        return (*earlier, replace(shot, slot_s=last.slot_s)), "better"
    return shots, "too_soon"


def _too_alike(shots: Shots, shot: Shot, *, patient: bool) -> bool:
    """patient: whoever just holds still has been given time to move, so only the very same picture is too much."""
    cosines = [_cosine(other, shot) for other in shots]
    if max(cosines) > SAME_PICTURE_COSINE:
        return True
    turned = [_turn(other.probe, shot.probe) for other in shots]
    alike = any(c > ALIKE_COSINE and t < ALIKE_DEGREES for c, t in zip(cosines, turned, strict=True))
    return alike and not patient


def _turn(one: Probe, other: Probe) -> float:
    """Degrees between two poses, leaving out roll, which alignment takes away."""
    return float(np.hypot(one.face.pose.yaw - other.face.pose.yaw, one.face.pose.pitch - other.face.pose.pitch))


def _cosine(one: Shot, other: Shot) -> float:
    return float(np.dot(one.seen, other.seen))
