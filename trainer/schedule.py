"""When a refresh is due: `off`, `daily 03:00`, `weekly sun 03:00`, or `every 6 h`. Pure; local time of the server.

Running it is the ingest process's business (`ingest/`), which starts a process of its own for each refresh, so that
TensorFlow's memory comes back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAILY = re.compile(r"daily ([01][0-9]|2[0-3]):([0-5][0-9])")
_WEEKLY = re.compile(rf"weekly ({'|'.join(_DAYS)}) ([01][0-9]|2[0-3]):([0-5][0-9])")
_EVERY = re.compile(r"every ([1-9][0-9]{0,3}) (min|h|d)")
_UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
FORMS = "off, daily HH:MM, weekly sun HH:MM, or every N min, h or d"


@dataclass(frozen=True, slots=True)
class Schedule:
    """period: between two refreshes; None for never. at: minute of the day, or None. weekday: 0 Monday, or None."""

    period: timedelta | None
    at: int | None = None
    weekday: int | None = None

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Raises:
        ValueError: not one of FORMS.
        """
        if text == "off":
            return cls(None)
        if found := _DAILY.fullmatch(text):
            return cls(timedelta(days=1), int(found[1]) * 60 + int(found[2]))
        if found := _WEEKLY.fullmatch(text):
            return cls(timedelta(weeks=1), int(found[2]) * 60 + int(found[3]), _DAYS.index(found[1]))
        if found := _EVERY.fullmatch(text):
            return cls(int(found[1]) * _UNITS[found[2]])
        raise ValueError(f"{text!r} is no schedule; known are {FORMS}")

    def due(self, now: datetime, last: datetime | None) -> bool:
        """Whether one is to be run now. last: when the last one ran, None for never.

        A clock that was set back makes none due that was run already; one missed while the server was off is made up.
        """
        if self.period is None:
            return False
        if self.at is None:
            return last is None or now - last >= self.period
        slot = self._slot_before(now)
        return last is not None and last < slot <= now

    def _slot_before(self, now: datetime) -> datetime:
        """The latest time of day, and of the week, that has come."""
        at = self.at or 0
        slot = now.replace(hour=at // 60, minute=at % 60, second=0, microsecond=0)
        while slot > now or (self.weekday is not None and slot.weekday() != self.weekday):
            slot -= timedelta(days=1)
        return slot
