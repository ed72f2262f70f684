"""The two databases that the store and what stands on it are tried with."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.fleet import KEY
from tests.fakes.postgres import Postgres, find_postgresql
from trainer.store.store import FleetStore


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A private PostgreSQL; where all tests must run (CI=true) it may not be missing."""
    programs = find_postgresql()
    if programs is None:
        words = "PostgreSQL is not installed (Debian: apt install postgresql)"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
    cluster = Postgres(programs)
    yield cluster
    cluster.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/state/fleet.db"
        return
    cluster: Postgres = request.getfixturevalue("postgres")
    yield cluster.empty_database()


@pytest.fixture
def open_store(database: str) -> Iterator[Callable[[], FleetStore]]:
    """`open_store()` opens one more store on the test's database."""
    stores: list[FleetStore] = []

    def opened() -> FleetStore:
        stores.append(FleetStore.open(database, KEY))
        return stores[-1]

    yield opened
    for store in stores:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], FleetStore]) -> FleetStore:
    return open_store()
