"""A running door is asked for things while it recognizes: it answers soon, whatever else it is at."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from edge.adapters.control import ask_daemon
from edge.compose import head_for
from edge.contract.messages import Request, Response
from edge.demo.story import PICTURES
from edge.errors import LinkError, RefusedError, StoreError
from edge.settings.slices import RecognitionSettings, StoreSettings
from edge.store.archive import export_people
from edge.store.archive_format import ScryptCost
from edge.stored import open_store
from tests.fakes.program import LONG_S, Program, Ran
from tests.fakes.templates import NOW, picture
from tests.fakes.world import wait_until

pytestmark = pytest.mark.scenario

PEOPLE = 1500
PHRASE = "correct horse battery"
SOON_S = 5.0  # a tenth of a second where the machine does nothing else
SETTINGS = f"""
[door]
id = "front"
[camera]
url = "walkup:{PICTURES / "obama"}.jpg?seconds=3.5&pause=2&repeat=1000&fps=15"
width = 640
height = 480
[presence]
visit_end_s = 1.0
[mqtt]
enabled = false
"""


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many people of another door."""
    folder = tmp_path_factory.mktemp("other")
    embedder = head_for(RecognitionSettings()).embedder_id
    with open_store(StoreSettings(folder=folder)) as store:
        for seed in range(PEOPLE):
            shown = replace(picture(seed, views=1, dimensions=192), embedder=embedder)
            store.add_person(f"Guest {seed}", [shown], wall_s=NOW, verified=True)
        export_people(store, folder / "export", PHRASE, wall_s=NOW, cost=ScryptCost(10, 8, 1))
    (folder / "phrase").write_text(f"{PHRASE}\n")
    return folder / "export"


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path / "door", SETTINGS)
    try:
        program.start()
        program.wait_for_log("phase=started")
        yield program
    finally:
        program.kill()


def import_words(export: Path) -> tuple[str | Path, ...]:
    return ("people", "import", export, "--passphrase-file", export.with_name("phrase"))


def asked(program: Program, verb: str, **data: object) -> tuple[Response, float]:
    """The answer, and how long it took."""
    began_s = time.monotonic()
    response = ask_daemon(program.state / "control.sock", Request(verb=verb, data=data))
    assert response is not None
    assert response.error is None, response.error
    return response, time.monotonic() - began_s


def test_while_a_large_house_is_taken_in_others_are_answered_and_people_recognized(door: Program, export: Path) -> None:
    ran: list[Ran] = []
    importing = threading.Thread(target=lambda: ran.append(door.run(*import_words(export))))
    importing.start()
    known, took_s, visits = set(), [], door.log.count("phase=started")
    while importing.is_alive():
        for verb in ("people_list", "status"):
            response, seconds = asked(door, verb)
            took_s.append(seconds)
            if verb == "people_list":
                known.add(len(response.data["people"]))
        time.sleep(0.05)
    importing.join()
    assert ran[0].code == 0, ran[0].err
    assert ran[0].out == f"took in {PEOPLE} people and {PEOPLE} pictures; there already: 0\n"
    assert f"doorward: took in 1000 of {PEOPLE} people" in ran[0].err
    assert len(known - {0, PEOPLE}) >= 3, f"the house was seen to fill: {sorted(known)}"
    assert max(took_s) < SOON_S
    wait_until(lambda: door.log.count("phase=started") > visits, "visits go on being told", LONG_S)
    listed = door.run("people", "list")
    assert (listed.code, listed.out.count("Guest ")) == (0, PEOPLE)
    assert asked(door, "people_erase", person="Guest 7")[1] < SOON_S
    assert door.end() == 0


def test_an_import_that_a_kill_cuts_short_is_gone_on_with_by_the_same_command(door: Program, export: Path) -> None:
    ran: list[Ran] = []
    importing = threading.Thread(target=lambda: ran.append(door.run(*import_words(export))))
    importing.start()
    wait_until(lambda: len(asked(door, "people_list")[0].data["people"]) > 100, "some are in", LONG_S)
    door.kill()
    importing.join()
    assert ran[0].code == LinkError.exit_code
    rest = door.run(*import_words(export))
    assert rest.code == 0
    there = PEOPLE - int(rest.out.split()[2])
    assert 100 < there < PEOPLE
    assert door.run("people", "list").out.count("Guest ") == PEOPLE


def test_a_refusal_has_the_same_code_with_a_daemon_and_without(door: Program, export: Path, tmp_path: Path) -> None:
    cut, wrong = tmp_path / "cut", tmp_path / "wrong"
    cut.write_bytes(export.read_bytes()[:-1])
    wrong.write_text("incorrect horse battery\n")
    phrase = export.with_name("phrase")
    cases: list[tuple[int, tuple[str | Path, ...]]] = [
        (RefusedError.exit_code, ("people", "show", "Nobody")),
        (RefusedError.exit_code, ("people", "rename", "Nobody", "x" * 65)),
        (StoreError.exit_code, ("people", "import", cut, "--passphrase-file", phrase)),
        (RefusedError.exit_code, ("people", "import", export, "--passphrase-file", wrong)),
    ]
    with_daemon = [door.run(*words) for _, words in cases]
    only_at_the_door = [door.run("press", what) for what in ("--cancel", "--undo")]
    window = door.run("press", "--window", "nan")
    assert door.end() == 0
    without = [door.run(*words) for _, words in cases]
    for (code, words), one, other in zip(cases, with_daemon, without, strict=True):
        assert (one.code, other.code) == (code, code), words
        assert one.err == other.err
    assert [ran.code for ran in only_at_the_door] == [RefusedError.exit_code] * 2
    assert [ran.err for ran in only_at_the_door] == [
        "doorward: there is nothing to cancel\n",
        "doorward: there is no enrollment to undo\n",
    ]
    assert (window.code, window.err) == (RefusedError.exit_code, "doorward: seconds: must be a finite number\n")


def test_twenty_pictures_are_enrolled_between_the_frames(door: Program) -> None:
    names = ("biden.jpg",) * 20
    ran: list[Ran] = []
    enrolling = threading.Thread(target=lambda: ran.append(door.run("enroll", "Joe", *(PICTURES / n for n in names))))
    enrolling.start()
    took_s = []
    for _ in count():
        took_s.append(asked(door, "status")[1])
        if not enrolling.is_alive():
            break
        time.sleep(0.02)
    enrolling.join()
    assert ran[0].out.startswith("enrolled Joe as p_")
    assert max(took_s) < SOON_S
    assert door.end() == 0
