"""The worker on both databases, with a link that is driven by hand: what is committed, answered, acknowledged when."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from edge.adapters.memory_link import MemoryLink
from edge.contract.fleet import FleetAck, PersonErased, PersonReport
from edge.contract.messages import EventAck, Message
from edge.contract.topics import Topics
from edge.contract.update import UpdateStep
from tests.fakes.fleet import DIM, EMBEDDER, KEY, OTHER_EMBEDDER, erased, report
from tests.fakes.log_lines import lines
from tests.fakes.messages import RELEASE, STATE, new_event
from tests.fakes.postgres import Postgres
from tests.fakes.rollout import meet, said
from tests.fakes.world import wait_until
from trainer.ingest.intake import Intake
from trainer.ingest.worker import Worker, WorkerRules, pause_s
from trainer.store.store import FleetStore
from trainer.store.writer import Writer

RULES = WorkerRules(batch=20, wait_s=0.02, idle_s=0.2, by="trainer")
PEOPLE, EVENTS = "doorward/front/fleet/people", "doorward/front/events"


class House:
    """A worker and its link."""

    def __init__(self, store: FleetStore, rules: WorkerRules = RULES) -> None:
        self.store = store
        self.link = MemoryLink(max_packet_bytes=20_000_000)
        self.intake = Intake()
        self.worker = Worker(store, self.link, self.intake, Topics("doorward"), rules)

    def send(self, topic: str, message: Message | bytes) -> None:
        self.link.receive(topic, message if isinstance(message, bytes) else message.to_json())

    def wait_for(self, count: int) -> None:
        wait_until(lambda: len(self.link.acknowledged) >= count, f"{count} acknowledged; {len(self.link.acknowledged)}")

    def answered(self, topic: str) -> set[str]:
        """Ids that were acknowledged on a topic of a door."""
        kind: type[EventAck | FleetAck] = EventAck if topic.endswith("events/ack") else FleetAck
        acks = [kind.from_json(sent.payload) for sent in self.link.published if sent.topic == topic]
        assert all(ack.by == "trainer" for ack in acks)
        return {str(one) for ack in acks for one in ack.ids}

    @property
    def people(self) -> set[tuple[str, str]]:
        return {(one.door, one.person) for one in self.store.embeddings(EMBEDDER)}


@contextmanager
def running(house: House) -> Iterator[House]:
    house.link.start(house.intake)
    thread = threading.Thread(target=house.worker.run)
    thread.start()
    try:
        yield house
    finally:
        house.worker.stop()
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def house(store: FleetStore) -> Iterator[House]:
    with running(House(store)) as made:
        yield made


def test_each_kind_of_message_is_stored_and_answered_to_its_door(house: House) -> None:
    told, event = report(), new_event()
    house.send(PEOPLE, told)
    house.send(EVENTS, event)
    house.send("doorward/front/state", STATE)
    house.send("doorward/back/fleet/people", report("back"))
    house.send("doorward/back/fleet/erased", erased("back"))
    house.wait_for(5)
    assert house.people == {("front", "p7")}
    assert house.answered("doorward/front/fleet/ack") == {str(told.report)}
    assert house.answered("doorward/back/fleet/ack") == {str(report("back").report), str(erased("back").report)}
    assert house.answered("doorward/front/events/ack") == {str(event.event)}
    status = house.store.status()
    assert (status.events, status.erased, [door.people for door in status.doors]) == (1, 1, [None, 12])


def test_a_message_that_comes_again_is_stored_once_and_answered_again(house: House) -> None:
    told, event = report(), new_event()
    for _ in range(2):
        house.send(PEOPLE, told)
        house.send(EVENTS, event)
        house.wait_for(2)
        house.link.acknowledged.clear()
    assert house.store.status().events == 1
    assert house.store.status().embedders[EMBEDDER].exemplars == 3
    acks = [sent.topic for sent in house.link.published]
    assert sorted(acks) == ["doorward/front/events/ack"] * 2 + ["doorward/front/fleet/ack"] * 2


def test_an_older_report_and_one_of_somebody_erased_are_answered_too(house: House) -> None:
    messages: list[PersonReport | PersonErased] = [
        report(revision=3),
        report(revision=1),
        erased(revision=5),
        report(revision=4),
    ]
    for message in messages:
        house.send("doorward/front/fleet/erased" if message.KIND == "fleet/erased" else PEOPLE, message)
        house.wait_for(1)
        house.link.acknowledged.clear()
    assert house.people == set()
    assert house.answered("doorward/front/fleet/ack") == {str(message.report) for message in messages}


def test_one_wrong_report_under_a_shipped_embedder_s_name_costs_nobody_else_their_place(database: str) -> None:
    with FleetStore.open(database, KEY, dimensions={EMBEDDER: DIM}) as store, running(House(store)) as house:
        wrong, right = report(person="p1", dim=96), [report(person=f"p{number}") for number in range(2, 6)]
        other = report(person="p9", dim=96, embedder=OTHER_EMBEDDER)
        for one in (wrong, *right, other):
            house.send(PEOPLE, one)
            house.wait_for(1)
            house.link.acknowledged.clear()
        assert house.people == {("front", one.person) for one in right}
        assert house.answered("doorward/front/fleet/ack") == {str(one.report) for one in (wrong, *right, other)}
        assert [one.person for one in store.embeddings(OTHER_EMBEDDER)] == ["p9"]
        assert list(store.status().set_aside) == [
            "fleet/people: embeddings of 96 numbers; those of embedder abababababab have 8"
        ]


def test_poison_is_set_aside_answered_where_it_can_be_and_holds_nobody_up(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    good, cut, nan = report(person="p1"), report(person="p2"), report(person="p3")
    house.send(PEOPLE, cut.to_json()[:300])
    house.send(PEOPLE, nan.to_json().replace(b'"scale":0', b'"scale":NaN,"s":0', 1))
    house.send(PEOPLE, good)
    house.send(PEOPLE, b"\xff\xfe no text")
    house.send(EVENTS, new_event().to_json()[:-1] + b" " * 10_000_000 + b"}")
    house.send("doorward/front/state", b"{}")
    house.wait_for(6)
    assert house.people == {("front", "p1")}
    assert house.answered("doorward/front/fleet/ack") == {str(one.report) for one in (good, cut, nan)}
    assert len(house.answered("doorward/front/events/ack")) == 1
    reasons = "\n".join(house.store.status().set_aside)
    for words in (
        "is not JSON",
        "holds NaN",
        "is not UTF-8 at byte 0",
        "at most 8192 are allowed",
        "'schema': is miss",
    ):
        assert words in reasons
    told = [line for line in lines(caplog) if line.startswith("a message was set aside")]
    assert len(told) == 5
    assert house.worker.tally.set_aside == 5


def test_an_erasure_that_cannot_be_read_is_not_answered(house: House) -> None:
    """Its door would take the person for erased."""
    house.send("doorward/front/fleet/erased", erased().to_json().replace(b'"1.0"', b'"2.0"'))
    house.wait_for(1)
    assert house.store.status().set_aside == {"fleet/erased: key 'schema': version 2.0 is not known here; 1.x is": 1}
    assert not house.link.published


def test_messages_come_into_the_store_some_at_a_time(store: FleetStore) -> None:
    house = House(store, replace(RULES, wait_s=5.0, batch=10))
    house.link.start(house.intake)
    for _ in range(30):
        house.send(EVENTS, new_event())
    thread = threading.Thread(target=house.worker.run)
    began = time.monotonic()
    thread.start()
    house.wait_for(30)
    assert time.monotonic() - began < 4  # a full batch does not wait
    house.worker.stop()
    thread.join(20)
    assert house.worker.tally.batches == 3
    assert len(house.link.published) == 3


def test_of_a_doors_states_in_one_batch_the_newest_holds(store: FleetStore) -> None:
    house = House(store, replace(RULES, wait_s=0.5))
    with running(house):
        for people in (1, 2, 3):
            house.send("doorward/front/state", replace(STATE, people=people))
        house.wait_for(3)
    assert [door.people for door in store.status().doors] == [3]


def test_of_what_a_door_says_of_updates_in_one_batch_every_word_counts(store: FleetStore) -> None:
    """That it went back is over in a moment, and stops the rollout."""
    description = replace(RELEASE, release="r1")
    meet(store, ("front",))
    with store.write() as writer:
        writer.releases.add(description)
        writer.releases.begin("r1", "rest", {"front": 0}, 0)
    house = House(store, replace(RULES, wait_s=0.5))
    with running(house):
        steps: tuple[UpdateStep, ...] = ("trial", "rolled_back", "downloading")
        for number, step in enumerate(steps):
            house.send("doorward/front/update/state", said("front", "r1", step, 1e9 + number))
        house.send("doorward/front/update/state", b"{}")
        house.wait_for(4)
    assert not house.link.published
    with store.reading_releases() as kept:
        row = kept.doors_of("r1")[0]
        assert (row.status, row.rolled_back) == ("downloading", True)
        assert [one.state for one in kept.updates()] == ["downloading"]
    assert list(store.status().set_aside) == ["update/state: key 'schema': is missing"]


def test_nothing_is_answered_or_acknowledged_before_the_commit(
    store: FleetStore, open_store: Callable[[], FleetStore]
) -> None:
    """Somebody else holds the person's row; the worker waits for it and tells nobody anything."""
    other = open_store()
    with other.write() as writer:
        writer.person(report(revision=1))
    with running(House(store)) as house:
        with other.write() as writer:
            writer.person(report(revision=2))
            house.send(PEOPLE, report(revision=3))
            time.sleep(0.5)
            assert not house.link.acknowledged
            assert not house.link.published
        house.wait_for(1)
        assert house.answered("doorward/front/fleet/ack") == {str(report(revision=3).report)}


