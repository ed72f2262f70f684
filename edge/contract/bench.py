"""The one shape of every benchmark's result, for the device's benches and the trainer's. Measures nothing itself.

How a result is shown and kept is `bench_output.py`'s. Shares are fractions, times are in ms, memory is in MB of
2**20 bytes.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Cell: TypeAlias = str | int | float | bool | None
Row: TypeAlias = Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class BenchReport:
    """What one run of a benchmark found.

    bench: its name. version: Doorward's. commit: of the sources, or `unknown` outside a checkout.
    machine: what it ran on; `cpu`, `python` and `runtime` at least.
    settings: what the run was told, so that it can be repeated.
    rows: one measured cell each, with what was measured and n, value, low, high where they apply.
    summary: the figures that are published, each a finite number.
    notes: what a reader must know beside the figures, a sentence each.
    """

    bench: str
    version: str
    commit: str
    machine: Mapping[str, Cell]
    settings: Mapping[str, Cell]
    rows: tuple[Row, ...]
    summary: Mapping[str, float]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises:
        ValueError: a summary's figure is no finite number; a figure that could not be measured is left out instead.
        """
        for key, value in self.summary.items():
            if not math.isfinite(value):
                raise ValueError(f"summary figure {key!r} is {value}; leave out what was not measured")

    def to_json(self) -> str:
        """One JSON object, indented, with a newline at its end."""
        whole = {
            "bench": self.bench,
            "version": self.version,
            "commit": self.commit,
            "machine": dict(self.machine),
            "settings": dict(self.settings),
            "rows": [dict(row) for row in self.rows],
            "summary": dict(self.summary),
            "notes": list(self.notes),
        }
        return json.dumps(whole, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def spread(values: Sequence[float]) -> dict[str, float]:
    """Count, median and quartiles, as a row holds them: n, value, low, high.

    Raises:
        ValueError: there are none.
    """
    if not values:
        raise ValueError("nothing was measured")
    only = [values[0]] * 3
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else only
    return {"n": len(values), "value": middle, "low": low, "high": high}
