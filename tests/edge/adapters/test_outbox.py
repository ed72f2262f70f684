"""The outbox's file: what is committed is there in order, the bounds hold and are counted, damage loses little."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge.adapters.outbox import Outbox, OutboxLimits
from edge.adapters.outbox_file import damaged, files
from edge.errors import StoreError
from tests.fakes.log_lines import lines

ALL = 10_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outbox.db"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    box = Outbox(path)
    box.open()
    yield box
    box.close()


def reopened(path: Path, limits: OutboxLimits | None = None) -> Outbox:
    box = Outbox(path, limits)
    box.open()
    return box


def fill(box: Outbox, count: int, first: int = 0, person: str | None = None) -> None:
    for number in range(first, first + count):
        box.put(f"event-{number}", "doorward/front/events", b"payload %d" % number, person)


def ids(box: Outbox, after: int = 0) -> list[str]:
    return [entry.event_id for entry in box.unsent(after, ALL)]


def numbers(first: int, last: int) -> list[str]:
    return [f"event-{number}" for number in range(first, last)]


def bytes_on_disk(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


def test_making_one_opens_nothing(path: Path) -> None:
    Outbox(path)
    assert not path.parent.exists()


def test_committed_events_are_there_in_order_after_a_restart(outbox: Outbox, path: Path) -> None:
    fill(outbox, 25)
    assert outbox.commit()
    outbox.close()
    again = reopened(path)
    entries = again.unsent(0, ALL)
    assert [entry.event_id for entry in entries] == numbers(0, 25)
    assert entries[7].payload == b"payload 7"
    assert entries[7].topic == "doorward/front/events"
    again.close()


def test_what_is_not_committed_is_not_sent(outbox: Outbox) -> None:
    fill(outbox, 3)
    assert ids(outbox) == []
    outbox.commit()
    assert ids(outbox) == numbers(0, 3)


def test_one_commit_writes_all_that_waits(outbox: Outbox) -> None:
    fill(outbox, 100)
    outbox.commit()
    outbox.commit()
    assert outbox.report().commits == 1


def test_an_event_that_was_put_twice_is_there_once(outbox: Outbox) -> None:
    fill(outbox, 2)
    fill(outbox, 2)
    outbox.commit()
    fill(outbox, 2)
    outbox.commit()
    assert ids(outbox) == numbers(0, 2)
    assert outbox.report().rows == 2


def test_removed_events_are_gone_also_after_a_restart(outbox: Outbox, path: Path) -> None:
    fill(outbox, 5)
    outbox.commit()
    outbox.remove(["event-1", "event-3", "never heard of"])
    assert ids(outbox) == ["event-0", "event-2", "event-4"]
    outbox.commit()
    outbox.close()
    again = reopened(path)
    assert ids(again) == ["event-0", "event-2", "event-4"]
    assert again.report().bytes == 3 * len(b"payload 0")
    again.close()


def test_a_sent_event_waits_for_its_receiver_also_after_a_restart(outbox: Outbox, path: Path) -> None:
    fill(outbox, 4)
    outbox.commit()
    outbox.mark_sent("event-0")
    outbox.mark_sent("event-2")
    assert ids(outbox) == ["event-1", "event-3"]
    outbox.commit()
    outbox.close()
    again = reopened(path)
    assert [entry.event_id for entry in again.unacknowledged(ALL, ALL)] == ["event-0", "event-2"]
    assert [entry.event_id for entry in again.unacknowledged(2, ALL)] == ["event-0"]
    assert again.last_sent() == 3
    again.forget_sent()
    assert ids(again) == numbers(0, 4)
    again.close()


def test_at_the_bound_of_rows_the_oldest_go_and_are_counted(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    box = reopened(path, OutboxLimits(max_rows=10))
    fill(box, 8)
    box.commit()
    fill(box, 5, first=8)
    box.commit()
    assert ids(box) == numbers(3, 13)
    assert (box.report().rows, box.report().dropped) == (10, 3)
    assert lines(caplog) == ["the outbox is full: the oldest events were let go so_far=3"]
    box.close()
    again = reopened(path, OutboxLimits(max_rows=10))
    assert again.report().dropped == 3
    again.close()


def test_at_the_bound_of_bytes_the_oldest_go_and_are_counted(path: Path) -> None:
    box = reopened(path, OutboxLimits(max_bytes=1000))
    for number in range(12):
        box.put(f"event-{number}", "t", bytes(100))
    box.commit()
    assert ids(box) == numbers(2, 12)
    assert (box.report().bytes, box.report().dropped) == (1000, 2)
    box.put("huge", "t", bytes(1001))
    box.commit()
    assert ids(box) == numbers(2, 12)
    assert box.report().dropped == 3
    box.close()


def test_a_full_outbox_does_not_fill_the_log(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    box = reopened(path, OutboxLimits(max_rows=1))
    for number in range(300):
        fill(box, 1, first=number)
        box.commit()
    assert box.report().dropped == 299
    assert len(caplog.records) <= 10
    box.close()


def test_a_file_that_is_no_database_is_set_aside_and_told(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database " * 100)
    box = reopened(path)
    fill(box, 2)
    assert box.commit()
    assert ids(box) == numbers(0, 2)
    assert damaged(path).read_bytes().startswith(b"not a database")
    assert box.report().set_aside == damaged(path)
    assert box.report().trouble is None
    assert lines(caplog) == [
        f"the outbox is damaged file={path} reason=file is not a database kept_as={damaged(path)} events_saved=0"
    ]
    box.close()


def test_a_damaged_page_costs_its_own_events_only(path: Path) -> None:
    box = reopened(path)
    for number in range(400):
        box.put(f"event-{number}", "t", bytes(300))
    box.commit()
    box.close()
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    again = reopened(path)
    again.commit()
    kept = ids(again)
    assert again.report().set_aside is not None
    assert 300 < len(kept) < 400
    assert kept == sorted(kept, key=lambda name: int(name.removeprefix("event-")))
    fill(again, 1, first=400)
    again.commit()
    assert ids(again) == [*kept, "event-400"]
    again.close()


def test_a_file_of_a_later_version_is_set_aside(path: Path) -> None:
    reopened(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 9")
    box = reopened(path)
    assert box.report().set_aside == damaged(path)
    box.close()


def test_a_disk_that_cannot_be_written_holds_nothing_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blocked = tmp_path / "state"
    blocked.write_text("a file where the folder should be")
    box = reopened(blocked / "outbox.db")
    fill(box, 3)
    assert not box.commit()
    assert not box.commit()
    assert box.report().trouble is not None
    assert ids(box) == numbers(0, 3), "events can be sent from memory"
    assert len(caplog.records) == 1, "told once, not at each try"
    box.remove(["event-0"])
    blocked.unlink()
    assert box.commit()
    assert box.report().trouble is None
    assert ids(box) == numbers(1, 3)
    box.close()


def test_events_from_a_bad_time_come_after_those_in_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = reopened(path)
    fill(box, 3)
    box.commit()
    box.close()

    def full(_path: Path) -> sqlite3.Connection:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as disk:
        disk.setattr("edge.adapters.outbox.connect", full)
        again = reopened(path)
        fill(again, 2, first=3)
        assert not again.commit()
        assert again.report().trouble == "database or disk is full"
    assert again.commit()
    assert ids(again) == numbers(0, 5)
    again.close()


def test_memory_is_bounded_while_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    box = reopened(tmp_path / "state" / "outbox.db", OutboxLimits(max_rows=5, max_bytes=1000))
    fill(box, 8)
    assert ids(box) == numbers(3, 8)
    box.put("large", "t", bytes(990))
    assert ids(box) == ["event-7", "large"]
    assert box.report().dropped == 7


def test_an_erased_person_is_on_the_disk_no_more(outbox: Outbox, path: Path) -> None:
    fill(outbox, 3)
    for number in range(50):
        outbox.put(f"anna-{number}", "t", b'{"name":"Anna Andersen"}', "p7")
    fill(outbox, 3, first=3)
    outbox.commit()
    outbox.put("anna-late", "t", b'{"name":"Anna Andersen"}', "p7")
    damaged(path).write_bytes(b"Anna Andersen of a damaged file")
    assert b"Anna Andersen" in bytes_on_disk(path)
    assert outbox.erase_person("p7") == 51
    assert b"Anna Andersen" not in bytes_on_disk(path)
    outbox.commit()
    assert b"Anna Andersen" not in bytes_on_disk(path)
    assert ids(outbox) == numbers(0, 6)
    assert outbox.report().rows == 6
    assert outbox.report().bytes == 6 * len(b"payload 0")


def test_delivered_events_of_an_erased_person_leave_no_trace_either(outbox: Outbox, path: Path) -> None:
    outbox.put("anna", "t", b'{"name":"Anna Andersen"}' * 400, "p7")
    outbox.commit()
    outbox.remove(["anna"])
    outbox.commit()
    assert outbox.erase_person("p7") == 0
    assert b"Anna Andersen" not in bytes_on_disk(path)


def test_erasure_does_not_claim_what_it_did_not_do(outbox: Outbox, path: Path) -> None:
    outbox.put("anna", "t", b"Anna Andersen", "p7")
    outbox.commit()
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM outbox").fetchall()
        with pytest.raises(StoreError, match="another program reads it"):
            outbox.erase_person("p7")
    assert outbox.erase_person("p7") == 0
    assert b"Anna Andersen" not in bytes_on_disk(path)


def test_erasure_on_a_failing_disk_says_so(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    box = reopened(tmp_path / "state" / "outbox.db")
    with pytest.raises(StoreError, match="events about the person cannot be erased"):
        box.erase_person("p7")


def test_the_files_are_for_their_owner_alone(outbox: Outbox, path: Path) -> None:
    fill(outbox, 1)
    outbox.commit()
    assert {oct(file.stat().st_mode & 0o777) for file in files(path) if file.exists()} == {"0o600"}


def test_a_commit_is_on_the_card_and_not_in_a_cache(outbox: Outbox) -> None:
    assert outbox._db is not None
    assert outbox._db.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"
    assert outbox._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert outbox._db.execute("PRAGMA secure_delete").fetchone() == (1,)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
