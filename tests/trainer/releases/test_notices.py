"""The doors' retained notices: only the difference is sent, and a broker that forgot or remembers wrongly is mended."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.adapters.memory_link import MemoryLink
from edge.contract.topics import Topics
from edge.contract.update import UpdateNotice
from tests.fakes.messages import NOTICE
from trainer.releases.notices import Notices, difference

TOPICS = Topics("doorward")
NEXT = replace(NOTICE, release="plda-2", counter=8)

payloads = st.dictionaries(st.sampled_from("abcdef"), st.binary(min_size=1, max_size=3), max_size=6)


class Kept(MemoryLink):
    """A broker that keeps what is retained, and tells a listener of it as brokers do."""

    def __init__(self) -> None:
        super().__init__()
        self.broker: dict[str, bytes] = {}

    def settle(self) -> None:
        """The broker has taken what was published, and tells it back."""
        while self.published:
            sent = self.published.popleft()
            self.broker[sent.topic] = sent.payload
            self.receive(sent.topic, sent.payload)

    def again(self) -> None:
        """The connection is lost and comes back; the broker tells what it keeps."""
        self.disconnect()
        self.connect()
        for topic, payload in self.broker.items():
            if payload:
                self.receive(topic, payload)


def topic(door: str) -> str:
    return TOPICS.name("update_notice", door)


@pytest.fixture
def link() -> Kept:
    return Kept()


@pytest.fixture
def notices(link: Kept) -> Notices:
    made = Notices(link, TOPICS)
    link.start(made)
    return made


def turns(notices: Notices, link: Kept, wanted: dict[str, UpdateNotice], *times_s: float) -> list[int]:
    counts = []
    for now_s in times_s:
        counts.append(notices.turn(wanted, now_s))
        link.settle()
    return counts


@given(payloads, payloads)
def test_what_is_sent_makes_of_what_is_kept_what_is_wanted(wanted: dict[str, bytes], kept: dict[str, bytes]) -> None:
    sent = difference(wanted, kept)
    after = {door: payload for door, payload in (kept | sent).items() if payload}
    assert after == wanted
    assert all(kept.get(door, b"") != payload for door, payload in sent.items())


def test_nothing_is_sent_before_the_broker_had_time_to_tell_what_it_keeps(notices: Notices, link: Kept) -> None:
    link.receive(topic("front"), NOTICE.to_json())
    assert turns(notices, link, {"front": NOTICE, "back": NOTICE}, 100.0, 102.0, 103.5, 104.0) == [0, 0, 1, 0]
    assert link.broker == {topic("back"): NOTICE.to_json()}


def test_a_notice_that_changes_is_sent_and_one_that_nobody_should_find_is_taken_away(
    notices: Notices, link: Kept
) -> None:
    turns(notices, link, {"front": NOTICE, "back": NOTICE}, 100.0, 104.0)
    assert turns(notices, link, {"front": NEXT}, 105.0, 106.0) == [2, 0]
    assert link.broker == {topic("front"): NEXT.to_json(), topic("back"): b""}


def test_a_broker_that_lost_its_retained_messages_is_mended(notices: Notices, link: Kept) -> None:
    turns(notices, link, {"front": NOTICE}, 100.0, 104.0)
    link.broker.clear()
    link.again()
    assert turns(notices, link, {"front": NOTICE}, 105.0, 106.0, 108.5) == [0, 0, 1]
    assert link.broker == {topic("front"): NOTICE.to_json()}


def test_a_broker_that_came_back_with_what_it_had_is_left_alone(notices: Notices, link: Kept) -> None:
    turns(notices, link, {"front": NOTICE}, 100.0, 104.0)
    link.again()
    assert turns(notices, link, {"front": NOTICE}, 105.0, 106.0, 109.0) == [0, 0, 0]


def test_somebody_elses_notice_is_put_right(notices: Notices, link: Kept) -> None:
    turns(notices, link, {"front": NOTICE}, 100.0, 104.0)
    turns(notices, link, {"front": NOTICE}, 105.0)
    link.receive(topic("front"), b"nonsense")
    assert turns(notices, link, {"front": NOTICE}, 106.0, 107.0) == [1, 0]
    assert link.broker == {topic("front"): NOTICE.to_json()}


def test_one_that_never_comes_back_is_sent_again_now_and_then(notices: Notices, link: Kept) -> None:
    counts = []
    for now_s in (100.0, 104.0, 105.0, 300.0, 405.0):
        counts.append(notices.turn({"front": NOTICE}, now_s))
        link.published.clear()
    assert counts == [0, 1, 0, 0, 1]


def test_a_large_fleet_is_told_some_at_a_time(notices: Notices, link: Kept) -> None:
    wanted = {f"door-{number}": NOTICE for number in range(250)}
    assert turns(notices, link, wanted, 100.0, 104.0, 105.0, 106.0, 107.0) == [0, 100, 100, 50, 0]


def test_nothing_is_sent_while_the_broker_is_away(notices: Notices, link: Kept) -> None:
    link.disconnect()
    assert turns(notices, link, {"front": NOTICE}, 100.0, 200.0) == [0, 0]


def test_what_is_heard_is_acknowledged(notices: Notices, link: Kept) -> None:
    message = link.receive(topic("front"), NOTICE.to_json())
    other = link.receive("doorward/front/state", b"{}")
    assert list(link.acknowledged) == [message, other]
