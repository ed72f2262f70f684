"""Two doors, a broker, the trainer: people enrolled at each become a head that is ready to sign, and judged.

Real processes and a real Mosquitto; the people are drawn, since hundreds are needed, and put into the doors' stores as
an enrollment puts them there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.demo.story import PICTURES
from edge.inference.head import head_path, load_head
from edge.inference.spec import load_manifest
from edge.settings.load import load_settings
from edge.sharing.views import view_of
from edge.store.types import NewExemplar
from edge.stored import open_store
from tests.fakes.broker import Broker
from tests.fakes.program import LONG_S, Program
from tests.fakes.simulated import SimulatedFleet
from tests.fakes.trainer_program import TrainerProgram
from tests.fakes.world import wait_until
from trainer.cli import main
from trainer.export import read_back
from trainer.refresh import LEARN_FOLDS
from trainer.statistics import fold_of

pytestmark = [pytest.mark.scenario, pytest.mark.tensorflow]

EMBEDDER = load_manifest().pick("embedder")
FLEET = SimulatedFleet(read_back(head_path(EMBEDDER), EMBEDDER.sha256))
EACH = 150


def door_toml(name: str, port: int) -> str:
    return f"""
[door]
id = "{name}"
[camera]
url = "walkup:{PICTURES / "obama"}.jpg?seconds=1&pause=60&repeat=1000&fps=4"
width = 320
height = 240
[mqtt]
host = "127.0.0.1"
port = {port}
[fleet]
share = true
"""


def fill(door: Program, name: str, seed: int) -> list[str]:
    """Enroll drawn people in a door's store; their ids."""
    ids = []
    with open_store(load_settings(door.settings).store) as store:
        for report in FLEET.reports(name, EACH, seed):
            exemplars = [
                NewExemplar(
                    clean.embedding,
                    clean.quality,
                    report.embedder_sha256,
                    report.runtime,
                    exemplar.taken_at.timestamp(),
                    tuple(view_of(view) for view in exemplar.night),
                )
                for exemplar in report.exemplars
                for clean in (view_of(exemplar.clean),)
            ]
            ids.append(store.add_person(None, exemplars, wall_s=report.at.timestamp()).id)
    return ids


@pytest.fixture
def broker(mosquitto: None, tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path)
    yield made
    made.kill()


def test_two_doors_people_become_a_head_ready_to_sign_and_one_who_is_erased_leaves_it(
    broker: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    doors = {name: Program(tmp_path / name, door_toml(name, broker.port)) for name in ("front", "back")}
    trainer = TrainerProgram(tmp_path / "trainer", broker.port, f"sqlite:///{tmp_path}/trainer/fleet.db")
    people = {name: fill(door, name, seed) for seed, (name, door) in enumerate(doors.items(), start=21)}

    def told() -> int:
        return sum(one["people"] for one in trainer.run("status", "--json").json["embedders"].values())

    try:
        trainer.start()
        for door in doors.values():
            door.start()
        wait_until(lambda: told() == 2 * EACH, f"everybody is told; {told()}", LONG_S)
        first = trainer.run("refresh", "--json")
        assert first.code == 0, first
        assert first.json["decision"] == "replace", first.json
        assert (first.json["people"], first.json["new"]) == (2 * EACH, 2 * EACH)
        folder = Path(first.json["folder"])
        head = load_head(folder / f"{EMBEDDER.name}.head.json", EMBEDDER.sha256)
        assert head.id == first.json["candidate"]
        assert main(["gate", str(folder / "gate.json")]) == 0
        assert "may replace the current head" in capsys.readouterr().out

        gone = next(person for person in people["front"] if fold_of(person) in LEARN_FOLDS)
        erased = doors["front"].run("people", "erase", gone, "--yes")
        assert erased.code == 0, erased
        wait_until(lambda: told() == 2 * EACH - 1, f"the erasure is told; {told()}", LONG_S)
        second = trainer.run("refresh", "--json")
        assert second.code == 0, second
        assert (second.json["people"], second.json["new"]) == (2 * EACH - 1, 0)
        assert second.json["candidate"] != first.json["candidate"]
        assert gone not in json.dumps(second.json) + (folder / "gate.html").read_text()
    finally:
        trainer.kill_all()
        for door in doors.values():
            door.kill()
