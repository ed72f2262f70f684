"""Rings: who is in which, when the next one follows, when none does. Decided purely, so tried on everything."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.releases.rings import CLOSED, FAILED, AtDoor, Rings, Rules, Status, judge, next_ring, tally

RULES = Rules(success=0.98, least=20, wait_s=100.0)
NOW = 1000.0
THREE = Rings.parse("door-a, 50%, rest")
STATUSES: tuple[Status, ...] = (
    "scheduled",
    "downloading",
    "proceeding",
    "closed success",
    "closed failure",
    "rejected",
    "cancelled",
)

names = st.text("abcdef-0", min_size=1, max_size=4)
fleets = st.sets(names, max_size=40)


@st.composite
def all_rings(draw: st.DrawFn) -> Rings:
    parts: list[str] = []
    named: set[str] = set()
    left = 100
    for _ in range(draw(st.integers(0, 5))):
        by_name: bool = draw(st.booleans())
        doors = draw(st.sets(names, min_size=1, max_size=3)) - named
        if doors and by_name:
            named |= doors
            parts.append(" ".join(sorted(doors)))
        elif left > 1:
            share = draw(st.integers(1, left - 1))
            left -= share
            parts.append(f"{share}%")
    return Rings.parse(", ".join([*parts, "rest"]))


@st.composite
def door_lists(draw: st.DrawFn, *, rings: int = 3) -> list[AtDoor]:
    count = draw(st.integers(0, 60))
    return [
        AtDoor(
            f"d{number}",
            draw(st.integers(0, rings - 1)),
            draw(st.sampled_from((*STATUSES, "closed success", "closed success"))),
            draw(st.sampled_from((0.0, NOW - 100.0, NOW - 99.0, NOW))),
            draw(st.integers(0, 30)) == 0,
            draw(st.integers(0, 9)) == 0,
            draw(st.integers(0, 5)) != 0,
        )
        for number in range(count)
    ]


@given(all_rings(), fleets)
def test_every_door_is_in_one_ring_and_always_in_the_same(rings: Rings, fleet: set[str]) -> None:
    plan = rings.plan(sorted(fleet))
    assert set(plan) == fleet
    assert all(0 <= ring < len(rings) for ring in plan.values())
    assert plan == rings.plan(sorted(fleet, reverse=True))
    for number in range(len(rings)):
        assert {door for door in fleet if door in rings.names(number)} <= {d for d, n in plan.items() if n == number}


@given(all_rings(), fleets)
def test_a_share_is_rounded_up_so_that_no_ring_before_the_last_stays_empty_while_doors_are_left(
    rings: Rings, fleet: set[str]
) -> None:
    plan = rings.plan(fleet)
    left = len(fleet) - sum(door in rings.names(n) for n in range(len(rings)) for door in fleet)
    others = left
    for number, ring in enumerate(rings.rings):
        if ring.share is not None:
            expected = min(math.ceil(round(ring.share * others, 6)), left)
            assert sum(n == number for n in plan.values()) == expected
            left -= expected


@given(all_rings(), fleets, names)
def test_a_door_that_comes_late_is_in_the_last_ring_unless_it_is_named(
    rings: Rings, fleet: set[str], door: str
) -> None:
    named = [number for number in range(len(rings)) if door in rings.names(number)]
    assert rings.late(door) == (named[0] if named else len(rings) - 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the last ring must be rest"),
        ("10%", "the last ring must be rest"),
        ("rest, rest", "is no ring"),
        ("a/b, rest", "is no ring"),
        (", rest", "is no ring"),
        ("0%, rest", "a share is above 0 %"),
        ("101%, rest", "a share is above 0 %"),
        ("60%, 50%, rest", "more than 100 %"),
        ("a b, c a, rest", "a is in two rings"),
        (", ".join(["1%"] * 16 + ["rest"]), "17 rings are too many"),
    ],
)
def test_a_mistake_in_the_rings_is_told(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Rings.parse(text)


@given(door_lists(), st.integers(0, 2))
def test_the_next_ring_follows_only_on_enough_lasting_successes_and_no_door_that_went_back(
    doors: list[AtDoor], active: int
) -> None:
    verdict = judge(THREE, active, doors, RULES, NOW)
    opened = [door for door in doors if door.ring <= active and not door.excused]
    if verdict.act in ("promote", "finish"):
        here = [door for door in opened if door.ring == active]
        lasting = [d for d in here if d.status == "closed success" and d.changed_s <= NOW - RULES.wait_s]
        failed = [d for d in here if d.status in FAILED]
        there = [d for d in here if d.present or d.status in CLOSED]
        assert not any(door.rolled_back for door in opened)
        assert len(lasting) + len(failed) >= min(RULES.least, len(there))
        assert not here or len(lasting) >= 0.98 * (len(lasting) + len(failed)) - 1e-9
        assert (verdict.act == "promote") == (active < 2)
    assert (verdict.act == "stop") >= any(door.rolled_back for door in opened)
    assert "\n" not in verdict.reason


@given(door_lists(), st.integers(0, 2), st.integers(0, 59), st.sampled_from(("rejected", "closed failure")))
def test_one_more_failure_never_helps(doors: list[AtDoor], active: int, which: int, status: Status) -> None:
    order = {"stop": 0, "wait": 1, "promote": 2, "finish": 2}
    before = judge(THREE, active, doors, RULES, NOW)
    if which >= len(doors) or doors[which].status != "closed success":
        return
    worse = [*doors[:which], replace(doors[which], status=status), *doors[which + 1 :]]
    assert order[judge(THREE, active, worse, RULES, NOW).act] <= order[before.act]


@given(door_lists(), st.integers(0, 2))
def test_rings_that_were_not_opened_have_no_say(doors: list[AtDoor], active: int) -> None:
    others = [door for door in doors if door.ring <= active]
    assert judge(THREE, active, doors, RULES, NOW) == judge(THREE, active, others, RULES, NOW)


def ring(count: int, status: Status = "closed success", *, number: int = 0, since_s: float = 0.0) -> list[AtDoor]:
    return [AtDoor(f"{status}-{number}-{n}", number, status, since_s) for n in range(count)]


SHARES = Rings.parse("10%, rest")


@pytest.mark.parametrize(
    ("doors", "act", "words"),
    [
        (ring(20), "promote", "20 closed success"),
        (ring(19) + ring(100, "scheduled"), "wait", "19 of 20 doors that ring 0 waits for are done"),
        (ring(5), "promote", "5 closed success"),
        (ring(4) + ring(1, "downloading"), "wait", "4 of 5"),
        (ring(20, since_s=NOW - 99), "wait", "0 of 20 doors of ring 0 have had it for 100 s"),
        (ring(49) + ring(1, "rejected"), "promote", "1 rejected"),
        (ring(48) + ring(2, "rejected"), "stop", "2 of 50 doors failed or refused it"),
        (ring(2) + ring(1, "closed failure"), "stop", "1 of 3 doors failed"),
        (ring(0), "promote", "nobody is in it"),
    ],
)
def test_a_ring_in_common_situations(doors: list[AtDoor], act: str, words: str) -> None:
    verdict = judge(SHARES, 0, doors, RULES, NOW)
    assert (verdict.act, words in verdict.reason) == (act, True), verdict


def test_one_door_that_went_back_stops_all_however_many_are_well() -> None:
    doors = [*ring(500), AtDoor("unlucky", 0, "downloading", 0.0, rolled_back=True)]
    verdict = judge(SHARES, 0, doors, RULES, NOW)
    assert (verdict.act, verdict.reason) == ("stop", "unlucky went back to the former release")
    excused = [*ring(500), AtDoor("unlucky", 0, "closed failure", 0.0, rolled_back=True, excused=True)]
    assert judge(SHARES, 0, excused, RULES, NOW).act == "promote"


def test_a_door_of_an_earlier_ring_that_goes_back_later_stops_it_too() -> None:
    late = AtDoor("early", 0, "closed failure", NOW, rolled_back=True)
    assert judge(SHARES, 1, [late, *ring(30, number=1)], RULES, NOW).act == "stop"


def test_doors_that_are_switched_off_are_not_waited_for_but_somebody_must_be_there() -> None:
    off = [AtDoor("off", 0, "scheduled", 0.0, present=False)]
    assert judge(SHARES, 0, [*ring(3), *off], RULES, NOW).act == "promote"
    verdict = judge(SHARES, 0, off, RULES, NOW)
    assert (verdict.act, verdict.reason) == ("wait", "no door of ring 0 was heard of lately")


def test_a_ring_that_names_a_door_that_nobody_knows_is_not_passed_over() -> None:
    rings = Rings.parse("door-z, 20%, 20%, rest")
    verdict = judge(rings, 0, ring(9, number=3), RULES, NOW)
    assert verdict.act == "wait"
    assert "door-z" in verdict.reason
    assert next_ring(rings, 0, ring(9, number=3)) == 3
    assert next_ring(rings, 3, []) == 3


def test_doors_are_counted_by_status() -> None:
    assert tally(ring(2) + ring(1, "rejected")) == {"closed success": 2, "rejected": 1}
