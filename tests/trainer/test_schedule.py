"""When a refresh is due, also after the server was off, and when the clock was set back."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from trainer.schedule import Schedule

SUNDAY = datetime(2031, 5, 4, 12, 0)  # noqa: DTZ001 - a server's local time, as people write schedules


def test_off_is_never_due() -> None:
    assert not Schedule.parse("off").due(SUNDAY, None)


def test_daily_is_due_once_after_its_time() -> None:
    schedule = Schedule.parse("daily 03:00")
    three = SUNDAY.replace(hour=3)
    assert not schedule.due(three - timedelta(minutes=1), SUNDAY - timedelta(days=1))
    assert schedule.due(three, SUNDAY - timedelta(days=1))
    assert not schedule.due(three + timedelta(minutes=5), three + timedelta(minutes=1))


def test_one_missed_while_the_server_was_off_is_made_up() -> None:
    assert Schedule.parse("daily 03:00").due(SUNDAY, SUNDAY - timedelta(days=9))


def test_the_first_daily_one_waits_for_its_time() -> None:
    assert not Schedule.parse("daily 03:00").due(SUNDAY, None)


def test_weekly_is_due_on_its_day_alone() -> None:
    schedule = Schedule.parse("weekly sun 03:00")
    last = SUNDAY - timedelta(days=6)
    assert not schedule.due(SUNDAY - timedelta(days=1), last)
    assert schedule.due(SUNDAY, last)


def test_every_so_often_begins_at_once() -> None:
    schedule = Schedule.parse("every 6 h")
    assert schedule.due(SUNDAY, None)
    assert not schedule.due(SUNDAY, SUNDAY - timedelta(hours=5))
    assert schedule.due(SUNDAY, SUNDAY - timedelta(hours=6))


@pytest.mark.parametrize("text", ["daily 03:00", "weekly sun 03:00", "every 6 h"])
def test_a_clock_that_was_set_back_repeats_nothing(text: str) -> None:
    assert not Schedule.parse(text).due(SUNDAY, SUNDAY + timedelta(days=1))


@pytest.mark.parametrize("text", ["", "daily", "daily 25:00", "every 0 h", "weekly 03:00", "hourly", "DAILY 03:00"])
def test_what_is_no_schedule_names_those_that_are(text: str) -> None:
    with pytest.raises(ValueError, match="known are off, daily HH:MM"):
        Schedule.parse(text)
