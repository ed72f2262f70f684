"""Events over a real broker that is killed, and from a door that is killed: counted by their ids, none is missing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.adapters.delivery import Delivery, DeliverySettings
from edge.adapters.outbox import Outbox
from edge.contract.messages import RecognitionEvent
from tests.fakes.broker import Broker
from tests.fakes.link import EVENTS, make_link
from tests.fakes.messages import new_event
from tests.fakes.world import World, wait_until

pytestmark = [pytest.mark.broker, pytest.mark.scenario]

ROOT = Path(__file__).resolve().parents[3]
BY_RECEIVER = DeliverySettings(
    "archive", f"{EVENTS}/ack", commit_every_s=0.02, tidy_every_s=0.1, resend_s=0.5, resend_at_most_s=2
)
BY_BROKER = DeliverySettings(commit_every_s=0.02, tidy_every_s=0.1)


@contextmanager
def door(broker: Broker, path: Path, settings: DeliverySettings, protocol: str = "5") -> Iterator[Delivery]:
    link = make_link(broker.port, protocol=protocol)
    delivery = Delivery(Outbox(path), link, settings)
    delivery.start()
    link.start(delivery)
    try:
        yield delivery
    finally:
        link.stop()
        delivery.stop()


def put(delivery: Delivery, count: int) -> list[str]:
    events = [new_event() for _ in range(count)]
    for event in events:
        delivery.put(str(event.event), EVENTS, event.to_json(), event.person)
    return [str(event.event) for event in events]


def received(world: World) -> list[str]:
    """Ids in the order in which they came first."""
    found = (str(RecognitionEvent.from_json(payload).event) for payload in world.on(EVENTS))
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_events_arrive_once_and_in_order(broker: Broker, tmp_path: Path, protocol: str) -> None:
    with World(broker.port, EVENTS) as world, door(broker, tmp_path / "outbox.db", BY_BROKER, protocol) as delivery:
        names = put(delivery, 200)
        wait_until(lambda: len(received(world)) == 200, "all came")
        assert received(world) == names
        assert len(world.on(EVENTS)) == 200
        wait_until(lambda: delivery.report().rows == 0, "the outbox is empty")


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_events_wait_for_a_broker_that_is_away(broker: Broker, tmp_path: Path, protocol: str) -> None:
    broker.kill()
    with door(broker, tmp_path / "outbox.db", BY_BROKER, protocol) as delivery:
        names = put(delivery, 50)
        assert delivery.flush()
    with door(broker, tmp_path / "outbox.db", BY_BROKER, protocol) as delivery:
        names += put(delivery, 5)
        broker.start()
        wait_until(lambda: delivery.report().rows == 0, "the outbox is empty")
    # No reader could be there before the door; so the broker's own word is counted.
    assert broker.log.read_text().count("Received PUBLISH from doorward-front (d0, q1, r0") == len(names)


def test_no_event_is_missing_after_the_broker_was_killed_again_and_again(broker: Broker, tmp_path: Path) -> None:
    with (
        World(broker.port, EVENTS, acknowledges=True) as world,
        door(broker, tmp_path / "outbox.db", BY_RECEIVER) as delivery,
    ):
        names: list[str] = []
        for _ in range(3):
            for _ in range(4):
                names += put(delivery, 20)
                time.sleep(0.05)
            broker.kill()
            names += put(delivery, 20)
            broker.start()
        wait_until(lambda: delivery.report().rows == 0, "all are acknowledged", timeout_s=60)
        assert set(received(world)) == set(names)
        assert len(names) == 300
        assert delivery.report().dropped == 0


def test_a_receiver_that_was_away_gets_what_the_broker_lost(broker: Broker, tmp_path: Path) -> None:
    with door(broker, tmp_path / "outbox.db", BY_RECEIVER) as delivery:
        names = put(delivery, 60)  # nobody listens: the broker acknowledges them and throws them away
        delivery.flush()
        wait_until(lambda: delivery.drain(5), "all are handed over")
        assert delivery.report().rows == 60
        with World(broker.port, EVENTS, acknowledges=True) as world:
            wait_until(lambda: delivery.report().rows == 0, "all are acknowledged")
            assert received(world) == names


CHILD = """
import sys, time
from pathlib import Path
from edge.adapters.delivery import Delivery, DeliverySettings
from edge.adapters.outbox import Outbox
from tests.fakes.link import EVENTS, make_link
from tests.fakes.messages import new_event

link = make_link(int(sys.argv[2]))
delivery = Delivery(Outbox(Path(sys.argv[1])), link, DeliverySettings(commit_every_s=0.01))
delivery.start()
link.start(delivery)
while True:
    events = [new_event() for _ in range(10)]
    for event in events:
        delivery.put(str(event.event), EVENTS, event.to_json(), event.person)
    assert delivery.flush()
    print("\\n".join(str(event.event) for event in events), flush=True)
"""


def test_no_event_is_missing_after_the_door_was_killed(broker: Broker, tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with World(broker.port, EVENTS) as world:
        said: list[str] = []
        for alive_s in (0.3, 0.6):
            child = subprocess.Popen(
                [sys.executable, "-c", CHILD, str(path), str(broker.port)], stdout=subprocess.PIPE, cwd=ROOT
            )
            assert child.stdout is not None
            first = child.stdout.readline()
            time.sleep(alive_s)
            os.kill(child.pid, signal.SIGKILL)
            said += [line.decode().strip() for line in [first, *child.stdout] if line.endswith(b"\n")]
            child.wait(10)
        assert len(said) >= 20
        with door(broker, path, BY_BROKER) as delivery:
            assert delivery.drain(30)
        wait_until(lambda: set(said) <= set(received(world)), "every event that was said to be safe came")
        ours = [name for name in received(world) if name in set(said)]
        assert ours == said, "in order"
