"""Gathers the moments of the visits and leaves them as one annotated picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image as Pillow

from edge.draw import Mark, annotate, colour_of, strip
from edge.errors import PictureError
from edge.events import PersonLabel
from edge.recognition.types import Decision, Frame, Image, Known, Stranger
from edge.recognition.visit import Phase, Visit, VisitEvent

_COLUMNS = 4
_MOST = 24  # a live demonstration may go on for hours
_PHASES: dict[Phase, str] = {"started": "comes", "updated": "is now", "ended": "leaves"}


class Strip:
    """An observer of the daemon: keeps the frame of each event that somebody would want to see."""

    def __init__(self) -> None:
        self._panels: list[tuple[Image, str]] = []
        self._said: dict[str, str] = {}
        self._start_s: float | None = None

    def see(
        self, frame: Frame, visits: Sequence[Visit], events: Sequence[VisitEvent], people: Mapping[str, PersonLabel]
    ) -> None:
        """Keep this frame if one of its events starts or changes a visit."""
        if self._start_s is None:
            self._start_s = frame.time_s
        for event in events:
            words = words_for(event.decision, people)
            news = event.phase != "ended" and self._said.get(event.visit) != words
            if news and len(self._panels) < _MOST:
                self._said[event.visit] = words
                self._panels.append((_drawn(frame, visits, people), self._caption(frame, event.phase, words)))

    def save(self, file: Path) -> bool:
        """Write the picture; False when there was nothing to show.

        Raises:
            PictureError: it cannot be written.
        """
        if not self._panels:
            return False
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            Pillow.fromarray(strip(self._panels, min(_COLUMNS, len(self._panels)))).save(file)
        except OSError as error:
            raise PictureError(f"{file}: cannot be written ({error.strerror}); name another with --strip") from error
        return True

    def _caption(self, frame: Frame, phase: Phase, words: str) -> str:
        assert self._start_s is not None
        return f"{frame.time_s - self._start_s:5.1f} s   {_PHASES[phase]} {words}"


def words_for(decision: Decision, people: Mapping[str, PersonLabel]) -> str:
    """An answer as a person would say it."""
    if isinstance(decision, Known):
        label = people.get(decision.person)
        return label.name if label else decision.person
    return "a stranger" if isinstance(decision, Stranger) else f"unclear: {decision.reason.replace('_', ' ')}"


def _drawn(frame: Frame, visits: Sequence[Visit], people: Mapping[str, PersonLabel]) -> Image:
    marks = [
        Mark(visit.box, words_for(visit.decision, people), colour_of(visit.decision))
        for visit in visits
        if visit.last_seen_s == frame.time_s
    ]
    return annotate(frame.pixels, marks)
