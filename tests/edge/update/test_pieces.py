"""One file in pieces: whatever order, loss and repetition, the bytes come out once each and in order."""

from __future__ import annotations

import random
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.update import ChunkStatus, UpdateChunk, UpdateRequest
from edge.update.pieces import Download, Pace, Waiting
from edge.update.problems import FetchError

PACE = Pace(piece=10, window=4, answer_within_s=20.0, min_bytes_per_s=0.001, grace_s=10_000.0)
FILE = "targets/x.zip"


def answer(request: UpdateRequest, data: bytes) -> UpdateChunk:
    part = data[request.offset : request.offset + request.length]
    return UpdateChunk(number=request.number, status=ChunkStatus.OK, total=len(data), offset=request.offset, data=part)


def download(most: int = 1_000, *, exact: bool = False, start: int = 0, pace: Pace = PACE) -> Download:
    made = Download(FILE, most, count(7), pace, Waiting(pace.answer_within_s), exact=exact, start=start)
    made.found(0.0)
    return made


@given(
    data=st.binary(max_size=300),
    start_share=st.floats(0, 1),
    exact=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_every_byte_comes_once_and_in_order_whatever_happens_on_the_way(
    data: bytes, start_share: float, exact: bool, seed: int
) -> None:
    chance, now_s = random.Random(seed), 0.0
    start = int(len(data) * start_share) if exact else 0
    made = download(len(data) if exact else 300, exact=exact, start=start)
    got, under_way = bytearray(data[:start]), list[UpdateRequest]()
    for _ in range(5_000):
        if made.done:
            break
        now_s += chance.choice([0.1, 1.0, 30.0])
        due = made.due(now_s)
        under_way += due
        what = chance.random()
        if what < 0.1:
            made.lost(now_s)
            made.found(now_s)
        elif what < 0.2 and under_way:
            under_way.pop(chance.randrange(len(under_way)))
        elif under_way:
            at = chance.randrange(len(under_way))
            request = under_way[at] if what < 0.3 else under_way.pop(at)
            for part in made.take(answer(request, data), now_s):
                got += part
    assert made.done
    assert bytes(got) == data
    assert made.due(now_s) == []


def test_the_length_is_learned_from_the_first_piece_and_then_the_window_is_full() -> None:
    made, data = download(), bytes(95)
    (first,) = made.due(0.0)
    assert (first.offset, first.length) == (0, 10)
    assert made.due(1.0) == []
    made.take(answer(first, data), 1.0)
    assert [request.offset for request in made.due(1.0)] == [10, 20, 30, 40]
    assert made.due(1.0) == []


def test_the_last_piece_is_asked_for_at_its_own_length() -> None:
    made = download(25, exact=True)
    (first,) = made.due(0.0)
    made.take(answer(first, bytes(25)), 1.0)
    assert [(r.offset, r.length) for r in made.due(1.0)] == [(10, 10), (20, 5)]


def test_no_more_is_asked_for_than_may_come() -> None:
    assert [(r.offset, r.length) for r in download(4).due(0.0)] == [(0, 4)]


def test_what_came_early_is_bounded_while_a_piece_before_it_is_missing() -> None:
    made, data, early = download(1_000, exact=True), bytes(1_000), 0
    made.take(answer(made.due(0.0)[0], data), 1.0)
    first, *rest = made.due(0.0)
    while rest:
        for request in rest:
            assert made.take(answer(request, data), 1.0) == []
            early += request.length
        rest = made.due(1.0)
    assert early <= 2 * PACE.window * PACE.piece
    assert sum(map(len, made.take(answer(first, data), 1.0))) == early + 10


def test_a_piece_that_does_not_come_is_asked_for_again_later_each_time() -> None:
    made, asked = download(10, exact=True), []
    for now_s in range(700):
        asked += [now_s] * len(made.due(float(now_s)))
    assert asked == [0, *range(20, 700, 40)]


@pytest.mark.parametrize("first", ["old", "new"])
def test_of_a_piece_that_was_asked_for_twice_the_first_answer_is_taken_and_the_other_is_nobody_s(first: str) -> None:
    made, data = download(10, exact=True), b"0123456789"
    (old,) = made.due(0.0)
    (new,) = made.due(20.0)
    taken, other = (old, new) if first == "old" else (new, old)
    assert made.take(answer(taken, data), 21.0) == [data]
    assert made.take(answer(other, data), 22.0) == []
    assert made.done


def test_an_answer_of_a_connection_before_is_nobody_s() -> None:
    made, data = download(10, exact=True), b"0123456789"
    (old,) = made.due(0.0)
    made.lost(1.0)
    made.found(2.0)
    assert made.take(answer(old, data), 3.0) == []
    assert len(made.due(3.0)) == 1


def test_on_a_slow_link_little_is_asked_for_twice() -> None:
    """13 s for each piece, one after the other, as 64 KiB take at 5 KiB/s; each answer says what the next may take."""
    made, data, now_s = download(300, exact=True), bytes(300), 0.0
    sent, queue = 0, list[UpdateRequest]()
    while not made.done:
        queue += made.due(now_s)
        now_s += 13.0
        made.take(answer(queue.pop(0), data), now_s)
        sent += 1
    assert sent <= 32


def test_the_wait_for_an_answer_follows_what_answers_take() -> None:
    waiting = Waiting(20.0)
    assert [waiting.limit_s(tries) for tries in (1, 2, 3)] == [20.0, 40.0, 40.0]
    for _ in range(50):
        waiting.heard(0.05)
    assert [waiting.limit_s(tries) for tries in (1, 2, 3, 4, 5)] == [2.0, 4.0, 8.0, 16.0, 20.0]
    for _ in range(50):
        waiting.heard(30.0)
    assert 29 < waiting.limit_s(1) < 33
    assert 55 < waiting.limit_s(9) < 65


def test_time_without_a_connection_counts_for_nobody() -> None:
    made = download(100, exact=True, pace=Pace(piece=10, min_bytes_per_s=10.0, grace_s=5.0))
    made.due(1.0)
    made.lost(2.0)
    made.found(1_000.0)
    assert len(made.due(1_001.0)) == 1
    with pytest.raises(FetchError, match="the trainer does not answer"):
        made.due(1_010.0)


def test_a_server_s_disk_may_fail_some_times_and_not_for_ever() -> None:
    made = download(10, exact=True)

    def fail() -> None:
        (request,) = made.due(0.0)
        made.take(UpdateChunk(number=request.number, status=ChunkStatus.FAILED, data=b"I/O error"), 1.0)

    for _ in range(5):
        fail()
    with pytest.raises(FetchError, match=r"the trainer cannot read targets/x\.zip: I/O error") as caught:
        fail()
    assert caught.value.code == "away"


@pytest.mark.parametrize(("status", "code"), [(ChunkStatus.MISSING, "missing"), (ChunkStatus.REFUSED, "denied")])
def test_a_refusal_ends_it(status: ChunkStatus, code: str) -> None:
    made = download()
    (request,) = made.due(0.0)
    with pytest.raises(FetchError) as caught:
        made.take(UpdateChunk(number=request.number, status=status, data=b"\x1b[31mno\n"), 1.0)
    assert caught.value.code == code
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("total", "offset", "data"),
    [(101, 0, bytes(10)), (99, 0, bytes(10)), (100, 1, bytes(10)), (100, 0, bytes(9)), (100, 0, bytes(11)),
     (100, 0, b"")],
)  # fmt: skip
def test_what_was_not_asked_for_is_not_taken(total: int, offset: int, data: bytes) -> None:
    made = download(100, exact=True)
    request = made.due(0.0)[0]
    with pytest.raises(FetchError) as caught:
        made.take(UpdateChunk(number=request.number, status=ChunkStatus.OK, total=total, offset=offset, data=data), 1.0)
    assert caught.value.code == "length"


def test_a_file_that_grows_while_it_is_fetched_is_not_taken() -> None:
    made = download()
    (first,) = made.due(0.0)
    made.take(answer(first, bytes(50)), 1.0)
    with pytest.raises(FetchError, match="has 60 bytes where 50 were declared"):
        made.take(answer(made.due(0.0)[0], bytes(60)), 1.0)
