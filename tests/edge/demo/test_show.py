"""What surrounds the demonstration's door: its folder, which is never anybody else's, and its pace."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.demo import show
from edge.demo.show import _Audience, _empty
from edge.demo.story import STORY, Director
from edge.errors import StoreError
from tests.fakes.messages import new_event


def test_a_folder_that_is_not_there_is_made_for_this_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "var" / "demo"
    _empty(folder)
    assert folder.stat().st_mode & 0o077 == 0


def test_what_an_earlier_demonstration_left_is_taken_away(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    _empty(folder)
    (folder / "people.db").touch()
    (folder / "snapshots").mkdir()
    _empty(folder)
    assert [file.name for file in folder.iterdir()] == [show._MARK]


def test_a_door_s_own_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "people.db").write_bytes(b"everybody")
    with pytest.raises(StoreError, match="holds files that are no demonstration's; name another with --folder"):
        _empty(tmp_path)
    assert (tmp_path / "people.db").read_bytes() == b"everybody"


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for place in (file, file / "demo"):
        with pytest.raises(StoreError, match="name another with --folder"):
            _empty(place)
    assert file.is_file()


def test_a_story_without_pace_waits_until_its_earlier_events_were_heard() -> None:
    director = Director(STORY)
    audience = _Audience(director)
    audience.keep_up(1, unnamed=False)
    director.saw(new_event())
    audience.keep_up(0, unnamed=False)
    assert director.heard == 1


def test_an_event_that_is_never_heard_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show, "_LINK_S", 0.05)
    came: list[bool] = []
    wait_until = show._wait_until

    def noting(holds: Callable[[], bool]) -> bool:
        came.append(wait_until(holds))
        return came[-1]

    monkeypatch.setattr(show, "_wait_until", noting)
    audience = _Audience(Director(STORY))
    audience.keep_up(1, unnamed=False)
    for _ in range(3):
        audience.keep_up(0, unnamed=True)
    assert came == [True, False, True, True]
