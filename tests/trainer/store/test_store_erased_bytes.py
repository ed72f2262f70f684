"""After an erasure nothing of the person is in any file of the store, in whatever form it was there."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import select

from tests.fakes.fleet import EMBEDDER, KEY, embedding_bytes, erased, report
from trainer.statistics import fold_of
from trainer.store.engine import reading
from trainer.store.records import Poison
from trainer.store.store import FleetStore
from trainer.store.tables import exemplars, people, pooled, set_aside

PIECE = 8


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def words(data: bytes, start: int = 0) -> NDArray[np.uint64]:
    return np.frombuffer(data[start : start + (len(data) - start) // PIECE * PIECE], np.uint64)


def found(folder: Path, secrets: list[bytes]) -> set[str]:
    """The files in which any eight bytes of any secret are; by chance that is less likely than a failing disk."""
    wanted = np.unique(np.concatenate([words(secret) for secret in secrets]))
    assert len(wanted)
    return {
        name
        for name, data in files(folder).items()
        for start in range(PIECE)
        if np.isin(words(data, start), wanted).any()
    }


def sealed_of(store: FleetStore, person: str) -> list[bytes]:
    """Their wrapped key, what it sealed, the sums that they are part of, and what was set aside of them."""
    theirs = select(people.c.id).where(people.c.person == person)
    queries = (
        select(people.c.wrapped_key).where(people.c.person == person),
        select(exemplars.c.sealed).where(exemplars.c.owner.in_(theirs)),
        select(pooled.c.sealed).where(pooled.c.fold == fold_of(person)),
        select(set_aside.c.wrapped_key).where(set_aside.c.person == person),
        select(set_aside.c.head).where(set_aside.c.person == person),
    )
    with reading(store._engine) as connection:
        return [bytes(value) for query in queries for value in connection.scalars(query)]


def fill(store: FleetStore) -> None:
    """People before and after ours, so that theirs are pages in the middle of the file."""
    told = [report(person=f"p{number}", dim=128, pictures=4) for number in range(30)]
    with store.write() as writer:
        for one in told:
            writer.person(one)
        writer.set_aside(Poison("front", "doorward/front/fleet/people", "p7", "bad", 9000, "0f" * 32, b"head" * 500))
    store.pool_new(EMBEDDER)


@pytest.mark.parametrize("everywhere", [False, True])
def test_nothing_of_somebody_erased_is_in_the_files(tmp_path: Path, everywhere: bool) -> None:
    with FleetStore.open(f"sqlite:///{tmp_path}/fleet.db", KEY) as store:
        fill(store)
        secrets = sealed_of(store, "p7")
        assert len(secrets) >= 8
        assert found(tmp_path, secrets)
        with store.write() as writer:
            assert writer.erase_everywhere("p7") == 1 if everywhere else writer.erased(erased(person="p7")) == "erased"
        assert found(tmp_path, secrets) == set()
        assert not store.status().remains
        assert b"p8" in files(tmp_path)["fleet.db"]


def test_nothing_of_a_report_is_left_once_a_newer_one_took_its_place(tmp_path: Path) -> None:
    with FleetStore.open(f"sqlite:///{tmp_path}/fleet.db", KEY) as store:
        fill(store)
        secrets = sealed_of(store, "p7")[:5]
        with store.write() as writer:
            writer.person(report(person="p7", revision=2, dim=128))
        assert found(tmp_path, secrets) == set()


def test_no_embedding_is_ever_in_a_file_as_it_is(tmp_path: Path) -> None:
    with FleetStore.open(f"sqlite:///{tmp_path}/fleet.db", KEY) as store:
        fill(store)
        plain = [spelled for number in range(30) for spelled in embedding_bytes(report(person=f"p{number}", dim=128))]
        assert found(tmp_path, plain) == set()
        assert found(tmp_path, [KEY.to_text().split()[1].encode(), bytes(range(32))]) == set()


def test_a_reader_in_the_way_delays_the_scrubbing_and_it_is_not_forgotten(tmp_path: Path) -> None:
    with FleetStore.open(f"sqlite:///{tmp_path}/fleet.db", KEY) as store:
        fill(store)
        secrets = sealed_of(store, "p7")
        reader = sqlite3.connect(tmp_path / "fleet.db", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM people").fetchone()
        with store.write() as writer:
            writer.erased(erased(person="p7"))
        assert found(tmp_path, secrets)
        assert store.status().remains
        assert not store.tidy()
        reader.close()
        assert store.tidy()
        assert found(tmp_path, secrets) == set()
        assert not store.status().remains


def test_what_a_killed_program_left_is_scrubbed_with_the_next_opening(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/fleet.db"
    with FleetStore.open(url, KEY) as store:
        fill(store)
        secrets = sealed_of(store, "p7")
        reader = sqlite3.connect(tmp_path / "fleet.db", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM people").fetchone()
        with store.write() as writer:
            writer.erased(erased(person="p7"))
        reader.close()
    with FleetStore.open(url, KEY) as store:
        assert not store.status().remains
    assert found(tmp_path, secrets) == set()


def test_an_erasure_leaves_no_key_in_any_table(store: FleetStore) -> None:
    fill(store)
    secrets = sealed_of(store, "p7")
    with store.write() as writer:
        writer.erased(erased(person="p7"))
    with reading(store._engine) as connection:
        queries = (select(people.c.wrapped_key), select(exemplars.c.sealed))
        left = {bytes(value) for query in queries for value in connection.scalars(query)}
    assert len(left) == 29 * 5
    assert not left & set(secrets)
    assert store.tidy()
    assert not store.status().remains
