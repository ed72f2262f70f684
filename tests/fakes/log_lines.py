"""What a test reads of the log: each line as its event with its values behind it."""

from __future__ import annotations

import logging

import pytest


def lines(caplog: pytest.LogCaptureFixture, level: int = logging.WARNING) -> list[str]:
    """The lines of `level` and above, as in `connected broker=127.0.0.1:1883 mqtt=5`."""
    return [_line(record) for record in caplog.records if record.levelno >= level]


def _line(record: logging.LogRecord) -> str:
    values: dict[str, object] = getattr(record, "values", {})
    return " ".join([record.getMessage(), *(f"{name}={value}" for name, value in values.items())])
