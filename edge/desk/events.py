"""The answer to "that is not me": marks an event wrong, so that its pictures are not taken for that person again.

It holds for the visit, too: all that was told of it counts, and as long as it lasts it is not that person's any more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from edge.contract.codec import JsonObject, chars, from_object
from edge.desk.pages import describe
from edge.desk.verbs import Verb
from edge.enrollment.pictures import Provenance, exemplar_of
from edge.errors import RefusedError
from edge.event_memory import EventMemory, exemplars_behind
from edge.ports import Clock
from edge.recognition.types import Probe
from edge.roster import Roster
from edge.store.types import Person


@dataclass(frozen=True, slots=True, kw_only=True)
class EventData:
    """event: the id of the event that named the wrong person, in capitals or not."""

    event: Annotated[str, chars(1, 100)]


class EventDesk:
    """Handlers for verbs about events; `verbs` goes into the `Desk`."""

    def __init__(
        self, roster: Roster, memory: EventMemory, runtime: str, clock: Clock, deny: Callable[[str, str], None]
    ) -> None:
        """deny: is told the visit, and the person whose it is not."""
        self._roster = roster
        self._deny = deny
        self._memory = memory
        self._runtime = runtime
        self._clock = clock
        self.verbs: dict[str, Verb] = {"event_reject": Verb(self._reject)}

    def _reject(self, data: JsonObject) -> dict[str, Any]:
        event = _id_of(from_object("event_reject", EventData, data).event)
        recalled = self._memory.recall(event)
        person = self._roster.people.get(recalled.person) if recalled else None
        if recalled is None or person is None:
            raise RefusedError(f"event {event} is not remembered: it named nobody, or is from before the last start")
        if wrong := self._memory.pictures(recalled.visit, person.id):
            person = self._reject_pictures(person, wrong, event)
            self._memory.rejected(recalled.visit, person.id)
        self._deny(recalled.visit, person.id)
        return describe(person)

    def _reject_pictures(self, person: Person, wrong: list[Probe], event: str) -> Person:
        embedder = self._roster.model.gallery.head.embedder_id
        provenance = Provenance(embedder, self._runtime, self._clock.wall_s())
        behind = dict.fromkeys(kept for probe in wrong for kept in exemplars_behind(person, probe, embedder))
        return self._roster.deny(person.id, [exemplar_of(probe, provenance) for probe in wrong], list(behind), event)


def _id_of(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise RefusedError(f"event: must be the id of an event, as its message says, found {text!r}") from None