def test_a_store_that_is_away_costs_nothing_but_time(postgres: Postgres, caplog: pytest.LogCaptureFixture) -> None:
    with FleetStore.open(postgres.empty_database(), KEY) as store, running(House(store)) as house:
        house.send(PEOPLE, report(person="p1"))
        house.wait_for(1)
        postgres.kill()
        house.send(PEOPLE, report(person="p2"))
        house.send(EVENTS, b"not even a message")
        wait_until(lambda: any("nothing can be stored" in line for line in lines(caplog)), "told that it is away")
        assert len(house.link.acknowledged) == 1
        assert len(house.link.published) == 1
        postgres.start()
        house.wait_for(3)
        assert house.people == {("front", "p1"), ("front", "p2")}
        assert str(report(person="p2").report) in house.answered("doorward/front/fleet/ack")


def test_messages_of_a_lost_connection_are_given_up_and_come_again(postgres: Postgres) -> None:
    with FleetStore.open(postgres.empty_database(), KEY) as store, running(House(store)) as house:
        postgres.kill()
        house.send(PEOPLE, report())
        time.sleep(0.3)
        house.link.disconnect()
        postgres.start()
        house.link.connect()
        time.sleep(1)
        assert not house.link.acknowledged
        house.send(PEOPLE, report())
        house.wait_for(1)
        assert house.people == {("front", "p7")}


