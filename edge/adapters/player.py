"""Plays panel patterns in a thread of its own: one that repeats as the ground, another once over it. Knows no pins."""

from __future__ import annotations

import threading
from collections.abc import Callable

from edge.enrollment.panel_patterns import PATTERNS, Colour, Pattern, PatternName
from edge.log import get_logger

_LOG = get_logger("panel")
_ENDS_WITHIN_S = 2.0


class Player:
    """show(colour, buzzer) is called for each step, from the player's thread alone."""

    def __init__(self, show: Callable[[Colour, bool], None]) -> None:
        self._show = show
        self._changed = threading.Condition()
        self._base: PatternName = "idle"
        self._once: PatternName | None = None
        self._stopped = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="panel-player", daemon=True)
        self._thread.start()

    def play(self, name: PatternName) -> None:
        """Change the ground, or play something once; the newest of these takes the place of an older one."""
        with self._changed:
            if not PATTERNS[name].repeats:
                self._once = name
            elif name == self._base:
                return
            else:
                self._base = name
            self._changed.notify()

    def stop(self) -> None:
        """End with everything dark and silent; harmless when it was not started."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(_ENDS_WITHIN_S)
            self._thread = None

    def _run(self) -> None:
        try:
            while (pattern := self._next()) is not None:
                self._play(pattern)
            self._show("off", False)
        except Exception as error:  # noqa: BLE001  (a pin driver's own kinds; recognition goes on without a panel)
            _LOG.error("the panel shows nothing any more", reason=str(error), kind=type(error).__name__)

    def _next(self) -> Pattern | None:
        with self._changed:
            if self._stopped:
                return None
            once, self._once = self._once, None
            return PATTERNS[once or self._base]

    def _play(self, pattern: Pattern) -> None:
        for step in pattern.steps:
            self._show(step.colour, step.buzzer)
            if self._wait(pattern, step.seconds):
                return

    def _wait(self, pattern: Pattern, seconds: float) -> bool:
        """Whether something else is to be shown before the step's time is up."""

        def interrupted() -> bool:
            other_base = pattern.repeats and pattern is not PATTERNS[self._base]
            return self._stopped or self._once is not None or other_base

        with self._changed:
            return self._changed.wait_for(interrupted, seconds)
