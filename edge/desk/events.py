"""The answer to "that is not me": marks an event wrong, so that its picture is not taken for that person again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from edge.contract.codec import JsonObject, from_object
from edge.desk.desk import Verb
from edge.desk.people import describe
from edge.enrollment.pictures import Provenance, exemplar_of
from edge.errors import RefusedError
from edge.event_memory import EventMemory, exemplars_behind
from edge.ports import Clock
from edge.roster import Roster


@dataclass(frozen=True, slots=True, kw_only=True)
class EventData:
    """event: the id of the event that named the wrong person."""

    event: UUID


class EventDesk:
    """Handlers for verbs about events; `verbs` goes into the `Desk`."""

    def __init__(self, roster: Roster, memory: EventMemory, runtime: str, clock: Clock) -> None:
        self._roster = roster
        self._memory = memory
        self._runtime = runtime
        self._clock = clock
        self.verbs: dict[str, Verb] = {"event_reject": Verb(self._reject)}

    def _reject(self, data: JsonObject) -> dict[str, Any]:
        event = str(from_object("event_reject", EventData, data).event)
        recalled = self._memory.recall(event)
        person = self._roster.people.get(recalled.person) if recalled else None
        if recalled is None or person is None:
            raise RefusedError(f"event {event} is not remembered: it named nobody, or is from before the last start")
        embedder = self._roster.model.gallery.head.embedder_id
        probe = exemplar_of(recalled.probe, Provenance(embedder, self._runtime, self._clock.wall_s()))
        behind = exemplars_behind(person, recalled.probe, embedder)
        return describe(self._roster.deny(person.id, probe, behind, event))
