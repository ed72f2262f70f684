"""The ingest as processes on a real Mosquitto, on both databases: shared work, kill -9, large messages, the end."""

from __future__ import annotations

import contextlib
import re
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from edge.contract.fleet import FleetAck, PersonErased, PersonReport
from edge.contract.messages import EventAck, RecognitionEvent
from edge.inference.spec import load_manifest
from edge.store.keys import KeyPlace, read_device_key
from tests.fakes.broker import Broker
from tests.fakes.fleet import EMBEDDER, erased, report
from tests.fakes.messages import STATE, new_event
from tests.fakes.trainer_program import TrainerProgram
from tests.fakes.world import World, wait_until
from trainer.store.records import Status
from trainer.store.store import FleetStore

pytestmark = [pytest.mark.broker, pytest.mark.scenario]

Sent = RecognitionEvent | PersonReport | PersonErased
MakeTrainer = Callable[..., TrainerProgram]


@pytest.fixture
def trainer(broker: Broker, tmp_path: Path, database: str) -> Iterator[TrainerProgram]:
    program = TrainerProgram(tmp_path / "trainer", broker.port, database, "[ingest]\nwait_ms = 20\n")
    yield program
    program.kill_all()


@pytest.fixture
def world(broker: Broker) -> Iterator[World]:
    """All doors at once."""
    with World(broker.port, "doorward/+/events/ack", "doorward/+/fleet/ack") as made:
        yield made


@contextmanager
def store_of(trainer: TrainerProgram, database: str) -> Iterator[FleetStore]:
    key = read_device_key(KeyPlace(trainer.key, may_create=False, ours=True))
    with FleetStore.open(database, key) as store:
        yield store


def status_of(trainer: TrainerProgram, database: str) -> Status:
    with store_of(trainer, database) as store:
        return store.status()


def send(world: World, message: Sent) -> str:
    """As the message's door does; its id."""
    kinds = {"event": "events", "fleet/people": "fleet/people", "fleet/erased": "fleet/erased"}
    world.publish(f"doorward/{message.door}/{kinds[message.KIND]}", message.to_json())
    return str(message.event if isinstance(message, RecognitionEvent) else message.report)


def acknowledged(world: World) -> set[str]:
    found: set[str] = set()
    for heard in list(world.heard):
        kind: type[EventAck | FleetAck] = EventAck if heard.topic.endswith("events/ack") else FleetAck
        found |= {str(one) for one in kind.from_json(heard.payload).ids}
    return found


def wait_for(world: World, ids: set[str]) -> None:
    wait_until(lambda: ids <= acknowledged(world), f"{len(ids)} acknowledged, came: {len(acknowledged(world))}", 60)


def everything(count: int) -> list[Sent]:
    """Events and people of three doors, and an erasure now and then."""
    messages: list[Sent] = []
    for number in range(count):
        door = ("front", "back", "side")[number % 3]
        messages += [new_event(door=door), report(door, f"p{number}", 1, pictures=1, night=1)]
        if number % 10 == 9:
            messages.append(erased(door, f"p{number}", 2))
    return messages


def check_all_once(status: Status, count: int) -> None:
    gone = count // 10
    assert status.events == count
    assert status.embedders[EMBEDDER].people == count - gone
    assert status.embedders[EMBEDDER].exemplars == count - gone
    assert status.erased == gone
    assert status.set_aside == {}


def test_two_workers_share_the_messages(trainer: TrainerProgram, world: World, database: str) -> None:
    trainer.start("a")
    trainer.start("b")
    wait_for(world, {send(world, message) for message in everything(60)})
    assert trainer.end("a") == 0
    assert trainer.end("b") == 0
    took = [int(re.findall(r"ending messages=(\d+)", trainer.log(worker))[-1]) for worker in "ab"]
    assert sum(took) == 126
    assert min(took) > 20
    check_all_once(status_of(trainer, database), 60)


