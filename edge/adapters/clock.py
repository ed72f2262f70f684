"""The machine's clocks."""

from __future__ import annotations

import time


class SystemClock:
    """Monotonic time for intervals, wall time for people."""

    def monotonic_s(self) -> float:
        return time.monotonic()

    def wall_s(self) -> float:
        return time.time()
