"""The trainer's settings: defaults without a file, one line for each mistake, and the page that tells of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edge.errors import SettingsError
from trainer.settings import (
    TrainerSettings,
    load_trainer_settings,
    parse_trainer_settings,
    trainer_example_toml,
    trainer_settings_markdown,
)

FILE = Path("/etc/doorward/test.toml")
ROOT = Path(__file__).resolve().parents[2]


def problems_of(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse_trainer_settings(text, FILE)
    return str(caught.value).splitlines()


def test_without_any_file_the_store_is_a_sqlite_file_below_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_trainer_settings(environ={})
    assert settings.store.folder == tmp_path / "var" / "trainer"
    assert settings.store.url == f"sqlite:///{tmp_path}/var/trainer/fleet.db"
    assert dataclasses.replace(settings, store=TrainerSettings().store) == TrainerSettings()


def test_systemd_s_state_directory_is_the_state_folder() -> None:
    settings = load_trainer_settings(environ={"STATE_DIRECTORY": "/var/lib/doorward-trainer:/other"})
    assert settings.store.folder == Path("/var/lib/doorward-trainer")
    assert settings.store.url == "sqlite:////var/lib/doorward-trainer/fleet.db"


def test_a_file_is_taken_by_its_name_or_by_the_variable(tmp_path: Path) -> None:
    file = tmp_path / "trainer.toml"
    file.write_text('[store]\nurl = "postgresql://doorward@db/fleet"\nkey_file = "fleet.key"\n[mqtt]\ngroup = "blue"\n')
    for settings in (
        load_trainer_settings(file, environ={}),
        load_trainer_settings(environ={"DOORWARD_TRAINER_SETTINGS": str(file)}),
    ):
        assert settings.store.url == "postgresql://doorward@db/fleet"
        assert settings.store.key_file == tmp_path / "fleet.key"
        assert settings.mqtt.group == "blue"
        assert settings.source == file


def test_a_file_that_is_not_there_is_told_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no such file; name another with --settings or \$DOORWARD_TRAINER_SETT"):
        load_trainer_settings(tmp_path / "none.toml", environ={})


def test_every_mistake_is_told_at_once_with_its_key() -> None:
    text = '[refresh]\nschedule = "daily 25:00"\n[mqtt]\nport = 0\ngroup = "a/b"\n[stor]\n[events]\nretention_day = 3\n'
    found = "\n".join(problems_of(text))
    assert "[stor]: unknown section; did you mean store?" in found
    assert "[mqtt] port: found 0, must be a whole number from 1 to 65535" in found
    assert '[mqtt] group: found "a/b", must be 1 to 48 of a-z, A-Z, 0-9, _ and -' in found
    assert "[events] retention_day: unknown key; did you mean retention_days?" in found
    assert "[refresh] schedule: 'daily 25:00' is no schedule; known are off, daily HH:MM" in found


def test_files_of_the_broker_that_do_not_go_together_are_told() -> None:
    found = "\n".join(problems_of('[mqtt]\npassword_file = "p"\ncert_file = "c"\n'))
    assert "[mqtt] password_file: is set without username; set that too" in found
    assert "[mqtt] cert_file: is set alone; set cert_file and key_file, or neither" in found
    assert "[mqtt] cert_file: is set without ca_file" in found


def test_the_example_changes_nothing_also_with_every_key_taken_in() -> None:
    assert dataclasses.replace(parse_trainer_settings(trainer_example_toml(), FILE), source=None) == TrainerSettings()
    lines = [line if line.startswith("# ") else line.removeprefix("#") for line in trainer_example_toml().splitlines()]
    taken = parse_trainer_settings("\n".join(lines), FILE)
    assert taken.refresh == TrainerSettings().refresh
    assert taken.store.url.startswith("postgresql://")


def test_the_page_is_the_one_that_is_kept() -> None:
    page = (ROOT / "docs" / "trainer-settings.md").read_text(encoding="utf-8")
    command = "python -m trainer.settings > docs/trainer-settings.md"
    assert page == trainer_settings_markdown(), f"write it again: {command}"
