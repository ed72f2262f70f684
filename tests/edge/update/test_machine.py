"""The way of a release as a value: what follows what, what may not, and what stays in force throughout."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge.errors import MessageError
from edge.update.machine import MOST_ATTEMPTS, MOST_TESTS, OutOfTurnError, Record, Target


def target(number: int) -> Target:
    return Target(release=f"plda-{number}", kind="head", counter=number)


def staged(record: Record, number: int = 1) -> Record:
    return record.begun(target(number)).downloaded().placed().staged()


def on_trial(record: Record, number: int = 1) -> Record:
    return staged(record, number).tested_next().passed().on_trial()


def committed(record: Record, number: int = 1) -> Record:
    return on_trial(record, number).attempted().committed()


def test_the_whole_way_of_a_first_release() -> None:
    record = Record()
    assert record.in_force is None
    steps = [record.step]
    for go in (
        lambda r: r.begun(target(1)),
        Record.downloaded,
        Record.placed,
        Record.staged,
        Record.tested_next,
        Record.passed,
        Record.on_trial,
        Record.attempted,
    ):
        record = go(record)
        steps.append(record.step)
        assert record.in_force is None
        assert Record.from_json(record.to_json()) == record
    assert steps == [
        "idle", "downloading", "verifying", "verifying", "staged", "self_testing", "activating", "trial", "trial",
    ]  # fmt: skip
    record = record.committed()
    assert (record.step, record.in_force, record.previous, record.slot) == ("committed", "A", None, None)
    assert record.held("A") is not None


def test_the_second_release_goes_into_the_other_slot_and_the_third_into_the_first() -> None:
    second = committed(committed(Record()), 2)
    assert (second.in_force, second.previous) == ("B", "A")
    third = committed(second, 3)
    assert (third.in_force, third.previous) == ("A", "B")
    folders = [held.folder for held in (third.a, third.b) if held is not None]
    assert folders == ["A-3", "B-2"]


def test_a_slot_that_is_written_to_is_never_the_one_in_force_nor_gone_back_to() -> None:
    record = committed(committed(Record()), 2)
    placed = record.begun(target(3)).downloaded().placed()
    assert placed.in_force == "B"
    assert placed.previous is None
    back = placed.staged().tested_next().refused("weak").rolled_back("by hand")
    assert back.in_force is None


def test_a_trial_has_so_many_attempts_and_is_then_undone() -> None:
    record = on_trial(Record())
    left = []
    for _ in range(MOST_ATTEMPTS):
        record = record.attempted()
        left.append((record.step, record.attempts_left, record.attempt))
    assert left == [("trial", 2, 1), ("trial", 1, 2), ("trial", 0, 3)]
    record = record.attempted()
    assert record.step == "rolled_back"
    assert record.reason == "3 attempts to run it ended before it was found healthy"
    assert record.passed_over == ("plda-1",)
    assert record.in_force is None


def test_self_tests_that_never_answer_are_an_answer() -> None:
    record = staged(Record())
    for _ in range(MOST_TESTS):
        record = record.tested_next()
        assert record.step == "self_testing"
    record = record.tested_next()
    assert (record.step, record.reason) == ("refused", "the self-test was begun 3 times and gave no answer")


def test_a_trial_that_is_undone_leaves_what_was_in_force() -> None:
    record = on_trial(committed(Record()), 2).attempted().rolled_back("the scores of\nthe usual visitors fell")
    assert (record.step, record.in_force) == ("rolled_back", "A")
    assert record.reason == "the scores of the usual visitors fell"
    assert record.wants(target(2)) == "plda-2 was refused or rolled back before"
    assert record.wants(target(1)) == "plda-1 is in force"
    assert record.wants(target(3)) is None


def test_what_is_in_force_can_be_given_up_for_the_one_before_and_then_for_the_installed_head() -> None:
    record = committed(committed(Record()), 2).rolled_back("damaged")
    assert (record.step, record.in_force, record.previous) == ("rolled_back", "A", None)
    assert record.passed_over == ("plda-2",)
    record = record.rolled_back("damaged, too")
    assert record.in_force is None
    with pytest.raises(OutOfTurnError, match="there is nothing to roll back"):
        record.rolled_back("and the installed one")


def test_an_operator_may_want_a_release_again() -> None:
    record = staged(Record()).tested_next().refused("weak")
    assert record.wants(target(1)) is not None
    assert record.allowed_again("plda-1").wants(target(1)) is None


def test_what_was_in_the_way_may_pass() -> None:
    begun = Record().begun(target(1))
    for record in (begun.failed("the disk is full"), begun.paused("the clock is not set")):
        assert record.wants(target(1)) is None
        assert staged(record).step == "staged"


def test_a_release_is_begun_anew_at_any_step_but_in_a_trial() -> None:
    for number in range(1, 6):
        steps = [Record.downloaded, Record.placed, Record.staged, Record.tested_next, Record.passed][: number - 1]
        record = Record().begun(target(1))
        for step in steps:
            record = step(record)
        assert record.begun(target(2)).target == target(2)
    with pytest.raises(OutOfTurnError, match="is on trial"):
        on_trial(Record()).begun(target(2))
    assert on_trial(Record()).wants(target(2)) == "plda-1 is on trial"


@pytest.mark.parametrize(
    ("record", "step"),
    [
        (Record(), Record.downloaded),
        (Record(), Record.staged),
        (Record(), Record.tested_next),
        (Record(), Record.passed),
        (Record(), Record.on_trial),
        (Record(), Record.attempted),
        (Record(), Record.committed),
        (Record().begun(target(1)), Record.staged),
        (Record().begun(target(1)).downloaded(), Record.staged),
        (staged(Record()), Record.passed),
        (staged(Record()), Record.on_trial),
        (staged(Record()).tested_next(), Record.on_trial),
        (staged(Record()).tested_next().passed(), Record.committed),
        (staged(Record()).tested_next().passed(), Record.attempted),
        (Record(), lambda r: r.refused("x")),
        (on_trial(Record()), lambda r: r.refused("x")),
        (on_trial(Record()), lambda r: r.failed("x")),
        (on_trial(Record()), lambda r: r.paused("x")),
    ],
)
def test_nothing_is_skipped(record: Record, step: Callable[[Record], Record]) -> None:
    with pytest.raises(OutOfTurnError):
        step(record)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (b'"in_force":"A"', "slot A holds nothing"),
        (b'"step":"trial"', "key 'target': must be given in trial"),
        (b'"attempts_left":99', "must be from 0 to 3"),
        (b'"passed_over":["../x"]', "key 'passed_over"),
    ],
)
def test_a_record_that_contradicts_itself_is_none(change: bytes, words: str) -> None:
    key = change.split(b":")[0]
    body = Record().to_json()
    start = body.index(key)
    end = min(n for n in (body.find(b",", start), body.find(b"}", start)) if n > 0)
    with pytest.raises(MessageError, match=words):
        Record.from_json(body[:start] + change + body[end:])


class AnyWay(RuleBasedStateMachine):
    """Events in any order: those out of turn are refused, and no order leaves a door without a head."""

    def __init__(self) -> None:
        super().__init__()
        self.record = Record()
        self.number = 0
        self.good: list[str | None] = [None]

    @rule(step=st.sampled_from(["downloaded", "placed", "staged", "tested_next", "passed", "on_trial", "attempted"]))
    def go(self, step: str) -> None:
        try:
            self.record = getattr(self.record, step)()
        except OutOfTurnError:
            return

    @rule(fresh=st.booleans())
    def begin(self, fresh: bool) -> None:
        self.number += fresh
        wanted = target(max(self.number, 1))
        if self.record.wants(wanted) is None:
            self.record = self.record.begun(wanted)

    @rule(end=st.sampled_from(["refused", "failed", "paused"]))
    def end(self, end: str) -> None:
        try:
            self.record = getattr(self.record, end)("why not")
        except OutOfTurnError:
            return

    @precondition(lambda self: self.record.step == "trial")
    @rule()
    def commit(self) -> None:
        held = self.record.held(self.record.slot)
        assert held is not None
        self.record = self.record.committed()
        self.good.append(held.folder)

    @rule()
    def back(self) -> None:
        try:
            self.record = self.record.rolled_back("worse")
        except OutOfTurnError:
            return

    @invariant()
    def only_what_was_committed_is_in_force(self) -> None:
        for name in (self.record.in_force, self.record.previous):
            held = self.record.held(name)
            assert (held.folder if held else None) in self.good

    @invariant()
    def it_can_be_written_and_read(self) -> None:
        assert Record.from_json(self.record.to_json()) == self.record


TestAnyWay = AnyWay.TestCase
