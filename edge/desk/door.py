"""The requests that need somebody standing there: enroll, cancel, a window for enrolling, and how the door is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from edge.contract.codec import JsonObject, between, from_object, to_object
from edge.contract.messages import Name
from edge.desk.desk import Verb
from edge.door_state import StateTeller
from edge.enrollment.enrolling import Enrolling

_LONGEST_WINDOW_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollData:
    """name: of whoever stands there; without one the door gives a number. anyway: a twin of somebody enrolled."""

    name: Name | None = None
    anyway: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowData:
    """seconds: for so long anybody may enroll; 0 closes the window."""

    seconds: Annotated[float, between(0, _LONGEST_WINDOW_S)] = 300.0


class DoorDesk:
    """Handlers for the daemon's own verbs; `verbs` goes into the `Desk`."""

    def __init__(self, enrolling: Enrolling, state: StateTeller, now_s: Callable[[], float]) -> None:
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
        session = self._enrolling.request(self._now_s(), asked.name, anyway=asked.anyway)
        return {"session": session}

    def _cancel(self, _: JsonObject) -> dict[str, Any]:
        self._enrolling.cancel(self._now_s())
        return {}

    def _hold(self, _: JsonObject) -> dict[str, Any]:
        self._enrolling.hold(self._now_s())
        return {}

    def _window(self, data: JsonObject) -> dict[str, Any]:
        seconds = from_object("window", WindowData, data).seconds
        self._enrolling.open_window(self._now_s() + seconds)
        policy = self._enrolling.policy
        note = {} if policy == "window" else {"note": f"it makes no difference, because the policy is {policy}"}
        return {"seconds": seconds, **note}

    def _status(self, _: JsonObject) -> dict[str, Any]:
        return to_object(self._state.compose())
