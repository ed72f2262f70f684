"""Remembers what the latest events rested on, so that somebody can say "that is not me". In memory, and bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge.recognition.types import Probe
from edge.store.types import Person

_MOST = 500
# An exemplar this close to the one most alike has as much to do with a wrong answer as that one.
_AS_ALIKE = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Recalled:
    """Whom an event named, of which visit it was, and that visit's best picture by then. rejected: they were not."""

    visit: str
    person: str
    probe: Probe
    rejected: bool = False


class EventMemory:
    """The latest events that named somebody, by the event's id."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._events: OrderedDict[str, Recalled] = OrderedDict()

    def note(self, event: str, visit: str, person: str, probe: Probe) -> None:
        """Take in an event as it is sent."""
        self._events[event] = Recalled(visit, person, probe)
        while len(self._events) > self._most:
            self._events.popitem(last=False)

    def recall(self, event: str) -> Recalled | None:
        """What an event rested on; None where it named nobody, or is too long ago, or before the last start."""
        return self._events.get(event)

    def pictures(self, visit: str, person: str) -> list[Probe]:
        """On which pictures a visit was told to be of this person, as far as nobody has said yet that it was not."""
        told = [one for one in self._events.values() if (one.visit, one.person) == (visit, person)]
        rejected = {one.probe for one in told if one.rejected}
        return [probe for probe in dict.fromkeys(one.probe for one in told) if probe not in rejected]

    def rejected(self, visit: str, person: str) -> None:
        """Somebody has said so."""
        for event, told in self._events.items():
            if (told.visit, told.person) == (visit, person):
                self._events[event] = replace(told, rejected=True)

    def keep_only(self, people: Container[str]) -> None:
        """Forget what rested on the pictures of somebody who is not enrolled any more."""
        self._events = OrderedDict((k, v) for k, v in self._events.items() if v.person in people)


def exemplars_behind(person: Person, probe: Probe, embedder: str) -> Sequence[str]:
    """Ids of the exemplars that spoke for taking this picture for this person: those most alike to it."""
    usable = [kept for kept in person.exemplars if kept.embedder == embedder]
    if not usable:
        return []
    cosines = np.array([float(np.dot(kept.embedding.x, probe.embedding.x)) for kept in usable])
    return [kept.id for kept, cosine in zip(usable, cosines, strict=True) if cosine >= _AS_ALIKE * cosines.max()]