@contextmanager
def nobody_commits(database: str) -> Iterator[None]:
    """Workers take messages, and wait within their transaction."""
    if database.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(database.removeprefix("sqlite:///"), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
        return
    with psycopg.connect(database) as connection:
        connection.execute("LOCK TABLE event_quality, people, gone IN ACCESS EXCLUSIVE MODE")
        yield
        connection.rollback()


def test_a_worker_that_is_killed_between_delivery_and_commit_loses_nothing_and_doubles_nothing(
    trainer: TrainerProgram, world: World, database: str, broker: Broker
) -> None:
    trainer.start("a")
    trainer.start("b")
    messages = everything(20)
    with nobody_commits(database):
        ids = {send(world, message) for message in messages}

        def delivered(worker: str) -> int:
            return broker.log.read_text().count(f"Sending PUBLISH to doorward-trainer-{worker} ")

        wait_until(lambda: delivered("a") >= 15 and delivered("b") >= 15, "both have some")
        time.sleep(0.3)  # for the first transaction to begin
        assert acknowledged(world) == set()
        assert "Received PUBACK from doorward-trainer" not in broker.log.read_text()
        trainer.end("a", signal.SIGKILL)
    wait_until(lambda: len(acknowledged(world)) > 5, "the other one goes on")
    assert not ids <= acknowledged(world)  # the broker keeps the killed one's for it
    trainer.start("a")
    wait_for(world, ids)
    check_all_once(status_of(trainer, database), 20)


def test_a_worker_that_is_killed_at_any_time_loses_nothing(
    trainer: TrainerProgram, world: World, database: str
) -> None:
    trainer.start("a")
    ids: set[str] = set()
    messages = everything(60)
    for start in range(0, len(messages), 42):
        ids |= {send(world, message) for message in messages[start : start + 42]}
        trainer.end("a", signal.SIGKILL)
        trainer.start("a")
    wait_for(world, ids)
    check_all_once(status_of(trainer, database), 60)


def test_messages_wait_for_a_worker_that_is_stopped(trainer: TrainerProgram, world: World, database: str) -> None:
    trainer.start()
    assert trainer.end() == 0
    ids = {send(world, message) for message in everything(10)}
    trainer.start()
    wait_for(world, ids)
    check_all_once(status_of(trainer, database), 10)


def test_a_message_of_ten_megabytes_is_set_aside_with_its_reason(
    trainer: TrainerProgram, world: World, database: str
) -> None:
    trainer.start()
    large, good = report(person="p1"), report(person="p2")
    world.publish("doorward/front/fleet/people", large.to_json()[:-1] + b" " * 10_000_000 + b"}")
    wait_for(world, {str(large.report), send(world, good)})
    status = status_of(trainer, database)
    (reason,) = status.set_aside
    assert re.fullmatch(r"fleet/people: has 1000\d{4} bytes; at most 262144 are allowed", reason)
    assert status.embedders[EMBEDDER].people == 1
    assert reason in trainer.log()


def test_a_message_that_is_larger_still_is_kept_back_by_the_broker_and_ends_nothing(
    trainer: TrainerProgram, world: World, database: str
) -> None:
    trainer.start()
    world.publish("doorward/front/fleet/people", b" " * 17_000_000)
    wait_for(world, {send(world, report())})
    assert trainer.log().count("connected") == 1
    assert status_of(trainer, database).set_aside == {}


def test_a_doors_retained_state_comes_to_a_worker_that_starts_later(
    trainer: TrainerProgram, world: World, database: str
) -> None:
    world.publish("doorward/front/state", STATE.to_json(), retain=True)
    trainer.start()
    wait_until(lambda: [door.people for door in status_of(trainer, database).doors] == [12], "the state is kept")
    world.publish("doorward/front/state", replace(STATE, people=13).to_json(), retain=True)
    wait_until(lambda: [door.people for door in status_of(trainer, database).doors] == [13], "so is the next")


def test_the_commands_beside_a_running_worker(trainer: TrainerProgram, world: World) -> None:
    trainer.start()
    told = [report(person="p1"), report("back", "p1"), report(person="p2")]
    wait_for(world, {send(world, one) for one in told})
    status = trainer.run("status", "--json")
    assert status.code == 0
    assert status.json["embedders"][EMBEDDER]["people"] == 3
    assert "p1" not in status.out
    done = trainer.run("people", "erase", "p1")
    assert (done.code, done.out, done.err) == (0, "p1: erased, as reported by 2 doors\n", "")
    again = trainer.run("people", "erase", "p1")
    assert (again.code, "nobody of that id was there" in again.err) == (9, True)
    late = report(person="p1", revision=7)
    wait_for(world, {send(world, late)})
    text = trainer.run("status").out
    assert "people     1, erased 1\n" in text
    assert "front" in text
    assert trainer.end(number=signal.SIGINT) == 0


def test_a_store_that_cannot_be_opened_is_told_in_one_line(tmp_path: Path) -> None:
    program = TrainerProgram(tmp_path / "trainer", 1, f"postgresql://nobody@/x?host={tmp_path}")
    done = program.run("ingest")
    assert done.code == 6
    assert done.err.count("\n") == 1
    assert done.err.startswith("doorward-trainer: postgresql://nobody@/x: opening the store failed: ")
    assert program.run("status").code == 6


def test_settings_that_are_wrong_are_told(tmp_path: Path) -> None:
    program = TrainerProgram(tmp_path / "trainer", 1, "mysql://x/y", "[refresh]\nschedule = 'now'\n")
    done = program.run("ingest")
    assert done.code == 2
    assert "[refresh] schedule: 'now' is no schedule" in done.err
    program = TrainerProgram(tmp_path / "trainer", 1, "mysql://x/y")
    done = program.run("ingest")
    assert (done.code, "[store] url: must be sqlite:///FILE or postgresql" in done.err) == (2, True)
    assert program.run("ingest", "--worker", "a/b").code == 2


def test_a_worker_knows_the_shipped_embedders(trainer: TrainerProgram, world: World, database: str) -> None:
    trainer.start()
    sha256 = load_manifest().pick("embedder").sha256
    wrong, right = report(person="p1", dim=96, embedder=sha256), report(person="p2", dim=192, embedder=sha256)
    wait_for(world, {send(world, one) for one in (wrong, right)})
    with store_of(trainer, database) as store:
        assert [one.person for one in store.embeddings(sha256)] == ["p2"]
        (reason,) = store.status().set_aside
    assert reason == f"fleet/people: embeddings of 96 numbers; those of embedder {sha256[:12]} have 192"
