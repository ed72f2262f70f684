"""Events on their way: in order, a few at a time, kept until their receiver has them, through every kind of trouble."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from edge.adapters.delivery import Delivery, DeliverySettings
from edge.adapters.memory_link import MemoryLink
from edge.adapters.outbox import Outbox, OutboxLimits
from edge.contract.messages import EventAck
from tests.fakes.log_lines import lines
from tests.fakes.world import wait_until

ROOT = Path(__file__).resolve().parents[3]
TOPIC = "doorward/front/events"
ACKS = f"{TOPIC}/ack"
BY_BROKER = DeliverySettings(commit_every_s=0.02, tidy_every_s=0.05, refused_pause_s=0.1)
BY_RECEIVER = DeliverySettings(
    "archive", ACKS, commit_every_s=0.02, tidy_every_s=0.05, resend_s=0.15, resend_at_most_s=0.6, refused_pause_s=0.1
)


@contextmanager
def running(
    path: Path, link: MemoryLink, settings: DeliverySettings, limits: OutboxLimits | None = None
) -> Iterator[Delivery]:
    delivery = Delivery(Outbox(path, limits), link, settings)
    delivery.start()
    link.start(delivery)
    try:
        yield delivery
    finally:
        link.stop()
        delivery.stop()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


def fill(delivery: Delivery, count: int) -> list[str]:
    names = [str(uuid4()) for _ in range(count)]
    for name in names:
        delivery.put(name, TOPIC, name.encode())
    return names


def sent(link: MemoryLink) -> list[str]:
    return [message.payload.decode() for message in link.published]


def acknowledge(link: MemoryLink, *names: str, by: str | None = "archive") -> None:
    link.receive(ACKS, EventAck(ids=tuple(UUID(name) for name in names), by=by).to_json())


def settle() -> None:
    """Give the delivery time to do what it should not do."""
    time.sleep(0.1)


def test_events_arrive_in_order_and_are_let_go(path: Path) -> None:
    link = MemoryLink()
    with running(path, link, BY_BROKER) as delivery:
        names = fill(delivery, 60)
        assert delivery.drain(5)
        assert sent(link) == names
        wait_until(lambda: delivery.report().rows == 0, "the outbox is empty")
    assert all(m.topic == TOPIC and m.qos == 1 and not m.retain for m in link.published)


def test_at_most_ten_are_under_way(path: Path) -> None:
    link = MemoryLink(answers=False)
    with running(path, link, BY_BROKER) as delivery:
        names = fill(delivery, 35)
        wait_until(lambda: len(sent(link)) == 10, "ten are under way")
        settle()
        assert sent(link) == names[:10]
        link.deliver(names[:3])
        wait_until(lambda: len(sent(link)) == 13, "three more")
        settle()
        assert sent(link) == names[:13]


def test_without_a_broker_events_wait_and_are_sent_when_it_comes(path: Path) -> None:
    link = MemoryLink(online=False)
    with running(path, link, BY_BROKER) as delivery:
        names = fill(delivery, 30)
        assert delivery.flush()
        assert delivery.report().rows == 30
        assert sent(link) == []
        assert not delivery.drain(0.1)
        link.connect()
        assert delivery.drain(5)
        assert sent(link) == names


def test_events_wait_through_a_restart(path: Path) -> None:
    with running(path, MemoryLink(online=False), BY_BROKER) as delivery:
        names = fill(delivery, 12)
    link = MemoryLink()
    with running(path, link, BY_BROKER) as delivery:
        later = fill(delivery, 3)
        assert delivery.drain(5)
        assert sent(link) == names + later


def test_what_was_under_way_when_the_connection_broke_is_sent_again_in_order(path: Path) -> None:
    link = MemoryLink(answers=False)
    with running(path, link, BY_BROKER) as delivery:
        names = fill(delivery, 12)
        wait_until(lambda: len(sent(link)) == 10, "ten are under way")
        link.deliver([names[0], names[1]])
        wait_until(lambda: len(sent(link)) == 12, "all are under way")
        link.disconnect()
        link.published.clear()
        link.connect()
        wait_until(lambda: len(sent(link)) == 10, "they are sent again")
        settle()
        assert sent(link) == names[2:12]


def test_an_event_refused_by_the_broker_is_tried_again_and_not_lost(path: Path) -> None:
    link = MemoryLink(answers=False)
    with running(path, link, BY_BROKER) as delivery:
        names = fill(delivery, 2)
        wait_until(lambda: len(sent(link)) == 2, "both are under way")
        link.deliver([names[0]], refused="Not authorized")
        link.deliver([names[1]])
        wait_until(lambda: sent(link) == [*names, names[0]], "the refused one comes again")
        link.deliver([names[0]])
        assert delivery.drain(5)


def test_an_event_that_no_broker_takes_is_counted_and_holds_nobody_up(path: Path) -> None:
    link = MemoryLink(max_packet_bytes=200)
    with running(path, link, BY_BROKER) as delivery:
        delivery.put("huge", TOPIC, bytes(500))
        names = fill(delivery, 2)
        assert delivery.drain(5)
        assert sent(link) == names
        assert delivery.report().dropped == 1


def test_with_a_receiver_an_event_stays_until_it_is_acknowledged(path: Path) -> None:
    link = MemoryLink()
    with running(path, link, BY_RECEIVER) as delivery:
        names = fill(delivery, 3)
        wait_until(lambda: sent(link)[:3] == names, "sent in order")
        settle()
        assert delivery.report().rows == 3
        acknowledge(link, names[1])
        wait_until(lambda: delivery.report().rows == 2, "the acknowledged one goes")
        wait_until(lambda: len(link.acknowledged) == 1, "and so does the acknowledgement itself, after the commit")


def test_a_receiver_that_is_away_does_not_hold_up_events_for_others(path: Path) -> None:
    link = MemoryLink()
    with running(path, link, BY_RECEIVER) as delivery:
        names = fill(delivery, 40)
        wait_until(lambda: len(set(sent(link))) == 40, "all are sent though none is acknowledged")
        assert list(dict.fromkeys(sent(link))) == names


def test_what_the_receiver_lost_is_sent_again_ever_more_rarely_and_all_at_once_when_it_is_back(path: Path) -> None:
    link = MemoryLink()
    with running(path, link, BY_RECEIVER) as delivery:
        names = fill(delivery, 25)
        wait_until(lambda: len(sent(link)) >= 25 + 10, "the oldest come again")
        assert sent(link)[:35] == names + names[:10], "a window of them, not all"
        settle()
        acknowledge(link, *names[:10])
        wait_until(lambda: len(sent(link)) >= 45, "the receiver answered, so the next follow")
        assert sent(link)[-10:] == names[10:20]
        acknowledge(link, *names[10:20])
        wait_until(lambda: sent(link)[-5:] == names[20:], "and the rest")
        acknowledge(link, *names[20:])
        wait_until(lambda: delivery.report().rows == 0, "all are acknowledged")


def test_events_of_just_now_are_not_sent_twice_because_others_are_late(path: Path) -> None:
    link = MemoryLink()
    settings = DeliverySettings("archive", ACKS, commit_every_s=0.01, resend_s=0.3)
    with running(path, link, settings) as delivery:
        late = fill(delivery, 1)
        for _ in range(8):
            acknowledge_soon = fill(delivery, 1)
            wait_until(lambda name=acknowledge_soon[0]: name in sent(link), "sent")  # type: ignore[misc] # a lambda's default
            acknowledge(link, *acknowledge_soon)
            time.sleep(0.1)
        repeated = [name for name in set(sent(link)) if sent(link).count(name) > 1]
        assert repeated == late


def test_another_receiver_s_acknowledgement_lets_nothing_go(path: Path) -> None:
    link = MemoryLink()
    with running(path, link, BY_RECEIVER) as delivery:
        names = fill(delivery, 2)
        wait_until(lambda: len(sent(link)) >= 2, "sent")
        acknowledge(link, names[0], by="somebody else")
        settle()
        assert delivery.report().rows == 2
        acknowledge(link, names[0], by=None)
        wait_until(lambda: delivery.report().rows == 1, "one without a name counts")


def test_a_poisoned_acknowledgement_is_told_acknowledged_and_changes_nothing(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    link = MemoryLink()
    with running(path, link, BY_RECEIVER) as delivery:
        fill(delivery, 1)
        delivery.flush()
        poison = link.receive(ACKS, b'{"schema":"1.0","ids":["x"]}')
        wait_until(lambda: poison in link.acknowledged, "the broker is rid of it")
        assert delivery.report().rows == 1
    why = "events/ack: key 'ids[0]': must be a UUID in lower case, found x"
    assert lines(caplog) == [f"an acknowledgement is passed over reason={why}"]


def test_messages_on_other_topics_are_left_to_others(path: Path) -> None:
    link = MemoryLink()
    with running(path, link, BY_RECEIVER):
        link.receive("doorward/front/request/undo", b"{}")
        settle()
        assert not link.acknowledged


def test_a_door_that_no_longer_waits_for_a_receiver_delivers_what_was_kept(path: Path) -> None:
    first = MemoryLink()
    with running(path, first, BY_RECEIVER) as delivery:
        names = fill(delivery, 3)
        wait_until(lambda: len(sent(first)) >= 3, "sent")
    second = MemoryLink()
    with running(path, second, BY_BROKER) as delivery:
        assert delivery.drain(5)
        assert sent(second) == names


def test_a_burst_is_a_commit_or_two(path: Path) -> None:
    with running(path, MemoryLink(online=False), DeliverySettings(commit_every_s=0.5)) as delivery:
        fill(delivery, 200)
        wait_until(lambda: delivery.report().rows == 200, "all are taken in")
        time.sleep(0.6)
        assert delivery.report().commits <= 2


def test_a_first_event_is_sent_at_once(path: Path) -> None:
    link = MemoryLink()
    with running(path, link, DeliverySettings(commit_every_s=60)) as delivery:
        names = fill(delivery, 1)
        wait_until(lambda: sent(link) == names, "it is not kept for a batch", timeout_s=2)


def test_put_does_not_wait_for_a_disk_that_hangs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs, answers = threading.Event(), threading.Event()

    def commit(_outbox: Outbox) -> bool:
        hangs.set()
        return answers.wait(20)

    monkeypatch.setattr(Outbox, "commit", commit)
    with running(path, MemoryLink(), BY_BROKER) as delivery:
        fill(delivery, 1)
        assert hangs.wait(10)
        began_s = time.monotonic()
        fill(delivery, 10_050)
        assert time.monotonic() - began_s < 15, "the disk hangs for 20 s"
        assert delivery.report().dropped == 50, "bounded in memory, too, and counted"
        assert not delivery.flush(0.1)
        assert not delivery.drain(0.1)
        answers.set()


def test_an_erased_person_s_events_are_not_sent(path: Path) -> None:
    link = MemoryLink(online=False)
    with running(path, link, BY_BROKER) as delivery:
        names = fill(delivery, 2)
        delivery.put("anna", TOPIC, b"Anna Andersen", "p7")
        assert delivery.erase_person("p7") == 1
        link.connect()
        assert delivery.drain(5)
        assert sent(link) == names
        assert b"Anna" not in b"".join(file.read_bytes() for file in path.parent.iterdir())


def test_a_link_that_fails_costs_a_line_and_no_event(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    link = MemoryLink()
    with running(path, link, BY_BROKER) as delivery:
        whole, failures = link.publish, iter([True])

        def publish(*args: object, **kwargs: object) -> object:
            if next(failures, False):
                raise RuntimeError("unexpected")
            return whole(*args, **kwargs)  # type: ignore[arg-type] # passed on as they came

        link.publish = publish  # type: ignore[method-assign,assignment] # a fault that the link never has
        names = fill(delivery, 2)
        wait_until(lambda: sent(link) == names, "it goes on")
    assert lines(caplog) == ["delivery of events failed; it goes on"]


CHILD = """
import sys
from pathlib import Path
from uuid import uuid4
from edge.adapters.delivery import Delivery, DeliverySettings
from edge.adapters.memory_link import MemoryLink
from edge.adapters.outbox import Outbox

delivery = Delivery(Outbox(Path(sys.argv[1])), MemoryLink(online=False), DeliverySettings(commit_every_s=0.01))
delivery.start()
while True:
    names = [str(uuid4()) for _ in range(20)]
    for name in names:
        delivery.put(name, "t", name.encode())
    assert delivery.flush()
    print("\\n".join(names), flush=True)
"""


@pytest.mark.scenario
@pytest.mark.parametrize("alive_s", [0.3, 0.7])
def test_every_event_that_was_said_to_be_safe_survives_kill_9(path: Path, alive_s: float) -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, cwd=ROOT)
    assert child.stdout is not None
    first = child.stdout.readline()
    time.sleep(alive_s)
    os.kill(child.pid, signal.SIGKILL)
    said = [line.decode().strip() for line in [first, *child.stdout] if line.endswith(b"\n")]
    assert child.wait(10) == -signal.SIGKILL
    assert len(said) >= 20
    link = MemoryLink()
    link.published = type(link.published)(maxlen=None)
    with running(path, link, BY_BROKER) as delivery:
        assert delivery.report().set_aside is None
        assert delivery.drain(30)
    assert [name for name in sent(link) if name in set(said)] == said, "all of them, each once, in order"
