"""`doorward bench`: how fast this device recognizes. The measuring is `edge/bench/device.py`'s."""

from __future__ import annotations

from typing import Any

from edge.bench.device import add_bench_command


def add(subparsers: Any) -> None:
    """Describe the command to the parser."""
    add_bench_command(subparsers)
