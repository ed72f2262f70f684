"""People who were not seen for long: reported, or erased, as the settings say. Once a day, by a steady clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge.errors import StoreError
from edge.events import clock_set
from edge.log import get_logger
from edge.ports import Clock
from edge.roster import Roster

_log = get_logger("retention")
_DAY_S = 86_400.0
# A clock that jumps ahead by years would make everybody due at once: after a jump it must go steadily for a day.
_FIRST_AFTER_S = 3600.0
_STEADY_WITHIN_S = 3600.0


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """days: unseen for so long is due; 0 switches retention off."""

    days: int = 0
    action: Literal["list", "erase"] = "list"


class Retention:
    """Looks once a day who is due. One thread owns it: the daemon's."""

    def __init__(self, rules: RetentionRules, roster: Roster, clock: Clock) -> None:
        self._rules = rules
        self._roster = roster
        self._clock = clock
        self._due_s: float | None = None
        self._wall_then_s = self._passed_s = 0.0

    def tend(self) -> None:
        """Look, if it is time to. Erasing is committed person by person; what fails is tried again the next day."""
        now_s = self._clock.monotonic_s()
        if not self._rules.days or not self._is_due(now_s):
            return
        for person in self._roster.unseen_since(self._clock.wall_s() - self._rules.days * _DAY_S):
            if self._rules.action == "list":
                _log.warning("not seen for long", person=person.id, days=self._rules.days)
            else:
                self._erase(person.id)

    def _is_due(self, now_s: float) -> bool:
        """Whether a day has passed, in which the clock did not jump."""
        if self._due_s is None:
            self._begin(now_s, _FIRST_AFTER_S)
            return False
        if now_s < self._due_s:
            return False
        went_s = self._clock.wall_s() - self._wall_then_s
        steady = abs(went_s - self._passed_s) < _STEADY_WITHIN_S and clock_set(self._clock)
        self._begin(now_s, _DAY_S)
        return steady

    def _begin(self, now_s: float, wait_s: float) -> None:
        self._due_s, self._passed_s, self._wall_then_s = now_s + wait_s, wait_s, self._clock.wall_s()

    def _erase(self, person: str) -> None:
        try:
            receipt = self._roster.erase(person, self._clock.wall_s())
        except StoreError as error:
            _log.warning("somebody who is due could not be erased", person=person, reason=error)
            return
        _log.info("erased: not seen for long", person=person, receipt=receipt.number, complete=receipt.complete)
