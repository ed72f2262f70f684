"""Several programs on one store at once, one that is killed, and a database that goes away: the sums hold."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.contract.fleet import PersonReport
from edge.errors import StoreError
from tests.fakes.fleet import DIM, EMBEDDER, KEY, assert_same_sums, erased, report, sums_from_scratch
from tests.fakes.postgres import Postgres
from trainer.statistics import Statistics
from trainer.store.problems import StoreAwayError
from trainer.store.store import FleetStore

ROOT = Path(__file__).resolve().parents[3]
OpenStore = Callable[[], FleetStore]


def total(store: FleetStore) -> Statistics:
    together = Statistics.empty(DIM)
    for sums in store.pooled(EMBEDDER):
        together = together + sums
    return together


def stubbornly(do: Callable[[], object]) -> None:
    """Again while two stand in each other's way, as the ingest does."""
    for _ in range(50):
        try:
            do()
        except StoreAwayError:
            time.sleep(random.uniform(0, 0.05))
        else:
            return
    pytest.fail("never came through")


class Work(threading.Thread):
    """One program of several, with its own order of the same messages."""

    def __init__(self, store: FleetStore, messages: list[tuple[str, int]], seed: int) -> None:
        super().__init__()
        self.store, self.messages = store, list(messages)
        random.Random(seed).shuffle(self.messages)
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            for start in range(0, len(self.messages), 7):
                stubbornly(lambda batch=self.messages[start : start + 7]: self.write(batch))  # type: ignore[misc]  # bound now
                if start % 3 == 0:
                    stubbornly(lambda: self.store.pool_new(EMBEDDER, chunk=4))
        except BaseException as error:  # noqa: BLE001 - told by the test
            self.error = error

    def write(self, batch: list[tuple[str, int]]) -> None:
        with self.store.write() as writer:
            for person, revision in batch:
                if revision % 4 == 0:
                    writer.erased(erased(person=person, revision=revision))
                else:
                    writer.person(report(person=person, revision=revision, pictures=2, night=1))


def test_programs_that_write_the_same_people_in_other_orders_agree(open_store: OpenStore) -> None:
    messages = [(f"p{number}", revision) for number in range(12) for revision in range(1, 3 + number % 4)]
    workers = [Work(open_store(), messages, seed) for seed in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.error for worker in workers] == [None] * 3
    store = open_store()
    left = [
        report(person=f"p{number}", revision=2 + number % 4, pictures=2, night=1)
        for number in range(12)
        if (2 + number % 4) % 4 != 0
    ]
    assert {(one.person, *one.exemplars) for one in store.embeddings(EMBEDDER)} == {
        (one.person, *(exemplar.exemplar for exemplar in one.exemplars)) for one in left
    }
    pooled = store.status().embedders[EMBEDDER].pooled
    assert total(store).people == pooled
    store.pool_new(EMBEDDER)
    assert_same_sums(total(store), sums_from_scratch(left))


POOL = """
import sys
from tests.fakes.fleet import EMBEDDER, KEY
from trainer.store.store import FleetStore
FleetStore.open(sys.argv[1], KEY).pool_new(EMBEDDER, chunk=1, progress=lambda done, of: print(done, flush=True))
"""


def test_adding_up_that_is_killed_goes_on_where_it_was(database: str) -> None:
    told: list[PersonReport] = [report(person=f"p{number}", pictures=2) for number in range(200)]
    with FleetStore.open(database, KEY) as store:
        with store.write() as writer:
            for one in told:
                writer.person(one)
        for kill_at in (3, 20):
            running = subprocess.Popen(
                [sys.executable, "-c", POOL, database], stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ}
            )
            assert running.stdout is not None
            for line in running.stdout:
                if int(line) == kill_at:
                    running.send_signal(signal.SIGKILL)
                    break
            running.wait(30)
            running.stdout.close()
            done = store.status().embedders[EMBEDDER].pooled
            assert 0 < done < len(told)
            assert total(store).people == done
        assert store.pool_new(EMBEDDER).added == len(told) - done
        assert_same_sums(total(store), sums_from_scratch(told))


def test_a_database_that_went_away_is_told_and_used_again_when_it_is_back(postgres: Postgres) -> None:
    with FleetStore.open(postgres.empty_database(), KEY) as store:
        with store.write() as writer:
            writer.person(report(person="p1"))
        postgres.kill()
        with pytest.raises(StoreAwayError) as caught, store.write() as writer:
            writer.person(report(person="p2"))
        assert "\n" not in str(caught.value)
        postgres.start()
        with store.write() as writer:
            assert writer.person(report(person="p2")) == "stored"
        assert {one.person for one in store.embeddings(EMBEDDER)} == {"p1", "p2"}


def test_a_database_that_goes_away_within_a_transaction_undoes_it(postgres: Postgres) -> None:
    with FleetStore.open(postgres.empty_database(), KEY) as store:

        def cut() -> None:
            with store.write() as writer:
                writer.person(report(person="p1"))
                postgres.kill()
                writer.person(report(person="p2"))

        with pytest.raises(StoreAwayError):
            cut()
        postgres.start()
        assert list(store.embeddings(EMBEDDER)) == []


def test_a_full_disk_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    with FleetStore.open(f"sqlite:///{tmp_path}/fleet.db", KEY) as store:
        with store.write() as writer:
            writer.person(report(person="p1"))
        with store._engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()

        def limit(connection: object, _record: object) -> None:
            connection.execute(f"PRAGMA max_page_count = {pages}")  # type: ignore[attr-defined]

        from sqlalchemy import event

        event.listen(store._engine, "connect", limit)

        def overflow() -> None:
            with store.write() as writer:
                for number in range(100):
                    writer.person(report(person=f"q{number}", dim=DIM))

        with pytest.raises(StoreAwayError, match="its disk is full: make room on it"):
            overflow()
        event.remove(store._engine, "connect", limit)
        assert {one.person for one in store.embeddings(EMBEDDER)} == {"p1"}


def test_memory_stays_flat_while_people_are_added_up(tmp_path: Path) -> None:
    import tracemalloc

    with FleetStore.open(f"sqlite:///{tmp_path}/fleet.db", KEY) as store:
        peaks: list[int] = []
        for start, count in ((0, 100), (100, 600)):
            with store.write() as writer:
                for number in range(start, start + count):
                    writer.person(report(person=f"p{number}", dim=64))
            tracemalloc.start()
            store.pool_new(EMBEDDER, chunk=20)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert peaks[1] < 1.5 * peaks[0] + 100_000, peaks


def test_a_value_that_no_database_takes_is_told_apart_from_one_that_is_away(postgres: Postgres) -> None:
    from sqlalchemy import text

    from trainer.store.engine import writing
    from trainer.store.problems import UnstorableError, explaining

    with FleetStore.open(postgres.empty_database(), KEY) as store:

        def put(statement: str) -> None:
            with explaining("x", "trying"), writing(store._engine) as connection:
                connection.execute(text(statement))

        for wrong in ("INSERT INTO gone VALUES ('p', 'd', 1e30::numeric::bigint, 0)", "INSERT INTO gone VALUES (NULL)"):
            with pytest.raises(UnstorableError):
                put(wrong)
        with pytest.raises(StoreError) as caught:
            put("SELECT * FROM nowhere")
        assert not isinstance(caught.value, UnstorableError | StoreAwayError)
