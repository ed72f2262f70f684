"""A running door, a real broker, server and updater: what is announced is soon on trial, and no frame is lost."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from edge.assemble import Given, door
from edge.contract.messages import DoorState
from edge.contract.update import UpdateState
from edge.demo.story import PICTURES
from edge.recognition.types import Frame
from edge.settings import load_settings
from edge.settings.slices import StoreSettings
from edge.stored import open_store
from tests.fakes.broker import Broker
from tests.fakes.distribution import Distribution
from tests.fakes.head_releases import EMBEDDER, drawn_people, make_bundle
from tests.fakes.release_door import noticed
from tests.fakes.templates import NOW, picture
from tests.fakes.tuf_repository import TufRepository
from tests.fakes.world import World, wait_until

pytestmark = [pytest.mark.broker, pytest.mark.scenario]

SETTINGS = """[door]
id = "front"
[camera]
url = "walkup:{picture}?seconds=2&pause=1"
width = 640
height = 480
fps = 5
[store]
folder = "{folder}/state"
[mqtt]
host = "127.0.0.1"
port = {port}
[releases]
enabled = true
root_file = "root.json"
jitter_minutes = 0
"""


def test_a_release_that_is_announced_is_on_trial_while_every_frame_is_looked_at(broker: Broker, tmp_path: Path) -> None:
    repository = TufRepository(tmp_path / "trainer" / "state" / "repository")
    bundle = make_bundle(tmp_path, "plda-good", 1)
    repository.add(bundle.path, bundle.description)
    repository.publish("heads")
    (tmp_path / "root.json").write_bytes(repository.root_bytes)
    file = tmp_path / "doorward.toml"
    file.write_text(SETTINGS.format(picture=PICTURES / "obama.jpg", folder=tmp_path, port=broker.port))
    settings = load_settings(file)
    enroll_four(settings.store)
    server = Distribution(tmp_path / "trainer", broker.port)
    server.start()
    frames: list[int] = []

    def seen(frame: Frame, *_: object) -> None:
        frames.append(frame.number)

    try:
        with World(broker.port, "doorward/front/#") as world, door(settings, Given(observer=seen)) as daemon:
            running = threading.Thread(target=daemon.run)
            running.start()
            world.wait_for("doorward/front/availability", b"online")
            began_s = time.monotonic()
            world.publish("doorward/front/update/notice", noticed(bundle).notice.to_json(), retain=True)
            wait_until(lambda: states(world)[-1:] == ["trial"], "on trial", 60.0)
            took_s = time.monotonic() - began_s
            wait_until(lambda: releases(world)[-1:] == ["plda-good"], "the door says so", 10.0)
            daemon.stop()
            running.join(30)
    finally:
        server.kill_all()
    lost = frames[-1] - frames[0] + 1 - len(frames)
    print({"notice to trial s": round(took_s, 1), "frames": len(frames), "lost": lost})
    assert lost == 0
    last = UpdateState.from_json(world.on("doorward/front/update/state")[-1])
    assert (last.release, last.target, last.attempt) == ("factory", "plda-good", 1)


def enroll_four(settings: StoreSettings) -> None:
    with open_store(settings) as store:
        for number, who in enumerate(drawn_people(4)):
            shots = [
                replace(picture(10 * number + n, views=0), embedding=embedding, embedder=EMBEDDER.sha256)
                for n, embedding in enumerate(who.embeddings)
            ]
            store.add_person(f"Person {number}", shots, wall_s=NOW, verified=True)


def states(world: World) -> list[str]:
    return [UpdateState.from_json(payload).state for payload in world.on("doorward/front/update/state")]


def releases(world: World) -> list[str]:
    return [DoorState.from_json(payload).release for payload in world.on("doorward/front/state")]
