"""The part of an enrollment in which somebody stands before the camera: collects shots, and knows what is in the way.

Pure: frames come in with their time. What becomes of the shots is left to `session.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from edge.enrollment.refusals import Reason
from edge.recognition.recognizer import ActiveModel
from edge.recognition.shots import Shot, ShotRules, Shots, best, grade, main_face, offer, same_person
from edge.recognition.types import Frame, Probe

# More than half of the pictures. A print or a screen looks like one in most of them, a person in few.
_PHOTO_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class LookRules:
    """timeout_s: when it ends at the latest. hint_after_s: what is in the way for so long is told.

    poor_will_do: whether poor pictures, as by night, make a provisional enrollment, or none.
    """

    timeout_s: float = 20.0
    hint_after_s: float = 0.6
    poor_will_do: bool = True
    shots: ShotRules = field(default_factory=ShotRules)


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """A complete set. provisional: some of it is poor."""

    shots: Shots
    provisional: bool


class Look:
    """Mutable: owned by one session."""

    def __init__(self, rules: LookRules, started_s: float) -> None:
        self.started_s = started_s
        self.hint: Reason | None = None
        self.firm: Shots = ()
        self.model: ActiveModel | None = None
        self._rules = rules
        self._all: Shots = ()
        self._in_the_way: Counter[Reason] = Counter()
        self._judged = 0
        self._photos = 0
        self._latest: Reason | None = None
        self._latest_since_s = started_s

    def see(
        self, now_s: float, probes: Sequence[Probe], photos: Sequence[bool], model: ActiveModel, frame: Frame | None
    ) -> bool:
        """Take in the faces of one frame; whether a shot was taken. photos: see `Enrollment.faces`."""
        head = model.gallery.head
        if self.model is None or head is not self.model.gallery.head:
            # What two heads see, or even two embedders, has nothing to do with one another.
            self.firm, self._all = (), ()
        self.model = model
        before = len(self.firm)
        probe = self._one_person(probes, photos)
        reason = self._take(Shot.of(probe, head, now_s, frame)) if isinstance(probe, Probe) else probe
        if reason is not None:
            self._in_the_way[reason] += 1
        self._update_hint(now_s, reason)
        return len(self.firm) > before

    def complete(self, now_s: float) -> Taken | None:
        """The set, once there is one. Poor pictures will do when the time is up, or half of it without a good one."""
        wanted = self._rules.shots.count
        if len(self.firm) >= wanted:
            return Taken(self.firm, provisional=False)
        waited_s = self._rules.timeout_s if self.firm else self._rules.timeout_s / 2
        # Where good and poor pictures show two people, nobody knows which of them is meant.
        one_person = all(same_person(self._all, shot) for shot in self.firm)
        if len(self._all) >= wanted and one_person and now_s - self.started_s >= waited_s:
            return Taken(self._all, provisional=True)
        return None

    def over(self, now_s: float) -> bool:
        return now_s - self.started_s >= self._rules.timeout_s

    @property
    def looks_like_photo(self) -> bool:
        """Over all pictures of the session: a print must not get in by the few in which it is not found out."""
        return self._photos > _PHOTO_SHARE * self._judged

    @property
    def most_frequent(self) -> Reason:
        """What was in the way most often; without anything, the pictures were too few."""
        common = self._in_the_way.most_common(1)
        return common[0][0] if common else "no_picture"

    def _one_person(self, probes: Sequence[Probe], photos: Sequence[bool]) -> Probe | Reason:
        """The face that is to be enrolled, if there is one that looks alive."""
        probe = main_face(probes, self._rules.shots.max_second_face)
        if isinstance(probe, str):
            return probe
        self._judged += 1
        if photos and any(photo for other, photo in zip(probes, photos, strict=True) if other is probe):
            self._photos += 1
            return "looks_like_photo"
        return probe

    def _take(self, shot: Shot) -> Reason | None:
        """Offer a picture to the set of good ones, and to that of all; what is in the way, if anything."""
        rules = self._rules.shots
        worth, missing = grade(shot.probe, rules)
        if worth == "unfit" or (worth == "poor" and not self._rules.poor_will_do):
            return missing
        self._all = best(offer(self._all, shot, rules)[0], rules.count)
        if missing is not None:
            return missing
        self.firm, verdict = offer(self.firm, shot, rules)
        return verdict if verdict in ("too_alike", "different_person") else None

    def _update_hint(self, now_s: float, reason: Reason | None) -> None:
        """A hint must last a moment, so that the panel does not flicker; that all is well is told at once."""
        if reason != self._latest:
            self._latest, self._latest_since_s = reason, now_s
        if reason is None or now_s - self._latest_since_s >= self._rules.hint_after_s:
            self.hint = reason
