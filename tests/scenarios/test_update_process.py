"""The updater as the process that a door starts: a signed head comes over a real broker and waits for its trial."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.settings import load_settings
from edge.stored import open_store
from edge.update.fetch import trust
from edge.update.place import ReleasePlace
from tests.fakes.broker import Broker
from tests.fakes.distribution import Distribution
from tests.fakes.head_releases import EMBEDDER, changed_weights, drawn_people, make_bundle, upside_down, write_head
from tests.fakes.templates import NOW, picture
from tests.fakes.tuf_repository import TufRepository

pytestmark = [pytest.mark.broker, pytest.mark.scenario]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> TufRepository:
    """A good head, and one that was signed and is weak."""
    folder = tmp_path_factory.mktemp("trainer")
    made = TufRepository(folder / "state" / "repository")
    write_head(folder / "plda-weak", changed_weights(upside_down), honest_canaries=True)
    for counter, name in enumerate(("plda-good", "plda-weak"), 1):
        bundle = make_bundle(folder, name, counter)
        made.add(bundle.path, bundle.description)
    made.publish("heads")
    return made


@pytest.fixture
def server(broker: Broker, repository: TufRepository) -> Iterator[Distribution]:
    made = Distribution(repository.folder.parents[1], broker.port)
    made.start()
    yield made
    made.kill_all()


class Door:
    """A door's state folder with four people, and its updater's process."""

    def __init__(self, folder: Path, port: int, root: bytes) -> None:
        self.settings = folder / "doorward.toml"
        self.settings.write_text(
            f'[door]\nid = "front"\n[store]\nfolder = "{folder}/state"\n'
            f'[mqtt]\nenabled = true\nhost = "127.0.0.1"\nport = {port}\n'
        )
        self.place = ReleasePlace.below(folder / "state")
        trust(self.place.floor, root)
        self._enroll()

    def _enroll(self) -> None:
        with open_store(load_settings(self.settings).store) as store:
            for number, who in enumerate(drawn_people(4)):
                shots = [
                    replace(picture(10 * number + n, views=0), embedding=embedding, embedder=EMBEDDER.sha256)
                    for n, embedding in enumerate(who.embeddings)
                ]
                store.add_person(f"Person {number}", shots, wall_s=NOW, verified=True)

    def start(self, release: str) -> subprocess.Popen[str]:
        line = [sys.executable, "-m", "edge.update", release, "--settings", str(self.settings)]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(line, cwd=ROOT, **pipes)

    def run(self, release: str) -> list[dict[str, Any]]:
        process = self.start(release)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert "Traceback" not in err
        return [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def door(broker: Broker, repository: TufRepository, tmp_path: Path) -> Door:
    return Door(tmp_path, broker.port, repository.root_bytes)


def steps(told: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(line["step"] for line in told))


def test_a_signed_head_comes_over_the_broker_and_waits_for_its_trial(server: Distribution, door: Door) -> None:
    began_s = time.monotonic()
    told = door.run("plda-good")
    print({"s": round(time.monotonic() - began_s, 2)})
    assert steps(told) == ["downloading", "verifying", "staged", "self_testing", "activating"]
    assert told[-1]["facts"]["people"] == 4
    assert told[-1]["facts"]["found_after"] == 16
    slot = door.place.slots.staged()
    assert slot is not None
    assert slot.damage() is None
    assert slot.release.release == "plda-good"
    assert list(door.place.incoming.rglob("*.zip")) == []


def test_a_signed_and_weak_head_is_refused_with_whom_it_would_forget(server: Distribution, door: Door) -> None:
    told = door.run("plda-weak")
    assert told[-1]["step"] == "refused"
    assert told[-1]["reason"].startswith("would forget 4 of 4 people: ")
    assert len(told[-1]["facts"]["lost"]) == 4
    assert door.place.slots.in_force() is None
    assert door.run("plda-weak")[-1]["reason"] == "plda-weak was refused or rolled back before"


def test_no_embedding_and_no_name_is_told_or_left_in_the_folder_of_releases(server: Distribution, door: Door) -> None:
    process = door.start("plda-good")
    out, err = process.communicate(timeout=120)
    assert "Person " not in out + err
    raw = [e.x.tobytes() for who in drawn_people(4) for e in who.embeddings]
    kept = [path.read_bytes() for path in door.place.folder.rglob("*") if path.is_file()]
    assert kept
    assert not any(x in data for x in raw for data in kept)


def test_killed_at_any_moment_another_run_goes_on(server: Distribution, door: Door) -> None:
    """The moments: one more line of the way each time, from none to all."""
    whole = len(door.run("plda-good"))
    shutil.rmtree(door.place.folder / "incoming", ignore_errors=True)
    for lines in range(whole):
        process = door.start("plda-weak")
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        assert door.place.slots.damage is None
        assert door.place.slots.in_force() is None
    assert door.run("plda-weak")[-1]["step"] == "refused"


def test_a_second_updater_beside_the_first_says_so(door: Door) -> None:
    first = door.start("plda-good")
    lock = door.place.updater_lock
    until_s = time.monotonic() + 30
    while not (lock.exists() and lock.read_text().strip() == str(first.pid)):
        assert time.monotonic() < until_s
        time.sleep(0.02)
    second = door.start("plda-good")
    out, err = second.communicate(timeout=60)
    first.kill()
    first.communicate()
    assert (second.returncode, out) == (6, "")
    assert err.strip().endswith(f"process {first.pid} is bringing a release already")


def test_settings_that_take_no_releases_are_a_line(door: Door) -> None:
    door.settings.write_text(door.settings.read_text().replace("enabled = true", "enabled = false"))
    process = door.start("plda-good")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert err == "releases come over MQTT: set [mqtt] enabled = true\n"
    assert os.environ.get("DOORWARD_SETTINGS") is None
