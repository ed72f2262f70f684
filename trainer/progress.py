"""Tells on standard error how far long work is: a bar on a terminal, a line each tenth elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

_WIDTH = 24
_REDRAW_S = 0.1


class Bar:
    """The progress of one piece of work; call it with how much is done and of how much."""

    def __init__(self, what: str, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._out = out or sys.stderr
        self._clock = clock
        self._began = clock()
        self._drawn_s = -1.0
        self._tenth = 0

    def __call__(self, done: int, of: int) -> None:
        share = min(done / of, 1.0) if of else 1.0
        if self._out.isatty():
            self._draw(share, done, of)
        elif int(share * 10) > self._tenth:
            self._tenth = int(share * 10)
            print(self._text(done, of, share), file=self._out, flush=True)

    def _draw(self, share: float, done: int, of: int) -> None:
        now = self._clock()
        if share < 1 and now - self._drawn_s < _REDRAW_S:
            return
        self._drawn_s = now
        filled = "█" * round(share * _WIDTH)
        end = "\n" if share >= 1 else ""
        print(f"\r{filled:░<{_WIDTH}} {self._text(done, of, share)}\x1b[K", end=end, file=self._out, flush=True)

    def _text(self, done: int, of: int, share: float) -> str:
        took = self._clock() - self._began
        left = f", {took * (1 - share) / share:.0f} s left" if 0 < share < 1 and took > 1 else ""
        return f"{self._what}: {done:,} of {of:,}{left}"
