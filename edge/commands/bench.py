"""`doorward bench`: what is measured, and how, is in `edge/bench.py`."""

from __future__ import annotations

from edge.bench import add_bench_command as add

__all__ = ["add"]
