"""The commands in this process, without a daemon: what they print where, and their exit codes."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from edge import __version__, ask
from edge.adapters import control
from edge.cli import _REPORT, main
from edge.commands import JSON_SCHEMA, press
from edge.commands.people_text import lines_of
from edge.demo.story import PICTURES
from edge.errors import CameraError, DoorwardError, RefusedError, StoreError, error_of
from edge.settings import Settings
from edge.store.session import StoreSession
from edge.store.templates import TemplateStore
from tests.fakes.door import failing

Captured = pytest.CaptureFixture[str]


def picture(name: str) -> str:
    return str(PICTURES / f"{name}.jpg")


class Commands:
    """Runs `doorward` with a state folder of its own."""

    def __init__(self, folder: Path, captured: Captured) -> None:
        self.folder = folder
        self.settings = folder / "doorward.toml"
        self.settings.write_text(f'[store]\nfolder = "{folder}/state"\n[mqtt]\nenabled = false\n')
        self._captured = captured

    def run(self, *arguments: str | Path) -> tuple[int, str, str]:
        code = main(["--settings", str(self.settings), *map(str, arguments)])
        captured = self._captured.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return code, captured.out, captured.err

    def json(self, *arguments: str | Path) -> Any:
        code, out, err = self.run(*arguments, "--json")
        assert (code, err) == (0, "")
        answer = json.loads(out)
        assert answer["schema"] == JSON_SCHEMA
        return answer


@pytest.fixture
def doorward(tmp_path: Path, capsys: Captured) -> Iterator[Commands]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield Commands(tmp_path, capsys)
    root.handlers[:], root.level = before
    logging.getLogger("doorward").setLevel(logging.NOTSET)
    logging.captureWarnings(capture=False)


def test_the_version_and_the_help_need_nothing(capsys: Captured) -> None:
    for argument in ("--version", "--help"):
        with pytest.raises(SystemExit) as end:
            main([argument])
        assert end.value.code == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"doorward {__version__}\n")
    assert "Exit codes: 0 done" in printed
    assert "commands/" not in printed


@pytest.mark.parametrize("arguments", [[], ["dance"], ["identify"], ["enroll", "Ada"], ["people"], ["settings", "eat"]])
def test_wrong_use_is_2_with_the_usage(capsys: Captured, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("usage: doorward")


def test_a_person_is_enrolled_listed_and_identified(doorward: Commands) -> None:
    code, out, err = doorward.run("enroll", "Barack", picture("obama"), picture("obama2"))
    assert (code, err) == (0, "")
    person = out.split()[3]
    assert out == f"enrolled Barack as {person} from 2 pictures\n"
    code, out, _ = doorward.run("people", "list")
    assert code == 0
    assert [line.split()[:4] for line in out.splitlines()] == [
        ["id", "name", "verified", "pictures"],
        [person, "Barack", "yes", "2"],
    ]
    code, out, err = doorward.run("identify", picture("obama3"), picture("biden"), picture("coffee"))
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith(f"{picture('obama3')}: Barack  score ")
    assert lines[1].startswith(f"{picture('biden')}: stranger  score ")
    assert lines[2] == f"{picture('coffee')}: no face"


def test_the_same_as_json_with_a_schema_and_without_an_embedding(doorward: Commands) -> None:
    enrolled = doorward.json("enroll", "Barack", picture("obama"))
    assert (enrolled["name"], enrolled["exemplars"], enrolled["skipped"]) == ("Barack", 1, [])
    assert [person["person"] for person in doorward.json("people", "list")["people"]] == [enrolled["person"]]
    assert doorward.json("people", "show", "barack")["person"] == enrolled["person"]
    found = doorward.json("identify", picture("obama2"))
    assert found["file"] == picture("obama2")
    (face,) = found["faces"]
    assert (face["outcome"], face["person"], face["name"]) == ("known", enrolled["person"], "Barack")
    assert set(face) == {"outcome", "person", "name", "reason", "score", "box", "norm", "quality"}
    assert face["box"]["width"] > 50


def test_in_an_empty_house_everybody_is_a_stranger_and_nothing_is_made(doorward: Commands) -> None:
    empty = f"doorward: nobody is enrolled yet in {doorward.folder}/state\n"
    code, out, err = doorward.run("identify", picture("obama"), "--json")
    assert (code, err) == (0, empty)
    assert [(face["outcome"], face["score"]) for face in json.loads(out)["faces"]] == [("stranger", None)]
    code, out, err = doorward.run("identify", picture("obama"), picture("biden"))
    assert (code, err) == (0, empty)
    assert [line.split(": ")[1].split("  ")[0] for line in out.splitlines()] == ["stranger", "stranger"]
    assert "score" not in out
    assert not (doorward.folder / "state").exists()


def test_what_was_merged_and_what_is_under_review_is_shown_by_id(doorward: Commands) -> None:
    person = doorward.json("enroll", "Barack", picture("obama"))["person"]
    other = doorward.json("enroll", "Joe", picture("biden"))["person"]
    assert "merged" not in doorward.run("people", "show", "Barack")[1]
    doorward.run("people", "merge", other, person)
    code, out, err = doorward.run("people", "show", "Barack")
    assert (code, err) == (0, "")
    assert out.splitlines()[2] == f"merged into them: {other} (`doorward people unmerge ID`)"
    answer = doorward.json("people", "show", "Barack") | {"under_review": ["e_1", "e_2"]}
    assert list(lines_of("show", answer, doorward.folder))[3] == (
        "under review: e_1, e_2 (`doorward people keep-exemplar ID` or `reject-exemplar ID`)"
    )


def test_nobody_unseen_or_provisional_is_no_empty_house(doorward: Commands) -> None:
    doorward.run("enroll", "Barack", picture("obama"))
    assert doorward.run("people", "unseen", "30") == (0, "nobody was unseen for so long\n", "")
    assert doorward.run("people", "provisional") == (0, "nobody is provisional\n", "")


@pytest.mark.parametrize(
    ("words", "done"), [(("erase", "--yes", "barack"), "erased Barack"), (("undo",), "took back the last enrollment")]
)
def test_an_erasure_is_told_in_a_sentence_with_a_receipt_that_holds(
    doorward: Commands, words: tuple[str, ...], done: str
) -> None:
    person = doorward.json("enroll", "Barack", picture("obama"))["person"]
    code, out, err = doorward.run("people", *words)
    assert (code, err) == (0, "")
    sentence, way = out.splitlines()
    receipt = doorward.folder / "state" / "receipts" / "000001.json"
    assert re.fullmatch(rf"{done} \(id {person}\): \d+ things? in \d+ places?; complete", sentence)
    assert way == f"receipt: {receipt} (`doorward people verify {receipt}`)"
    assert doorward.run("people", "verify", receipt)[0] == 0


def test_what_is_done_is_told_as_done_although_its_snapshot_failed(
    doorward: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    doorward.run("enroll", "Barack", picture("obama"))
    monkeypatch.setattr(TemplateStore, "snapshot", failing(TemplateStore.snapshot))
    code, out, err = doorward.run("people", "rename", "Barack", "Obama")
    assert code == 0
    assert "Obama" in out
    (line,) = err.splitlines()
    assert "warning store: it is done, but the store could not be tended; it is the next time" in line
    assert "the disk is full" in line
    assert "Obama" in doorward.run("people", "list")[1]


@pytest.mark.parametrize("words", [("erase", "--yes", "Barack"), ("undo",), ("rename", "Barack", "Obama")])
def test_a_read_only_folder_is_the_cause_that_is_told_of_whatever_it_keeps_from(
    doorward: Commands, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    doorward.run("enroll", "Barack", picture("obama"))

    def read_only(_: StoreSession, doing: str) -> None:
        raise StoreError(f"{doing} failed: people.db cannot be written: its disk or directory is read-only")

    monkeypatch.setattr(StoreSession, "require_writable", read_only)
    code, out, err = doorward.run("people", *words)
    doing = {"erase": "erasing p_", "undo": "undoing the last enrollment failed", "rename": "renaming p_"}[words[0]]
    assert (code, out) == (StoreError.exit_code, "")
    (line,) = err.splitlines()
    assert line.startswith(f"doorward: {doing}")
    assert line.endswith("failed: people.db cannot be written: its disk or directory is read-only")


def test_commands_that_recognize_nobody_load_no_head_and_make_no_table(
    doorward: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    doorward.run("enroll", "Barack", picture("obama"))

    def none(*_: object) -> None:
        raise AssertionError("a head was loaded")

    monkeypatch.setattr(ask, "force_of", none)
    for words in (
        ("list",),
        ("show", "Barack"),
        ("rename", "Barack", "Joe"),
        ("confirm", "Joe"),
        ("erase", "--yes", "Joe"),
    ):
        code, _, err = doorward.run("people", *words)
        assert (code, err) == (0, "")


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ({"session": "s-1"}, "session s-1"),
        (
            {"state": "asking", "person": "p_a", "name": "Ada"},
            "the door asks whether to take back the enrollment of Ada; --undo again says yes, --cancel no",
        ),
        ({"state": "undone", "person": "p_a"}, "took back the enrollment of p_a"),
        ({"state": "cancelled", "of": "enrollment"}, "the enrollment was given up"),
        ({"state": "cancelled", "of": "undo"}, "nothing was undone"),
    ],
)
def test_what_came_of_a_press_is_told_in_a_sentence(
    doorward: Commands, monkeypatch: pytest.MonkeyPatch, answer: dict[str, str], line: str
) -> None:
    monkeypatch.setattr(press, "ask", lambda *_, **__: answer)
    assert doorward.run("press", "--undo") == (0, f"{line}\n", "")


def test_a_press_under_a_name_says_whether_it_may_be_taken(doorward: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []

    def ask_door(_: Settings, __: str, data: dict[str, object], **___: object) -> dict[str, str]:
        asked.append(data)
        return {"session": "s-1"}

    monkeypatch.setattr(press, "ask", ask_door)
    doorward.run("press", "--name", "Ada")
    doorward.run("press", "--name", "Ada", "--force")
    assert asked == [{"name": "Ada", "force": False}, {"name": "Ada", "force": True}]


@pytest.mark.parametrize(
    ("code", "kind"), [(9, RefusedError), (6, StoreError), (4, CameraError), (1, DoorwardError), (None, DoorwardError)]
)
def test_an_answer_s_code_becomes_the_error_that_it_is_of(code: int | None, kind: type[DoorwardError]) -> None:
    assert error_of(code) is kind


def test_what_came_of_an_import_is_told_in_sentences(tmp_path: Path) -> None:
    answer = {"people": 1, "exemplars": 3, "already_there": 2, "erased": []}
    assert list(lines_of("import", answer, tmp_path)) == ["took in 1 person and 3 pictures; there already: 2"]
    left = "left out, as they were erased here: p_a, p_b (`--revive` takes them in)"
    assert list(lines_of("import", answer | {"erased": ["p_a", "p_b"]}, tmp_path))[1:] == [left]


def test_what_an_erasure_left_is_told_by_its_place(tmp_path: Path) -> None:
    places = [
        {"place": "store", "items": 3, "left": 0, "note": ""},
        {"place": "outbox", "items": 1, "left": 2, "note": "disk full"},
    ]
    receipt = {"people": ["p_a", "p_b"], "places": places, "number": 7}
    assert list(lines_of("erase", {"name": "Ada", "receipt": receipt}, tmp_path)) == [
        "erased Ada (ids p_a, p_b): 4 things in 2 places; still left: 2 in outbox (disk full)",
        f"receipt: {tmp_path}/000007.json (`doorward people verify {tmp_path}/000007.json`)",
    ]
    assert list(lines_of("undo", {"person": "p_a", "receipt": None}, tmp_path)) == [
        "took back the pictures that p_a was last given"
    ]


@pytest.mark.parametrize("buffering", [-1, 1])
def test_an_output_that_takes_nothing_is_1_and_one_line(
    doorward: Commands, monkeypatch: pytest.MonkeyPatch, buffering: int
) -> None:
    monkeypatch.delenv("DOORWARD_DEBUG", raising=False)
    with Path("/dev/full").open("w", buffering) as full, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", full)
        code, _, err = doorward.run("settings", "example")
    assert (code, err) == (1, "doorward: the output cannot be written: No space left on device\n")


def test_a_closed_output_is_1_and_one_line_before_anything_is_done(
    doorward: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", None)
        code, _, err = doorward.run("enroll", "Barack", picture("obama"))
    assert (code, err) == (1, "doorward: standard output is closed; send it to a file or to /dev/null\n")
    assert not (doorward.folder / "state").exists()


@pytest.mark.parametrize(
    ("seconds", "answer", "told"),
    [
        ("0", {"seconds": 0.0}, "the window is closed"),
        ("60", {"seconds": 60.0}, "people may enroll for the next 60 s"),
        ("0", {"seconds": 0.0, "note": "it makes no difference"}, "the window is closed; it makes no difference"),
    ],
)
def test_a_window_is_told_in_a_sentence(
    doorward: Commands, monkeypatch: pytest.MonkeyPatch, seconds: str, answer: dict[str, Any], told: str
) -> None:
    asked = []

    def ask(_: Settings, verb: str, data: dict[str, Any], *, at_the_door: bool) -> dict[str, Any]:
        asked.append((verb, data, at_the_door))
        return answer

    monkeypatch.setattr("edge.commands.press.ask", ask)
    assert doorward.run("press", "--window", seconds) == (0, told + "\n", "")
    assert asked == [("window", {"seconds": float(seconds)}, True)]


@pytest.mark.parametrize("url", ["ftp://x", "picamera:one", "file:"])
def test_a_camera_that_no_door_can_have_is_found_by_the_check(doorward: Commands, url: str) -> None:
    doorward.settings.write_text(f'[camera]\nurl = "{url}"\n')
    code, out, err = doorward.run("settings", "check")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"doorward: {doorward.settings}: [camera] url: camera ")
    doorward.settings.write_text('[camera]\nurl = "walkup:none.jpg"\n')
    assert doorward.run("settings", "check")[0] == 0


def test_a_picture_that_cannot_be_read_is_5_and_the_others_are_answered(doorward: Commands) -> None:
    missing, empty = doorward.folder / "none.jpg", doorward.folder / "empty.jpg"
    empty.touch()
    code, out, err = doorward.run("identify", missing, picture("obama"), empty)
    assert code == 5
    assert out.startswith(f"{picture('obama')}: stranger")
    assert err.splitlines() == [
        f"doorward: nobody is enrolled yet in {doorward.folder}/state",
        f"doorward: skipped: {missing}: cannot be read (No such file or directory); check its path and permissions",
        f"doorward: skipped: {empty}: empty; send the picture again",
    ]
    code, out, err = doorward.run("enroll", "Barack", empty, picture("obama"))
    assert code == 5
    assert out.startswith("enrolled Barack as ")
    assert err == f"doorward: skipped: {empty}: empty; send the picture again\n"


def test_whom_no_picture_shows_is_not_enrolled(doorward: Commands) -> None:
    empty = doorward.folder / "empty.jpg"
    empty.touch()
    code, out, err = doorward.run("enroll", "Nobody", empty)
    assert (code, out) == (9, "")
    assert err.splitlines()[-1] == "doorward: no picture can be read; nobody was enrolled"
    code, _, err = doorward.run("enroll", "Nobody", picture("coffee"))
    assert code == 9
    assert err == (f"doorward: no picture will do; nobody was enrolled: {picture('coffee')}: no face is found in it\n")
    assert doorward.json("people", "list")["people"] == []


def test_a_file_whose_name_is_no_text_is_answered_like_any_other(doorward: Commands) -> None:
    odd = os.fsdecode(os.fsencode(doorward.folder) + b"/\xff\xfe.jpg")
    shutil.copyfile(picture("obama"), odd)
    code, out, _ = doorward.run("enroll", "Barack", odd)
    assert code == 0
    assert out.startswith("enrolled Barack")
    code, out, _ = doorward.run("identify", odd)
    assert code == 0
    assert ".jpg: Barack" in out
    assert doorward.json("identify", odd)["faces"][0]["name"] == "Barack"


def test_a_terminal_of_few_letters_gets_every_answer(doorward: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    doorward.run("enroll", "王小明", picture("obama"))
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    assert doorward.run("people", "list")[0] == 0
    assert rb"\u738b\u5c0f\u660e" in raw.getvalue()


def test_copies_are_drawn_under_names_of_their_own(doorward: Commands) -> None:
    first, second = doorward.folder / "a", doorward.folder / "b"
    for folder in (first, second):
        folder.mkdir()
        Pillow.open(picture("obama")).save(folder / "pic.png")
    before = (first / "pic.png").read_bytes()
    assert doorward.run("identify", first / "pic.png", second / "pic.png", "--draw", first)[0] == 0
    assert (first / "pic.png").read_bytes() == before
    drawn = sorted(file.name for file in first.glob("*.png"))
    assert drawn == ["pic.marked-2.png", "pic.marked.png", "pic.png"]
    marked = np.asarray(Pillow.open(first / "pic.marked.png"))
    assert (marked != np.asarray(Pillow.open(first / "pic.png").convert("RGB"))).any()


def test_a_folder_to_draw_into_that_cannot_be_is_one_line(doorward: Commands) -> None:
    code, _, err = doorward.run("identify", picture("obama"), "--draw", doorward.settings)
    assert code == 5
    assert err.endswith("name another folder for --draw\n")


def test_bad_settings_are_2_with_a_line_for_each_mistake(doorward: Commands) -> None:
    doorward.settings.write_text("[camera]\nfpss = 3\nwidth = -1\n")
    for command in (["identify", picture("obama")], ["people", "list"], ["run"], ["doctor"], ["settings", "check"]):
        code, out, err = doorward.run(*command)
        assert (code, out) == (2, "")
        assert len(err.splitlines()) == 2
        assert "[camera] fpss: unknown key; did you mean fps?" in err


def test_a_settings_file_that_is_not_there_is_named(doorward: Commands) -> None:
    doorward.settings.unlink()
    code, _, err = doorward.run("people", "list")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith(f"doorward: {doorward.settings}: no such file")


def test_the_example_is_a_file_that_is_well(doorward: Commands) -> None:
    code, out, _ = doorward.run("settings", "example")
    assert code == 0
    doorward.settings.write_text(out)
    code, out, _ = doorward.run("settings", "check")
    assert (code, out) == (0, f"{doorward.settings}: all settings are well\n")


@pytest.mark.parametrize("folder", ["{file}/state", "/proc/none/state"])
def test_a_state_folder_that_cannot_be_is_6_and_one_line(doorward: Commands, folder: str) -> None:
    file = doorward.folder / "file"
    file.touch()
    place = folder.format(file=file)
    doorward.settings.write_text(f'[store]\nfolder = "{place}"\n[mqtt]\nenabled = false\n')
    for command in (["people", "list"], ["enroll", "Ada", picture("obama")]):
        code, out, err = doorward.run(*command)
        assert (code, out) == (6, "")
        assert err.count("\n") == 1
        assert "set [store] folder" in err


def test_a_state_folder_with_a_long_path_is_used_all_the_same(doorward: Commands) -> None:
    deep = doorward.folder / ("a" * 60) / ("b" * 60)
    doorward.settings.write_text(f'[store]\nfolder = "{deep}"\n[mqtt]\nenabled = false\n')
    assert doorward.run("enroll", "Barack", picture("obama"))[0] == 0
    assert doorward.run("people", "list")[0] == 0
    assert (deep / "people.db").exists()


def test_a_missing_key_is_6_and_says_what_to_do(doorward: Commands) -> None:
    doorward.run("enroll", "Barack", picture("obama"))
    (doorward.folder / "state" / "device.key").unlink()
    for command in (["people", "list"], ["identify", picture("obama")]):
        code, _, err = doorward.run(*command)
        assert (code, err.count("\n")) == (6, 1)
        assert "the key of an existing template store is missing" in err


def test_what_needs_a_daemon_says_so(doorward: Commands) -> None:
    for command in (["press"], ["press", "--undo"], ["events", "reject", "6a3f0c4e-9d0b-4a52-8a55-0f6f2c1d7e90"]):
        code, _, err = doorward.run(*command)
        assert code == 9
        assert err == f"doorward: no daemon runs on {doorward.folder}/state; start it with `doorward run`\n"


def test_more_pictures_than_a_request_takes_is_one_line(doorward: Commands) -> None:
    code, _, err = doorward.run("enroll", "Barack", *[picture("obama")] * 21)
    assert code == 9
    assert err == "doorward: pictures: must have 1 to 20 entries, found 21\n"


def test_pictures_that_are_too_large_together_are_refused_before_they_are_sent(
    doorward: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "MAX_BYTES", 1000)
    code, _, err = doorward.run("enroll", "Barack", picture("obama"))
    assert (code, err.count("\n")) == (9, 1)
    assert "give fewer pictures" in err


def failing_with(error: BaseException) -> Callable[..., Settings]:
    def fail(*_: object) -> Settings:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (CameraError("camera fake: gone; plug it in"), 4, "doorward: camera fake: gone; plug it in\n"),
        (DoorwardError("odd"), 1, "doorward: odd\n"),
        (KeyboardInterrupt(), 130, ""),
        (
            ZeroDivisionError("two\nlines"),
            1,
            f"doorward: unexpected: ZeroDivisionError: two lines; {_REPORT}\n",
        ),
    ],
)
def test_whatever_fails_is_one_line_and_a_code(
    doorward: Commands, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, line: str
) -> None:
    monkeypatch.delenv("DOORWARD_DEBUG", raising=False)
    monkeypatch.setattr("edge.commands.people.load_settings", failing_with(error))
    assert doorward.run("people", "list") == (code, "", line)


def test_the_trace_is_shown_where_it_is_asked_for(doorward: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOORWARD_DEBUG", "1")
    monkeypatch.setattr("edge.commands.people.load_settings", failing_with(ZeroDivisionError("x")))
    with pytest.raises(ZeroDivisionError):
        doorward.run("people", "list")


def test_the_checkup_gives_the_code_of_the_first_fault(doorward: Commands) -> None:
    doorward.settings.write_text(
        f'[store]\nfolder = "{doorward.folder}/state"\n[mqtt]\nenabled = false\n[camera]\nurl = "folder:/none"\n'
    )
    code, out, err = doorward.run("doctor", "--no-camera")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()].count("FAULT") == 0
    code, out, _ = doorward.run("doctor")
    assert code == 4
    assert "FAULT  camera    camera folder:/none: No such file or directory" in out
    code, out, _ = doorward.run("doctor", "--json")
    assert code == 4
    assert json.loads(out)["findings"][-2]["verdict"] == "fault"
