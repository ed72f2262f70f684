"""Whom to tell next: a few at once, again after a while, and nobody waits behind one who is never answered."""

from __future__ import annotations

import random

from edge.sharing.schedule import Pace, Schedule

PACE = Pace(window=2, resend_s=10.0, resend_at_most_s=40.0)


def schedule_of(*people: str) -> Schedule:
    schedule = Schedule(PACE)
    for person in people:
        schedule.want(person, news=True)
    return schedule


def send_all(schedule: Schedule, now_s: float) -> list[str]:
    """Whoever is to be told of now, told."""
    told = []
    while (person := schedule.next(now_s)) is not None:
        schedule.sent(person, now_s)
        told.append(person)
    return told


def test_no_more_than_the_window_is_under_way() -> None:
    schedule = schedule_of("a", "b", "c")
    assert send_all(schedule, 0.0) == ["a", "b"]
    assert schedule.waiting == 3
    schedule.answered("a", 1.0)
    assert send_all(schedule, 1.0) == ["c"]
    assert schedule.waiting == 2


def test_what_is_not_answered_is_sent_again_ever_more_rarely_and_the_others_before_it() -> None:
    schedule = schedule_of("a", "b", "c")
    sent = [(now_s, told) for now_s in range(200) if (told := send_all(schedule, float(now_s)))]
    assert sent == [
        (0, ["a", "b"]),
        (10, ["c", "a"]),
        (30, ["b", "c"]),
        (70, ["a", "b"]),
        (110, ["c", "a"]),
        (150, ["b", "c"]),
        (190, ["a", "b"]),
    ]


def test_an_answer_makes_the_waits_short_again() -> None:
    schedule = schedule_of("a", "b", "c", "d")
    for now_s in (0.0, 10.0, 30.0, 70.0):
        send_all(schedule, now_s)
    (under_way, *_) = list(schedule._under_way)
    schedule.answered(under_way, 71.0)
    assert len(send_all(schedule, 71.0)) == 1
    assert send_all(schedule, 80.9) == []
    assert len(send_all(schedule, 81.0)) == 2


def test_a_new_connection_begins_with_what_was_under_way() -> None:
    schedule = schedule_of("a", "b", "c")
    assert send_all(schedule, 0.0) == ["a", "b"]
    schedule.begin_anew()
    assert send_all(schedule, 1.0) == ["a", "b"]


def test_news_of_somebody_under_way_is_sent_without_waiting_for_the_answer() -> None:
    schedule = schedule_of("a")
    assert send_all(schedule, 0.0) == ["a"]
    schedule.want("a", news=False)
    assert send_all(schedule, 1.0) == []
    schedule.want("a", news=True)
    assert send_all(schedule, 1.0) == ["a"]


def test_who_is_dropped_is_told_of_no_more() -> None:
    schedule = schedule_of("a", "b")
    schedule.sent("a", 0.0)
    schedule.drop("a")
    schedule.drop("b")
    assert (schedule.waiting, send_all(schedule, 100.0)) == (0, [])


def test_everybody_is_acknowledged_in_the_end_however_many_answers_are_lost() -> None:
    chance = random.Random(7)
    people = {f"p{number}" for number in range(40)}
    schedule, now_s, left = schedule_of(*sorted(people)), 0.0, set(people)
    for _ in range(5000):
        now_s += 1.0
        for person in send_all(schedule, now_s):
            if chance.random() < 0.3:
                schedule.answered(person, now_s)
                left.discard(person)
        assert len(schedule._under_way) <= PACE.window
    assert (left, schedule.waiting) == (set(), 0)
