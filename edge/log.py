"""Structured log lines: an event in words with named values, as text or as JSON, one line each, always.

A thin layer over the standard library's logging rather than structlog: these two formats are all that is needed, and
the device carries no dependency that it can do without. Values are made harmless here: arrays and unknown objects show
only their type, so that no embedding gets into a log by accident, and whatever would break a line is escaped. What may
be told at which level is left to the callers: people's names never at `info` or above.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, TextIO

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

_ROOT = "doorward"
_MAX_CHARS = 1000  # of one value; a trace of the calls may be longer
_MAX_ITEMS = 8  # of a list; an embedding has more
_HUGE = 10**18  # Python refuses to print integers of thousands of digits
_PLAIN = re.compile(r"[\w.:/@%+,;\[\](){}<>~#*&|!?^-]+")  # what needs no quotes in a text line
# What the journal takes in front of a line as its priority (sd-daemon(3)).
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class Log:
    """Writes events of one component: `log.info("camera opened", url=url, width=640)`."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, event: str, /, **values: object) -> None:
        self._write(logging.DEBUG, event, values)

    def info(self, event: str, /, **values: object) -> None:
        self._write(logging.INFO, event, values)

    def warning(self, event: str, /, **values: object) -> None:
        self._write(logging.WARNING, event, values)

    def error(self, event: str, /, **values: object) -> None:
        self._write(logging.ERROR, event, values)

    def exception(self, event: str, /, **values: object) -> None:
        """An error with the trace of the exception in hand, for what should not have happened; still one line."""
        self._write(logging.ERROR, event, values, with_trace=True)

    def _write(self, level: int, event: str, values: Mapping[str, object], *, with_trace: bool = False) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, "%s", event, extra={"values": values}, exc_info=with_trace)


def get_logger(name: str) -> Log:
    """The log of a component, such as `camera`."""
    return Log(logging.getLogger(f"{_ROOT}.{name}"))


def setup_logging(
    level: str = "info", form: str = "text", stream: TextIO | None = None, *, journal: bool | None = None
) -> None:
    """Send every line to `stream`, standard error by default. Calling again replaces what was set before.

    level: of Doorward's own lines; other libraries are heard from `warning` up.
    form: `text` or `json`.
    journal: lines go to the systemd journal, which stamps them itself; by default found out.
    """
    target = sys.stderr if stream is None else stream
    to_journal = goes_to_journal(target, os.environ) if journal is None else journal
    handler = _Handler(target)
    handler.setFormatter(_JsonFormatter(to_journal) if form == "json" else _TextFormatter(to_journal))
    logging.basicConfig(handlers=[handler], level=max(LEVELS[level], logging.WARNING), force=True)
    logging.getLogger(_ROOT).setLevel(LEVELS[level])
    logging.captureWarnings(capture=True)


def goes_to_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether systemd connected this very stream to its journal (systemd.exec(5), `$JOURNAL_STREAM`)."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def harmless(value: object, depth: int = 2) -> Any:
    """A value as JSON can hold it: numbers, short texts, short lists of these; of all else only the type and shape.

    depth: lists and tables within one another that are shown.
    """
    if isinstance(value, list | tuple | Mapping):
        return _container(value, depth)
    for kinds, show in _SHOWN:
        if isinstance(value, kinds):
            return show(value)
    return _unknown(value)


def _container(value: list[Any] | tuple[Any, ...] | Mapping[Any, Any], depth: int) -> Any:
    if len(value) > _MAX_ITEMS or depth == 0:
        return f"<{type(value).__name__} of {len(value)}>"
    if isinstance(value, Mapping):
        return {_shortened(str(key)): harmless(item, depth - 1) for key, item in value.items()}
    return [harmless(item, depth - 1) for item in value]


def _unknown(value: object) -> Any:
    """Numpy's numbers as numbers, its arrays as their shape, without importing it; of others the type."""
    shape = getattr(value, "shape", None)
    if shape == () and hasattr(value, "item"):
        return harmless(value.item())
    if isinstance(shape, tuple):
        return f"<{getattr(value, 'dtype', 'array')} {'x'.join(str(n) for n in shape)}>"
    return f"<{type(value).__name__}>"


def _number(value: float) -> Any:
    """JSON has no word for infinity and for what is no number."""
    return value if math.isfinite(value) else str(value)


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_CHARS else text[: _MAX_CHARS - 1] + "…"


_SHOWN: tuple[tuple[tuple[type, ...], Callable[[Any], Any]], ...] = (
    ((bool, type(None)), lambda value: value),
    ((int,), lambda value: value if abs(value) < _HUGE else "<huge int>"),
    ((float,), _number),
    ((Enum,), lambda value: harmless(value.value)),
    ((str, Path), lambda value: _shortened(str(value))),
    ((BaseException,), lambda value: _shortened(str(value) or type(value).__name__)),
    ((datetime,), lambda value: value.isoformat()),
    ((bytes, bytearray, memoryview), lambda value: f"<{len(value)} bytes>"),
)


class _Handler(logging.StreamHandler[TextIO]):
    """Logging never stops the daemon: a line that cannot be written is lost without a word, for where would it go?"""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (the name is logging's)
        pass


class _Formatter(logging.Formatter):
    """What both formats share: the values of a record, and the journal's priority in front."""

    def __init__(self, journal: bool) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        values = {name: harmless(value) for name, value in getattr(record, "values", {}).items()}
        if record.exc_info and record.exc_info[1] is not None:
            values["error"] = harmless(record.exc_info[1])
            values["trace"] = "".join(traceback.format_exception(record.exc_info[1]))
        line = self.line(record, _shortened(record.getMessage()), values)
        return f"<{_PRIORITIES.get(record.levelno, 5)}>{line}" if self._journal else line

    def line(self, record: logging.LogRecord, event: str, values: dict[str, Any]) -> str:
        raise NotImplementedError

    def stamp(self, record: logging.LogRecord) -> str:
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def component(self, record: logging.LogRecord) -> str:
        return record.name.removeprefix(f"{_ROOT}.")


class _TextFormatter(_Formatter):
    """`2026-01-31T08:15:00.000Z info camera: opened url=picamera:0 width=640`"""

    def line(self, record: logging.LogRecord, event: str, values: dict[str, Any]) -> str:
        head = "" if self._journal else f"{self.stamp(record)} {record.levelname.lower()} "
        pairs = "".join(f" {_word(name)}={_word(value)}" for name, value in values.items())
        return f"{head}{self.component(record)}: {_escaped(event)}{pairs}"


class _JsonFormatter(_Formatter):
    """One object: `time`, `level`, `component`, `event`, then the values; one that is named like these gets a `_`."""

    def line(self, record: logging.LogRecord, event: str, values: dict[str, Any]) -> str:
        head: dict[str, Any] = {} if self._journal else {"time": self.stamp(record)}
        head |= {"level": record.levelname.lower(), "component": self.component(record), "event": event}
        tail = {f"{name}_" if name in head or name == "time" else name: value for name, value in values.items()}
        return json.dumps(head | tail)


def _word(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and not _PLAIN.fullmatch(text):
        text = json.dumps(text, ensure_ascii=False)
    return _escaped(text)


def _escaped(text: str) -> str:
    """What would break the line, or reorder it on a screen, as its escape."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