def test_a_worker_ends_while_the_store_is_away_and_acknowledges_nothing(postgres: Postgres) -> None:
    with FleetStore.open(postgres.empty_database(), KEY) as store:
        with running(House(store)) as house:
            postgres.kill()
            house.send(PEOPLE, report())
            time.sleep(0.3)
        assert not house.link.acknowledged
        postgres.start()


def test_a_message_that_fails_by_our_own_fault_is_set_aside_and_its_door_keeps_it(
    store: FleetStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = Writer.event

    def flawed(writer: Writer, event: object) -> bool:
        if getattr(event, "frames", 0) == 13:
            raise TypeError("a flaw of ours")
        return real(writer, event)  # type: ignore[arg-type]  # as the worker calls it

    monkeypatch.setattr(Writer, "event", flawed)
    good, bad = new_event(), new_event(frames=13)
    with running(House(store, replace(RULES, wait_s=0.3))) as house:
        house.send(EVENTS, bad)
        house.send(EVENTS, good)
        house.wait_for(2)
        assert house.answered("doorward/front/events/ack") == {str(good.event)}
        assert store.status().set_aside == {"unexpected: TypeError": 1}
        monkeypatch.undo()
        house.send(EVENTS, bad)
        house.wait_for(3)
        assert store.status().events == 2


def test_an_id_given_twice_in_one_batch_is_acknowledged_once(store: FleetStore) -> None:
    event = new_event()
    with running(House(store, replace(RULES, wait_s=0.3))) as house:
        house.send(EVENTS, event)
        house.send(EVENTS, event)
        house.wait_for(2)
        (sent,) = house.link.published
        assert EventAck.from_json(sent.payload).ids == (event.event,)


def test_pauses_grow_to_half_a_minute() -> None:
    longest = [pause_s(failures, 1.0) for failures in range(1, 20)]
    assert longest[0] == 0.05
    assert longest == sorted(longest)
    assert longest[-1] == 30.0
    assert pause_s(3, 0.0) == longest[2] / 2
