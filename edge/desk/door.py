"""The requests that need somebody standing there: enroll, cancel, a window for enrolling, and how the door is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from edge.contract.codec import JsonObject, between, from_object, to_object
from edge.contract.messages import Name
from edge.desk.people import refuse_taken
from edge.desk.verbs import Verb
from edge.door_state import StateTeller
from edge.enrollment.enrolling import Enrolling, error_of
from edge.enrollment.steps import Cancelled, Refused, Undone
from edge.errors import RefusedError
from edge.roster import Roster

_LONGEST_WINDOW_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollData:
    """name: of whoever stands there; without one the door gives a number.

    anyway: a twin of somebody enrolled. force: although somebody else is called so.
    """

    name: Name | None = None
    anyway: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowData:
    """seconds: for so long anybody may enroll; 0 closes the window."""

    seconds: Annotated[float, between(0, _LONGEST_WINDOW_S)] = 300.0


class DoorDesk:
    """Handlers for the daemon's own verbs; `verbs` goes into the `Desk`."""

    def __init__(self, roster: Roster, enrolling: Enrolling, state: StateTeller, now_s: Callable[[], float]) -> None:
        self._roster = roster
        self._enrolling = enrolling
        self._state = state
        self._now_s = now_s
        self.verbs: dict[str, Verb] = {
            "enroll": Verb(self._enroll),
            "cancel": Verb(self._cancel),
            "undo_press": Verb(self._hold),
            "window": Verb(self._window),
            "status": Verb(self._status),
        }

    def _enroll(self, data: JsonObject) -> dict[str, Any]:
        asked = from_object("enroll", EnrollData, data)
        if asked.name is not None:
            refuse_taken(self._roster, asked.name, force=asked.force)
        session = self._enrolling.request(self._now_s(), asked.name, anyway=asked.anyway)
        return {"session": session}

    def _cancel(self, _: JsonObject) -> dict[str, Any]:
        ended = self._enrolling.cancel(self._now_s())
        if ended is None:
            raise RefusedError("there is nothing to cancel")
        return {"state": "cancelled", "of": ended.of}

    def _hold(self, _: JsonObject) -> dict[str, Any]:
        """What came of it: `asking` for a second one, `undone`, or `cancelled`, as while somebody is enrolled."""
        came = self._enrolling.hold(self._now_s()) or Refused("busy")
        match came:
            case Refused():
                raise error_of(came)
            case Cancelled():
                return {"state": "cancelled", "of": came.of}
            case Undone():
                return {"state": "undone", "person": came.person}
        person = self._roster.last_enrolled()
        known = self._roster.people.get(person or "")
        return {"state": "asking", "person": person, "name": known.name if known else None}

    def _window(self, data: JsonObject) -> dict[str, Any]:
        seconds = from_object("window", WindowData, data).seconds
        self._enrolling.open_window(self._now_s() + seconds)
        policy = self._enrolling.policy
        note = {} if policy == "window" else {"note": f"it makes no difference, because the policy is {policy}"}
        return {"seconds": seconds, **note}

    def _status(self, _: JsonObject) -> dict[str, Any]:
        return to_object(self._state.compose())
