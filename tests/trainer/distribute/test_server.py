"""The server's loop on a link that keeps what it is given: who is answered, where, and how much is on its way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from edge.contract.topics import Topics
from edge.contract.update import ChunkStatus, UpdateChunk, UpdateRequest
from edge.ports import Handover, Incoming, LinkListener
from tests.fakes.world import wait_until
from trainer.distribute.server import Distributor, subscriptions
from trainer.distribute.shelf import Shelf

TOPICS = Topics("doorward")
REQUEST = UpdateRequest(number=9, file="targets/x.zip", offset=0, length=65_536)


class KeepingLink:
    """Takes everything, delivers when told."""

    def __init__(self) -> None:
        self.published: list[tuple[str, UpdateChunk, bytes | None, str | None]] = []
        self.acknowledged: list[Incoming] = []
        self.result = Handover.TAKEN

    def start(self, *listeners: LinkListener) -> None:
        """Connected already."""

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        correlation: bytes | None = None,
        token: str | None = None,
        connection: int | None = None,
    ) -> Handover:
        assert (qos, retain, connection) == (1, False, None)
        self.published.append((topic, UpdateChunk.from_json(payload), correlation, token))
        return self.result

    def acknowledge(self, message: Incoming) -> None:
        self.acknowledged.append(message)

    connected = True
    problem = None

    def stop(self) -> None:
        """Nothing to stop."""


@pytest.fixture
def link() -> KeepingLink:
    return KeepingLink()


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets" / "x.zip").write_bytes(b"abcdef")
    return Shelf(tmp_path)


@contextmanager
def running(link: KeepingLink, shelf: Shelf) -> Iterator[Distributor]:
    server = Distributor(link, shelf, TOPICS, idle_s=0.05)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(10)
        assert not thread.is_alive()


def message(
    door: str, request: UpdateRequest | bytes, *, reply: str = "", correlation: bytes = b"\0\0\0\1"
) -> Incoming:
    payload = request if isinstance(request, bytes) else request.to_json()
    return Incoming(f"doorward/{door}/update/request", payload, reply or None, correlation)


def wait_for(link: KeepingLink, count: int) -> None:
    wait_until(lambda: len(link.published) >= count, f"{count} answers, came: {len(link.published)}")


def test_a_door_gets_its_piece_on_its_own_topic(link: KeepingLink, shelf: Shelf) -> None:
    with running(link, shelf) as server:
        server.on_message(message("front", REQUEST))
        wait_for(link, 1)
    topic, chunk, correlation, _ = link.published[0]
    assert (topic, correlation) == ("doorward/front/update/chunk", b"\0\0\0\1")
    assert (chunk.number, chunk.data, chunk.total) == (9, b"abcdef", 6)
    assert len(link.acknowledged) == 1
    assert (server.tally.pieces, server.tally.sent, server.tally.refused) == (1, 28, 0)


def test_a_response_topic_sends_the_piece_nowhere_else(link: KeepingLink, shelf: Shelf) -> None:
    with running(link, shelf) as server:
        server.on_message(message("front", REQUEST, reply="doorward/back/update/chunk"))
        wait_for(link, 1)
    assert link.published[0][0] == "doorward/front/update/chunk"


@pytest.mark.parametrize(
    "payload",
    [b"", b"{}", b"\xff", b'{"schema":"1.0","number":1,"file":"../../etc/passwd","offset":0,"length":9}',
     b'{"schema":"1.0","number":1,"file":"targets/x.zip","offset":-1,"length":9}', b"x" * 100_000],
)  # fmt: skip
def test_what_is_no_request_for_a_file_of_the_repository_gets_a_refusal(
    link: KeepingLink, shelf: Shelf, payload: bytes
) -> None:
    with running(link, shelf) as server:
        server.on_message(message("front", payload, correlation=b"\0\0\0\7"))
        wait_for(link, 1)
    chunk = link.published[0][1]
    assert (chunk.status, chunk.number) == (ChunkStatus.REFUSED, 7)
    assert chunk.words.startswith("update/request: ")
    assert len(link.acknowledged) == 1


def test_messages_of_other_topics_are_acknowledged_and_passed_over(link: KeepingLink, shelf: Shelf) -> None:
    with running(link, shelf) as server:
        server.on_message(Incoming("doorward/front/state", b"{}"))
        server.on_message(Incoming("elsewhere", b"{}"))
        server.on_message(message("front", REQUEST))
        wait_for(link, 1)
    assert len(link.acknowledged) == 3
    assert len(link.published) == 1


def test_no_more_is_on_its_way_than_the_broker_keeps_up_with(link: KeepingLink, shelf: Shelf) -> None:
    with running(link, shelf) as server:
        for number in range(40):
            server.on_message(message(f"door-{number}", REQUEST))
        wait_for(link, 16)
        assert len(link.published) == 16
        for _, _, _, token in list(link.published[:5]):
            assert token is not None
            server.on_delivered(token, None)
        wait_for(link, 21)
        assert len(link.published) == 21
        server.on_disconnected()
        server.on_message(message("last", REQUEST))
        wait_for(link, 22)
    assert link.published[-1][0] == "doorward/last/update/chunk"
    assert len(link.published) == 22


def test_a_piece_that_the_link_does_not_take_holds_nobody_up(link: KeepingLink, shelf: Shelf) -> None:
    link.result = Handover.AWAY
    with running(link, shelf) as server:
        for number in range(40):
            server.on_message(message(f"door-{number}", replace(REQUEST, number=number)))
        wait_for(link, 40)
    assert server.tally.pieces == 0


def test_workers_share_the_requests() -> None:
    (subscription,) = subscriptions(TOPICS, "trainer")
    assert subscription.filter == "$share/trainer-distribute/doorward/+/update/request"
    assert not subscription.retained
