"""What a worker does beside its messages: each chore in its time, a refresh started once of several workers."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from edge.errors import StoreError
from tests.fakes.fleet import KEY
from tests.fakes.messages import new_event
from tests.fakes.world import wait_until
from trainer.ingest.chores import Chore, Refreshes, chores_of, refresh_command
from trainer.ingest.notify import notify, watchdog_s
from trainer.schedule import Schedule
from trainer.store.store import FleetStore

DAY_S = 86_400.0
LONG = [sys.executable, "-c", "import time; time.sleep(600)"]


def local(hour: int, day: int = 4) -> float:
    return datetime(2031, 5, day, hour, 30).astimezone().timestamp()


def test_a_chore_is_done_at_once_and_then_in_its_time() -> None:
    done: list[int] = []
    chore = Chore("this", 10.0, lambda: done.append(1))
    for now_s in (100.0, 101.0, 109.9, 110.0, 125.0, 126.0):
        chore.turn(now_s)
    assert len(done) == 3


def test_a_store_that_fails_costs_a_chore_this_turn_alone() -> None:
    tries: list[int] = []

    def fail() -> None:
        tries.append(1)
        raise StoreError("away")

    chore = Chore("this", 10.0, fail)
    chore.turn(0.0)
    chore.turn(20.0)
    assert len(tries) == 2


def test_old_events_are_deleted_in_passing(database: str) -> None:
    now = [1000 * DAY_S]
    with FleetStore.open(database, KEY, clock=lambda: now[0]) as store:
        with store.write() as writer:
            writer.event(new_event())
        refreshes = Refreshes(store, Schedule.parse("off"), [])
        now[0] += 89 * DAY_S
        chores_of(store, 90, refreshes, lambda: True, lambda: now[0])()
        assert store.status().events == 1
        now[0] += 2 * DAY_S
        chores_of(store, 0, refreshes, lambda: True, lambda: now[0])()
        assert store.status().events == 1
        chores_of(store, 90, refreshes, lambda: True, lambda: now[0])()
        assert store.status().events == 0


@pytest.fixture
def two_stores(database: str) -> tuple[list[float], FleetStore, FleetStore]:
    now = [local(12)]
    first, second = (FleetStore.open(database, KEY, clock=lambda: now[0]) for _ in range(2))
    return now, first, second


def command(mark: Path) -> list[str]:
    return [sys.executable, "-c", f"open({str(mark)!r}, 'a').write('x')"]


def test_a_due_refresh_is_started_by_one_of_several_workers(
    two_stores: tuple[list[float], FleetStore, FleetStore], tmp_path: Path
) -> None:
    now, first, second = two_stores
    mark = tmp_path / "mark"
    workers = [Refreshes(store, Schedule.parse("daily 13:00"), command(mark)) for store in (first, second)]

    def look() -> None:
        for worker in workers:
            worker.look()

    look()  # from now on it is counted
    now[0] = local(13)  # half past
    look()
    wait_until(mark.exists, "a refresh ran")
    wait_until(lambda: mark.read_text() == "x", "once")
    for hour in (14, 20):
        now[0] = local(hour)
        look()
    assert mark.read_text() == "x"
    now[0] = local(15, day=5)
    wait_until(lambda: (look(), mark.read_text() == "xx")[1], "the next day's, made up for")  # type: ignore[func-returns-value]  # both in turn
    for worker in workers:
        worker.close()
    first.close()
    second.close()


def test_no_schedule_starts_nothing(store: FleetStore, tmp_path: Path) -> None:
    refreshes = Refreshes(store, Schedule.parse("off"), command(tmp_path / "mark"))
    refreshes.look()
    refreshes.close()
    assert not (tmp_path / "mark").exists()


def running(refreshes: Refreshes) -> subprocess.Popen[bytes]:
    assert refreshes._running is not None
    return refreshes._running[0]


def last_start(store: FleetStore) -> list[float | None]:
    """When the last refresh was started, as the next who asks is told."""
    told: list[float | None] = []

    def due(_: float, last_s: float | None) -> bool:
        told.append(last_s)
        return False

    with store.write() as writer:
        assert writer.claim_refresh(due) is None
    return told


def test_a_refresh_that_runs_ends_with_its_worker_and_is_made_up_for_at_the_next_start(
    two_stores: tuple[list[float], FleetStore, FleetStore],
) -> None:
    now, store, other = two_stores
    daily = Schedule.parse("daily 13:00")
    refreshes = Refreshes(store, daily, LONG)
    refreshes.look()  # from now on it is counted
    now[0] = local(13)
    refreshes.look()
    ended = running(refreshes)
    refreshes.look()
    assert running(refreshes) is ended  # one at a time
    refreshes.close()
    assert ended.returncode is not None
    assert last_start(store) == [local(12)]
    again = Refreshes(other, daily, LONG)
    again.look()
    assert running(again).poll() is None
    again.close()
    store.close()
    other.close()


@pytest.mark.parametrize(("code", "tries"), [(0, 1), (9, 1), (6, 2), (-9, 2)])
def test_a_refresh_that_failed_is_tried_again_after_an_hour_and_one_with_an_outcome_is_not(
    two_stores: tuple[list[float], FleetStore, FleetStore], tmp_path: Path, code: int, tries: int
) -> None:
    now, store, other = two_stores
    mark, clock_s = tmp_path / "mark", [0.0]
    end = f"os.kill(os.getpid(), {-code})" if code < 0 else f"sys.exit({code})"
    failing = [sys.executable, "-c", f"import os, sys; open({str(mark)!r}, 'a').write('x'); {end}"]
    refreshes = Refreshes(store, Schedule.parse("daily 13:00"), failing, lambda: clock_s[0])
    refreshes.look()
    now[0] = local(13)
    for at_s in (30.0, 60.0, 90.0, 3900.0):
        clock_s[0] = at_s
        refreshes.look()
        if refreshes._running is not None:
            running(refreshes).wait()
    assert mark.read_text() == "x" * tries
    refreshes.close()
    store.close()
    other.close()


def test_a_refresh_that_cannot_be_started_is_told_and_given_back(
    store: FleetStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    refreshes = Refreshes(store, Schedule.parse("every 1 min"), [str(tmp_path / "none")])
    refreshes.look()
    refreshes.close()
    assert "a refresh cannot be started" in caplog.text
    assert last_start(store) == [None]


def test_a_claim_that_another_one_followed_is_not_given_back(
    two_stores: tuple[list[float], FleetStore, FleetStore],
) -> None:
    now, store, other = two_stores
    with store.write() as writer:
        claim = writer.claim_refresh(lambda *_: True)
    assert claim is not None
    now[0] += 60
    with other.write() as writer:
        assert writer.claim_refresh(lambda *_: True) is not None
    with store.write() as writer:
        writer.give_back(claim)
    assert last_start(store) == [now[0]]
    store.close()
    other.close()


def test_the_refresh_has_the_workers_settings() -> None:
    assert refresh_command(Path("/etc/x.toml"))[-4:] == ["trainer", "refresh", "--settings", "/etc/x.toml"]
    assert refresh_command(None)[-2:] == ["trainer", "refresh"]


def test_systemd_hears_of_a_worker_whose_link_goes_round(store: FleetStore, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "30000000"}
        notify("READY=1", environ)
        assert manager.recv(100) == b"READY=1"
        assert watchdog_s(environ) == 15.0
    assert watchdog_s({}) is None
    assert watchdog_s({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}) is None


def test_no_service_manager_is_no_trouble() -> None:
    notify("READY=1", {})
    notify("READY=1", {"NOTIFY_SOCKET": "/nonexistent/socket"})


@pytest.mark.parametrize("alive", [True, False])
def test_the_watchdog_is_fed_only_while_the_link_lives(
    store: FleetStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alive: bool
) -> None:
    told: list[str] = []
    sender: Callable[[str], None] = told.append
    monkeypatch.setattr("trainer.ingest.chores.notify", sender)
    chores_of(store, 90, Refreshes(store, Schedule.parse("off"), []), lambda: alive, lambda: 0.0)()
    assert told == (["WATCHDOG=1"] if alive else [])
