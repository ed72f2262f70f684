"""Turns a bouncing contact into presses and holds. Pure: edges, levels and time come in; reading a pin is left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GestureKind = Literal["press", "hold"]


@dataclass(frozen=True, slots=True)
class GestureRules:
    """settle_s: a contact must be quiet for so long before its level counts. hold_s: so long down is a hold.

    Contacts bounce for 1.6 ms on average and for 6.2 ms at most, but for one switch of 157 ms, in Ganssle's
    measurements of 18 (A Guide to Debouncing, 2004); 30 ms is five times the usual most, and no finger is faster.
    """

    settle_s: float = 0.03
    hold_s: float = 3.0


class Gesture:
    """One button. A press is told as it is let go, a hold as soon as it is one, and then its letting go is nothing.

    A button that is down from the start is no press: it is stuck, or wired the other way round.
    """

    def __init__(self, rules: GestureRules, *, down: bool) -> None:
        self._rules = rules
        self._moved_s: float | None = None
        self._down_s: float | None = 0.0 if down else None
        self._told = down

    def edge(self, now_s: float) -> None:
        """The contact moved."""
        self._moved_s = now_s

    def level(self, now_s: float, *, down: bool) -> GestureKind | None:
        """What the contact reads; to be called when `wait_s` has passed, and as often besides as one likes."""
        if self._moved_s is None and down != (self._down_s is not None):
            self._moved_s = now_s  # an edge that nobody told us of
        if self._moved_s is not None and now_s - self._moved_s < self._rules.settle_s:
            return None
        moved_s, self._moved_s = self._moved_s, None
        if down:
            return self._held(now_s, moved_s)
        return self._released()

    def wait_s(self, now_s: float) -> float | None:
        """How long until `level` may have something to tell; None until the next edge."""
        if self._moved_s is not None:
            return max(self._moved_s + self._rules.settle_s - now_s, 0.0)
        if self._down_s is not None and not self._told:
            return max(self._down_s + self._rules.hold_s - now_s, 0.0)
        return None

    def _held(self, now_s: float, moved_s: float | None) -> GestureKind | None:
        if self._down_s is None:
            self._down_s = now_s if moved_s is None else moved_s
        if self._told or now_s - self._down_s < self._rules.hold_s:
            return None
        self._told = True
        return "hold"

    def _released(self) -> GestureKind | None:
        pressed = self._down_s is not None and not self._told
        self._down_s, self._told = None, False
        return "press" if pressed else None
