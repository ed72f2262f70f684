"""Releases with the ingest as a process on a real Mosquitto: notices of a ring, and a broker that lost them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.contract.update import UpdateNotice
from tests.fakes.broker import Broker
from tests.fakes.candidates import EMBEDDER, make_candidate
from tests.fakes.messages import STATE
from tests.fakes.rollout import said
from tests.fakes.trainer_program import TrainerProgram
from tests.fakes.world import World, wait_until

pytestmark = [pytest.mark.broker, pytest.mark.scenario]

RELEASES = '[releases]\nrings = "door-a, rest"\nwait_hours = 0\nspread_s = 0\n'


@pytest.fixture
def trainer(broker: Broker, tmp_path: Path, database: str) -> Iterator[TrainerProgram]:
    program = TrainerProgram(tmp_path / "trainer", broker.port, database, RELEASES)
    yield program
    program.kill_all()


class Office:
    """A trainer that takes messages, and two doors that told their state."""

    def __init__(self, trainer: TrainerProgram, port: int, folder: Path) -> None:
        self.trainer, self._port, self._folder = trainer, port, folder
        passphrase = folder / "passphrase"
        passphrase.write_text("correct horse\n")
        passphrase.chmod(0o600)
        self.keys = ("--keys", str(folder / "stick"), "--passphrase-file", str(passphrase))
        self.run("keys", "init", "--offline", str(folder / "stick"), "--passphrase-file", str(passphrase))
        trainer.start("a")
        trainer.start("b")
        for door in ("door-a", "door-b"):
            state = replace(STATE, door=door, embedder_sha256=EMBEDDER.sha256)
            self._publish(f"doorward/{door}/state", state.to_json())
        wait_until(lambda: len(self.run("fleet")["doors"]) == 2, "both doors are known", 60)

    def run(self, *words: str) -> dict[str, Any]:
        done = self.trainer.run(*words, "--json")
        assert done.code == 0, done.err
        found: dict[str, Any] = json.loads(done.out)
        return found

    def release(self, head: str) -> str:
        folder = make_candidate(self._folder / head.replace(":", "-"), head)
        self.run("release", "sign", str(folder), *self.keys)
        return str(self.run("release", "publish")["release"])

    def say(self, door: str, release: str, step: Any, at_s: float) -> None:
        self._publish(f"doorward/{door}/update/state", said(door, release, step, at_s).to_json())

    def _publish(self, topic: str, payload: bytes) -> None:
        with World(self._port, "doorward/none", name="doors") as doors:
            doors.publish(topic, payload, retain=True)


def notices(port: int) -> dict[str, tuple[str, bool]]:
    """What the broker keeps for each door: release, and whether it is withdrawn."""
    with World(port, "doorward/+/update/notice", name="looker") as looker:
        wait_until(lambda: bool(looker.heard), "a notice is kept", 30)
        kept = {heard.topic.split("/")[1]: UpdateNotice.from_json(heard.payload) for heard in looker.heard}
    return {door: (notice.release, notice.withdrawn) for door, notice in kept.items()}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # rollouts are tried on both without a broker
def test_a_release_goes_ring_by_ring_and_a_broker_that_forgot_is_told_again(
    trainer: TrainerProgram, broker: Broker, tmp_path: Path
) -> None:
    office = Office(trainer, broker.port, tmp_path)
    release = office.release("plda:0001")
    wait_until(lambda: notices(broker.port) == {"door-a": (release, False)}, "ring 0 is told", 60)
    broker.kill()
    broker.start()
    wait_until(lambda: notices(broker.port) == {"door-a": (release, False)}, "it is told again", 90)
    office.say("door-a", release, "trial", 1e9)
    office.say("door-a", release, "committed", 1e9 + 1)
    wait_until(lambda: set(notices(broker.port)) == {"door-a", "door-b"}, "ring 1 is told", 60)
    office.say("door-b", release, "rolled_back", 1e9)
    expected = {"door-a": (release, False), "door-b": (release, True)}
    wait_until(lambda: notices(broker.port) == expected, "door-b is told to go back", 60)
    found = office.run("release", "status")["releases"][0]
    assert (found["status"], found["next"]) == ("stopped", "door-b went back to the former release")
    assert trainer.end("a") == 0
    assert trainer.end("b") == 0
