"""The daemon as a process before a scripted walk-up, with a real Mosquitto: from first start to last goodbye."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from edge.contract.messages import DoorState, Enrollment, RecognitionEvent, Response
from edge.demo.story import PICTURES
from tests.fakes.broker import Broker, free_port
from tests.fakes.program import LONG_S, Program, Ran
from tests.fakes.world import World, wait_until

pytestmark = pytest.mark.scenario

BASE = "doorward/front"
NAME = "Barack Søren"


def settings(port: int, *, form: str = "text", picture: str = "obama") -> str:
    return f"""
[door]
id = "front"
[camera]
url = "walkup:{PICTURES / picture}.jpg?seconds=3.5&pause=1.2&repeat=1000&fps=8"
width = 640
height = 480
[presence]
visit_end_s = 1.0
[enrollment]
shots = 3
timeout_s = 60
min_interval_s = 0.3
[mqtt]
host = "127.0.0.1"
port = {port}
[log]
format = "{form}"
"""


class Heard:
    """What the world heard of a door, parsed by the contract."""

    def __init__(self, world: World) -> None:
        self._world = world

    def events(self) -> list[RecognitionEvent]:
        """Each once: a reader tells copies, as come after a kill or a lost connection, by the event's id."""
        parsed = (RecognitionEvent.from_json(payload) for payload in self._world.on(f"{BASE}/events"))
        return list({event.event: event for event in parsed}.values())

    def enrollments(self) -> list[Enrollment]:
        return [Enrollment.from_json(payload) for payload in self._world.on(f"{BASE}/enrollment")]

    def availability(self) -> list[bytes]:
        return self._world.on(f"{BASE}/availability")

    def states(self) -> list[DoorState]:
        return [DoorState.from_json(payload) for payload in self._world.on(f"{BASE}/state")]

    def wait_for_event(self, outcome: str, phase: str, after: int = 0) -> RecognitionEvent:
        """The first such event after so many."""

        def found() -> RecognitionEvent | None:
            later = self.events()[after:]
            return next((event for event in later if (event.outcome, event.phase) == (outcome, phase)), None)

        told = "\n".join(f"{event.phase} {event.outcome}" for event in self.events())
        wait_until(lambda: found() is not None, f"{phase} {outcome}; heard:\n{told}", LONG_S)
        event = found()
        assert event is not None
        return event


class Life:
    """One door's life, lived once; the tests look at what is left of it."""

    def __init__(self, folder: Path) -> None:
        self.broker = Broker(folder)
        self.program = Program(folder / "door", settings(self.broker.port, form="json"))
        self.world = World(self.broker.port, "doorward/#", "answers/#")
        self.heard = Heard(self.world)
        self.ran: dict[str, Ran] = {}

    def live(self) -> None:
        self.program.start()
        self.heard.wait_for_event("stranger", "started")
        request = json.dumps({"data": {"name": NAME}, "transaction": "t-1"}).encode()
        self.world.publish(f"{BASE}/request/enroll", request, response_topic="answers/7", correlation=b"c")
        wait_until(lambda: any(step.state == "done" for step in self.heard.enrollments()), "enrolled", LONG_S)
        self.heard.wait_for_event("known", "started", after=len(self.heard.events()))
        commands: dict[str, tuple[str | Path, ...]] = {
            "list": ("people", "list", "--json"),
            "identify": ("identify", PICTURES / "obama2.jpg", "--json"),
            "enroll": ("enroll", "Joe", PICTURES / "biden.jpg"),
            "second": ("run",),
            "doctor": ("doctor", "--no-camera"),
        }
        for name, command in commands.items():
            self.ran[name] = self.program.run(*command)
        self.killed = self.program.end(signal.SIGKILL)
        wait_until(lambda: self.heard.availability()[-1:] == [b"offline"], "the will", LONG_S)
        self.before_second_start = len(self.heard.events())
        self.program.start()
        self.heard.wait_for_event("known", "started", after=self.before_second_start)
        began_s = time.monotonic()
        self.ended = self.program.end(signal.SIGTERM)
        self.ended_after_s = time.monotonic() - began_s
        wait_until(lambda: self.heard.availability()[-1:] == [b"offline"], "goodbye", LONG_S)
        self.ran["afterwards"] = self.program.run("people", "list", "--json")

    def close(self) -> None:
        self.program.kill()
        self.world.__exit__()
        self.broker.kill()


