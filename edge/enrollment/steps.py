"""What an enrollment session says and is told, as values. It is `session.py`; the daemon carries the steps out.

`Store` and `Undo` are orders; the daemon answers each with `Committed` or `Failed` under the same ticket, and only then
is *done* said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from edge.enrollment.panel_patterns import PatternName
from edge.enrollment.refusals import Reason, sentence
from edge.recognition.shots import Shots


@dataclass(frozen=True, slots=True)
class Wish:
    """What a press or a request asks for.

    name: of the person, where it is known already.
    refusal: why nobody may be enrolled now, from the policy or the store, with its words; None if somebody may.
    renewable: people whose enrollment is provisional; shown again, they are enrolled again instead of being refused.
    anyway: enroll somebody who looks like one who is enrolled, as a twin does.
    """

    name: str | None = None
    refusal: tuple[Reason, str] | None = None
    renewable: frozenset[str] = frozenset()
    anyway: bool = False


@dataclass(frozen=True, slots=True)
class Show:
    """Let the panel show this: one that repeats stays, another plays once over it."""

    pattern: PatternName


# `asking` waits for the second hold that confirms an undo.
ProgressState = Literal["looking", "shot_taken", "storing", "asking", "undoing"]


@dataclass(frozen=True, slots=True)
class Progress:
    """The session goes on.

    state: what it is at.
    reason: what is in the way just now. shots, of: good pictures taken and wanted.
    """

    state: ProgressState
    reason: Reason | None
    shots: int
    of: int


@dataclass(frozen=True, slots=True, eq=False)
class Store:
    """Order: write these templates.

    name: None lets the store choose one, and leaves the person unverified.
    provisional: made from poor pictures; they should be shown again by better light.
    renews: the person whose provisional enrollment this takes the place of; None for somebody new.
    """

    ticket: int
    name: str | None
    shots: Shots
    provisional: bool
    renews: str | None


@dataclass(frozen=True, slots=True)
class Undo:
    """Order: take back the last enrollment, if it still is this person's."""

    ticket: int
    person: str


@dataclass(frozen=True, slots=True)
class Committed:
    """Answer: it is on the disk. person: whom it was about."""

    person: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Answer: nothing was changed. detail: why, in words for a log."""

    detail: str


@dataclass(frozen=True, slots=True)
class Done:
    """Enrolled and committed. renewed: they were enrolled provisionally before."""

    person: str
    provisional: bool
    renewed: bool


@dataclass(frozen=True, slots=True)
class Undone:
    """Taken back and committed."""

    person: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Given up by whoever pressed, or an undo that nobody confirmed. of: the enrollment or the undoing."""

    of: Literal["enrollment", "undo"]


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was enrolled or undone.

    detail: what more is known, or empty; never a name.
    person: whom the face is enrolled as; the daemon knows the name.
    timed_out: the time was up, and `reason` was in the way most often.
    """

    reason: Reason
    detail: str = ""
    person: str | None = None
    timed_out: bool = False

    def message(self, name: str | None = None) -> str:
        """One sentence for people. name: of `person`."""
        text = sentence(self.reason)
        if name is not None:
            text += f" as {name}"
        if self.detail:
            text += f": {self.detail}"
        return f"the time is up: {text}" if self.timed_out else text


Answer: TypeAlias = Committed | Failed
Step: TypeAlias = Show | Progress | Store | Undo | Done | Undone | Cancelled | Refused
