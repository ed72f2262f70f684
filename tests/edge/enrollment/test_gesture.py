from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.enrollment.gesture import Gesture, GestureKind, GestureRules

RULES = GestureRules(settle_s=0.03, hold_s=3.0)
BOUNCE = st.lists(st.floats(0.0005, 0.02), max_size=8)


class Contact:
    """A contact with a clock, and what its gestures were."""

    def __init__(self, *, down: bool = False) -> None:
        self.now_s = 100.0
        self.down = down
        self.gesture = Gesture(RULES, down=down)
        self.told: list[GestureKind] = []

    def move(self, down: bool, bounces: list[float] | None = None) -> None:
        """Bounces end where the move leads."""
        self._edge(down)
        for seconds in bounces or []:
            self.wait(seconds)
            self._edge(not down)
            self.wait(seconds / 2)
            self._edge(down)

    def wait(self, seconds: float) -> None:
        """As the thread does: look when there may be something to tell."""
        end_s = self.now_s + seconds
        while (wait_s := self.gesture.wait_s(self.now_s)) is not None and self.now_s + wait_s <= end_s:
            self.now_s += max(wait_s, 1e-4)
            self.look()
        self.now_s = max(self.now_s, end_s)

    def look(self) -> None:
        kind = self.gesture.level(self.now_s, down=self.down)
        if kind is not None:
            self.told.append(kind)

    def _edge(self, down: bool) -> None:
        self.down = down
        self.gesture.edge(self.now_s)
        self.look()


@given(BOUNCE, BOUNCE, st.floats(0.05, 2.5))
def test_however_the_contact_bounces_a_press_is_one_press(
    going_down: list[float], coming_up: list[float], held_s: float
) -> None:
    contact = Contact()
    contact.move(True, going_down)
    contact.wait(held_s)
    assert contact.told == []
    contact.move(False, coming_up)
    contact.wait(0.1)
    assert contact.told == ["press"]


@given(BOUNCE, BOUNCE, st.floats(3.1, 60.0))
def test_a_hold_is_told_once_and_its_letting_go_is_no_press(
    going_down: list[float], coming_up: list[float], held_s: float
) -> None:
    contact = Contact()
    contact.move(True, going_down)
    contact.wait(held_s)
    assert contact.told == ["hold"]
    contact.move(False, coming_up)
    contact.wait(1.0)
    assert contact.told == ["hold"]


def test_a_hold_is_told_after_its_time_and_not_before() -> None:
    contact = Contact()
    contact.move(True)
    contact.wait(2.99)
    assert contact.told == []
    contact.wait(0.02)
    assert contact.told == ["hold"]


def test_a_contact_that_opens_for_an_instant_does_not_end_a_hold() -> None:
    contact = Contact()
    contact.move(True)
    contact.wait(2.0)
    contact.move(False)
    contact.wait(0.005)
    contact.move(True)
    contact.wait(1.2)
    assert contact.told == ["hold"]


def test_a_spark_shorter_than_any_finger_is_nothing() -> None:
    contact = Contact()
    contact.move(True)
    contact.wait(0.01)
    contact.move(False)
    contact.wait(1.0)
    assert contact.told == []


def test_two_presses_are_two() -> None:
    contact = Contact()
    for _ in range(2):
        contact.move(True)
        contact.wait(0.1)
        contact.move(False)
        contact.wait(0.1)
    assert contact.told == ["press", "press"]


def test_a_button_that_is_stuck_from_the_start_does_nothing_until_it_is_free() -> None:
    contact = Contact(down=True)
    contact.wait(10.0)
    contact.move(False)
    contact.wait(1.0)
    assert contact.told == []
    contact.move(True)
    contact.wait(0.1)
    contact.move(False)
    contact.wait(0.1)
    assert contact.told == ["press"]


def test_an_edge_that_the_driver_lost_is_seen_by_looking() -> None:
    contact = Contact()
    contact.down = True
    contact.look()
    contact.wait(0.1)
    contact.down = False
    contact.look()
    contact.wait(0.1)
    assert contact.told == ["press"]


def test_a_glance_at_a_moment_of_noise_is_no_press() -> None:
    contact = Contact()
    contact.down = True
    contact.look()
    contact.down = False
    contact.wait(0.1)
    contact.look()
    contact.wait(0.1)
    assert contact.told == []
