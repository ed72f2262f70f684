"""From the settings to an open store: its key is made once, kept to, and told of when it is missing."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from edge.errors import StoreError
from edge.store.keys import DeviceKey, create_device_key
from trainer.settings import StoreSettings
from trainer.store.open import open_fleet_store


@pytest.fixture
def settings(tmp_path: Path, database: str) -> StoreSettings:
    return StoreSettings(folder=tmp_path / "state", url=database)


def test_the_first_start_makes_store_and_key_and_the_second_takes_them(settings: StoreSettings, tmp_path: Path) -> None:
    with open_fleet_store(settings, {}) as store:
        key_id = store.status().key_id
    key = tmp_path / "state" / "fleet.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with open_fleet_store(settings, {}, make=False) as store:
        assert store.status().key_id == key_id


def test_a_store_whose_key_is_missing_gets_no_new_one(settings: StoreSettings, tmp_path: Path) -> None:
    open_fleet_store(settings, {}).close()
    key = tmp_path / "state" / "fleet.key"
    kept = key.read_bytes()
    key.unlink()
    with pytest.raises(StoreError, match=r"fleet.key: the key [0-9a-f]{16} of an existing store is missing: put its"):
        open_fleet_store(settings, {})
    assert not key.exists()
    key.write_bytes(kept)
    key.chmod(0o600)
    open_fleet_store(settings, {}).close()


def test_a_key_file_that_is_named_must_be_there(settings: StoreSettings, tmp_path: Path) -> None:
    named = replace(settings, key_file=tmp_path / "named.key")
    with pytest.raises(StoreError, match=r"named.key: the key file is not there: put it there, or leave \[store\] key"):
        open_fleet_store(named, {})
    made = create_device_key(tmp_path / "named.key")
    with open_fleet_store(named, {}) as store:
        assert store.status().key_id == made.key_id


def test_systemd_s_credential_comes_before_the_state_folder(settings: StoreSettings, tmp_path: Path) -> None:
    key = DeviceKey.generate()
    (tmp_path / "doorward-key").write_text(key.to_text())
    with open_fleet_store(settings, {"CREDENTIALS_DIRECTORY": str(tmp_path)}) as store:
        assert store.status().key_id == key.key_id


def test_where_none_is_to_be_made_none_is_made(settings: StoreSettings, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store is there yet; `doorward-trainer ingest` makes one"):
        open_fleet_store(settings, {}, make=False)
    assert not (tmp_path / "state").exists()
