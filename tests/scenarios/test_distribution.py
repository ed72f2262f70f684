"""Releases over a real Mosquitto: pieces, breaks, several doors, several workers, and requests that lead elsewhere."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.contract.update import ChunkStatus, UpdateChunk, UpdateRequest
from edge.update.problems import Refusal
from tests.fakes.broker import Broker
from tests.fakes.distribution import CountingWire, Distribution, WireDoor
from tests.fakes.releases import make_release
from tests.fakes.tuf_repository import TufRepository
from tests.fakes.world import World, wait_until

pytestmark = [pytest.mark.broker, pytest.mark.scenario]

LARGE = 6_000_000
KILLS = int(os.environ.get("DOORWARD_BROKER_KILLS", "3"))  # of the broker during one download


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> TufRepository:
    """plda-1 of the size of a head, plda-6 of the size of an embedder."""
    folder = tmp_path_factory.mktemp("trainer")
    made = TufRepository(folder / "state" / "repository")
    made.add(*make_release(folder / "a", size=70_400))
    made.add(*make_release(folder / "b", size=LARGE, seed=6, release="plda-6", counter=6))
    made.publish("heads")
    (folder / "state" / "secret.pem").write_bytes(b"a key")
    return made


@pytest.fixture
def server(broker: Broker, repository: TufRepository) -> Iterator[Distribution]:
    made = Distribution(repository.folder.parents[1], broker.port)
    made.start()
    yield made
    made.kill_all()


@pytest.fixture
def door(broker: Broker, repository: TufRepository, tmp_path: Path) -> Any:
    def make(name: str = "front", release: str = "plda-6", port: int = 0, **more: Any) -> WireDoor:
        return WireDoor(tmp_path, name, port or broker.port, repository.root_bytes, release, **more)

    return make


def contents(repository: TufRepository) -> bytes:
    return (repository.folder.parents[1] / "b" / "contents-6" / "face.head.tflite").read_bytes()


def test_a_large_release_arrives_in_pieces_and_its_bytes_on_the_wire_are_few_more(
    broker: Broker, server: Distribution, repository: TufRepository, door: Any, record_property: Any
) -> None:
    with CountingWire(broker.port) as wire:
        one: WireDoor = door(port=wire.port)
        one.start()
        bundle = one.finish()
        assert bundle.read("face.head.tflite") == contents(repository)
        assert bundle.path.stat().st_size < wire.down < 1.01 * LARGE + 20_000
        assert wire.up < 0.02 * LARGE
    figures = {"bytes down": wire.down, "bytes up": wire.up, "s": round(one.ended_s - one.began_s, 2)}
    record_property("large", figures)
    print(figures)
    assert server.end() == 0
    assert "pieces=" in server.log()


def test_a_head_costs_little_more_than_its_bytes(broker: Broker, server: Distribution, door: Any) -> None:
    with CountingWire(broker.port) as wire:
        one: WireDoor = door(release="plda-1", port=wire.port)
        one.start()
        one.finish()
    print({"bytes down": wire.down, "bytes up": wire.up, "s": round(one.ended_s - one.began_s, 2)})
    assert wire.down + wire.up < 70_400 + 15_000


def test_the_broker_is_killed_again_and_again_and_the_download_completes(
    broker: Broker, server: Distribution, repository: TufRepository, door: Any
) -> None:
    one: WireDoor = door()
    one.start()
    chance = random.Random(3)
    for number in range(KILLS):
        share = number / (KILLS + 1)
        wait_until(lambda share=share: one.share >= share, f"{share} of it is there", 60)  # type: ignore[misc] # mypy's
        time.sleep(chance.random() * 0.02)
        assert one.is_alive(), "the download was over before the broker was killed for the last time"
        broker.kill()
        broker.start()
    assert one.finish(600).read("face.head.tflite") == contents(repository)
    assert one.collector.received < LARGE + 4 * 65_536 * (KILLS + 1)
    print({"kills": KILLS, "bytes": one.collector.received, "s": round(one.ended_s - one.began_s, 1)})


def test_the_server_is_killed_in_the_middle_and_another_goes_on(
    server: Distribution, repository: TufRepository, door: Any
) -> None:
    one: WireDoor = door()
    one.start()
    wait_until(lambda: one.share > 0.2, "a fifth is there", 60)
    server.end(number=signal.SIGKILL)
    server.start("b")
    assert one.finish().read("face.head.tflite") == contents(repository)


def test_two_doors_are_served_alike(server: Distribution, door: Any) -> None:
    doors: list[WireDoor] = [door("front"), door("back")]
    for one in doors:
        one.start()
    wait_until(lambda: any(one.share > 0.5 for one in doors), "one is half done", 60)
    shares = sorted(one.share for one in doors)
    assert shares[0] > 0.25, shares
    for one in doors:
        one.finish()


def test_a_small_door_does_not_wait_for_a_greedy_one(
    broker: Broker, server: Distribution, repository: TufRepository, door: Any
) -> None:
    """A door that asks for a thousand pieces at once, against one that wants a head."""
    name = next((repository.folder / "targets" / "heads").glob("*plda-6.zip")).name
    request = UpdateRequest(number=1, file=f"targets/heads/{name}").to_json()
    with World(broker.port, name="greedy") as greedy:
        for _ in range(1_000):
            greedy._client.publish("doorward/greedy/update/request", request, qos=1)
        one: WireDoor = door(release="plda-1")
        one.start()
        one.finish(20)


def test_two_workers_share_the_work(broker: Broker, server: Distribution, door: Any) -> None:
    server.start("b")
    doors: list[WireDoor] = [door(f"door-{number}") for number in range(2)]
    for one in doors:
        one.start()
    for one in doors:
        one.finish()
    for worker in ("a", "b"):
        assert server.end(worker) == 0
        assert "pieces=0" not in server.log(worker).rpartition("ending")[2]


def test_a_door_of_the_older_protocol_is_served_too(server: Distribution, door: Any) -> None:
    one: WireDoor = door(protocol="3.1.1", release="plda-1")
    one.start()
    one.finish()


@pytest.mark.parametrize(
    ("file", "status"),
    [
        ("../secret.pem", ChunkStatus.REFUSED),
        ("targets/../../secret.pem", ChunkStatus.REFUSED),
        ("/etc/passwd", ChunkStatus.REFUSED),
        ("secret.pem", ChunkStatus.REFUSED),
        ("metadata/none.json", ChunkStatus.MISSING),
    ],
)
def test_a_door_that_asks_for_files_outside_of_the_repository_gets_a_refusal(
    broker: Broker, server: Distribution, file: str, status: ChunkStatus
) -> None:
    topic = "doorward/front/update/chunk"
    body = {"schema": "1.0", "number": 5, "file": file, "offset": 0, "length": 65_536}
    with World(broker.port, topic) as world:
        world.publish(
            "doorward/front/update/request", json.dumps(body).encode(), response_topic=topic, correlation=b"\0\0\0\5"
        )
        wait_until(lambda: bool(world.on(topic)), "an answer")
        chunk = UpdateChunk.from_json(world.on(topic)[0])
    assert (chunk.status, chunk.number) == (status, 5)
    assert b"a key" not in chunk.data
    assert b"root:" not in chunk.data


def test_where_nobody_serves_a_door_gives_up_with_a_reason(broker: Broker, door: Any) -> None:
    one: WireDoor = door(release="plda-1")
    one.collector._patience_s = 1.0
    one.collector._pace = type(one.collector._pace)(answer_within_s=0.3, grace_s=1.0)
    one.start()
    one.join(30)
    assert isinstance(one.result, Refusal)
    assert one.result.code == "away"


def test_without_a_repository_the_server_says_how_to_make_one(tmp_path: Path, broker: Broker) -> None:
    (tmp_path / "trainer.toml").write_text(f'[store]\nfolder = "state"\n[mqtt]\nport = {broker.port}\n')
    line = [sys.executable, "-m", "trainer", "distribute", "--settings", str(tmp_path / "trainer.toml")]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(line, capture_output=True, check=False, cwd=root, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.strip().endswith("there is no repository to serve; `doorward-trainer keys init` makes one")
    assert done.stderr.count("\n") == 1