@pytest.fixture(scope="module")
def life(mosquitto: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    lived = Life(tmp_path_factory.mktemp("life"))
    try:
        lived.live()
        yield lived
    finally:
        lived.close()


def test_every_message_is_of_the_contract_with_its_schema(life: Life) -> None:
    assert life.heard.states()
    bodies = [json.loads(payload) for payload in life.world.on(f"{BASE}/events")]
    assert {body["schema"] for body in bodies} == {"1.0"}
    assert {event.door for event in life.heard.events()} == {"front"}


def test_each_visit_starts_once_and_ends_at_most_once_in_order(life: Life) -> None:
    events = life.heard.events()
    visits = [list(visit) for _, visit in groupby(events, key=lambda event: event.visit)]
    assert len(visits) == len({event.visit for event in events}) >= 3
    for visit in visits:
        phases = [event.phase for event in visit]
        assert phases[0] == "started"
        assert set(phases[1:-1]) <= {"updated"}
        assert phases.count("started") == 1
    ended = [visit[-1] for visit in visits if visit[-1].phase == "ended"]
    assert all(event.ended_at is not None and event.ended_at >= event.started_at for event in ended)
    assert len(visits) - len(ended) <= 1  # the one that the kill cut off


def test_the_request_is_answered_where_it_asked_and_enrolls_under_its_name(life: Life) -> None:
    (heard,) = [heard for heard in life.world.heard if heard.topic == "answers/7"]
    answer = Response.from_json(heard.payload)
    assert (answer.status, answer.transaction, heard.correlation) == ("ok", "t-1", b"c")
    steps = [step for step in life.heard.enrollments() if step.session == answer.data["session"]]
    assert (steps[0].state, steps[-1].state, steps[-1].name) == ("looking", "done", NAME)


def test_the_next_visit_is_known_by_that_name(life: Life) -> None:
    done = next(step for step in life.heard.enrollments() if step.state == "done")
    known = [event for event in life.heard.events() if event.outcome == "known"]
    assert {(event.person, event.name, event.verified) for event in known} == {(done.person, NAME, True)}
    assert {event.clock_set for event in known} == {True}


def test_commands_beside_the_daemon_see_and_change_the_same_people(life: Life) -> None:
    assert [person["name"] for person in life.ran["list"].json["people"]] == [NAME]
    assert [face["name"] for face in life.ran["identify"].json["faces"]] == [NAME]
    assert life.ran["enroll"].out.startswith("enrolled Joe as p_")
    assert {ran.code for name, ran in life.ran.items() if name != "second"} == {0}
    assert "daemon    running: camera ok, 2 people, " in life.ran["doctor"].out


def test_a_second_daemon_on_the_same_store_is_refused_in_one_line(life: Life) -> None:
    second = life.ran["second"]
    assert (second.code, second.out) == (6, "")
    assert second.err.count("\n") == 1
    assert "people.db is held by process " in second.err


def test_a_kill_leaves_the_will_and_everybody_who_was_acknowledged(life: Life) -> None:
    assert life.killed == -signal.SIGKILL
    assert life.heard.availability() == [b"online", b"offline", b"online", b"offline"]
    afterwards = life.heard.events()[life.before_second_start :]
    assert afterwards[0].outcome == "known", "known at the first look, without enrolling anew"
    assert sorted(person["name"] for person in life.ran["afterwards"].json["people"]) == [NAME, "Joe"]


def test_a_request_to_end_is_followed_in_time_and_politely(life: Life) -> None:
    assert life.ended == 0
    assert life.ended_after_s < 10.0  # some two seconds where the machine has nothing else to do
    assert life.heard.events()[-1].phase == "ended"
    assert not (life.program.state / "control.sock").exists()


def test_the_state_says_how_many_people_there_are(life: Life) -> None:
    assert [state.people for state in life.heard.states()][-1] == 2
    assert {state.camera for state in life.heard.states()} <= {"opening", "ok"}


def test_the_log_is_one_json_object_a_line_without_a_name_or_an_embedding(life: Life) -> None:
    lines: list[dict[str, Any]] = [json.loads(line) for line in life.program.log.splitlines()]
    assert {"time", "level", "component", "event"} <= set.intersection(*(set(line) for line in lines))
    events = [line["event"] for line in lines]
    assert {"door is up", "visit", "done", "door goes down"} <= set(events)
    for word in ("Barack", "Søren", "S\\u00f8ren", "Joe", "embedding"):
        assert word not in life.program.log
    assert {line["level"] for line in lines} <= {"info", "warning"}


def test_files_of_the_state_are_this_user_s_alone(life: Life) -> None:
    assert life.program.state.stat().st_mode & 0o077 == 0


def test_without_a_broker_the_door_works_and_every_event_arrives_once_it_is_there(
    mosquitto: None, tmp_path: Path
) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    kept = ["persistence true", f"persistence_location {folder}/", "autosave_interval 1"]
    broker = Broker(folder, *kept, port=free_port())
    program = Program(tmp_path / "door", settings(broker.port))
    try:
        with World(broker.port, "doorward/#") as world:
            heard = Heard(world)
            broker.stop()  # it knows what the world wants, and keeps it
            program.start()
            program.wait_for_log("phase=ended")
            assert "trying again, events wait" in program.log
            assert not heard.events()
            broker.start()
            # The link had given up several times by then, and its longest pause is 120 s.
            wait_until(lambda: heard.availability()[-1:] == [b"online"], "connected", 2 * LONG_S)
            assert program.end() == 0
            told = program.log.count("door: visit phase=")
            wait_until(lambda: len(heard.events()) >= told, "all of them", LONG_S)
            assert len(heard.events()) == told
            assert waiting(program) == 0
            phases = [event.phase for event in heard.events()]
            assert (phases[0], phases[-1]) == ("started", "ended")
            assert phases.count("started") == phases.count("ended")
    finally:
        program.kill()
        broker.kill()


def waiting(program: Program) -> int:
    """Events that are left in the outbox."""
    with closing(sqlite3.connect(program.state / "outbox.db")) as outbox:
        count: int = outbox.execute("SELECT COUNT(*) FROM outbox").fetchone()[0]
        return count
