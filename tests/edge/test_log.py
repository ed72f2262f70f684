"""Log lines: one each whatever is logged, no face in any, and the form of the journal under systemd."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import CameraError
from edge.log import get_logger, goes_to_journal, harmless, setup_logging
from edge.recognition.types import Embedding


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("doorward").setLevel(logging.NOTSET)
    logging.captureWarnings(capture=False)


def written(write: Callable[[], None], *, level: str = "info", form: str = "text", journal: bool = True) -> list[str]:
    stream = io.StringIO()
    setup_logging(level, form, stream, journal=journal)
    write()
    return stream.getvalue().split("\n")[:-1]


def one(write: Callable[[], None], **options: Any) -> str:
    [line] = written(write, **options)
    return line


LOG = get_logger("camera")


def test_a_text_line_tells_time_level_component_event_and_values() -> None:
    line = one(lambda: LOG.info("opened", url="picamera:0", width=640, live=True), journal=False)
    stamp, rest = line.split(" ", 1)
    assert rest == "info camera: opened url=picamera:0 width=640 live=true"
    assert len(stamp) == len("2026-01-31T08:15:00.000Z")
    assert stamp.endswith("Z")


def test_a_json_line_is_one_object_with_the_same() -> None:
    line = one(lambda: LOG.warning("slow", ms=12.5, where=Path("/dev/video0")), form="json", journal=False)
    parsed = json.loads(line)
    assert parsed.pop("time").endswith("Z")
    expected = {"level": "warning", "component": "camera", "event": "slow", "ms": 12.5, "where": "/dev/video0"}
    assert parsed == expected


def test_a_value_named_like_a_field_of_the_line_does_not_replace_it() -> None:
    line = one(lambda: LOG.info("told", time=5, level="x", component=1), form="json", journal=False)
    parsed = json.loads(line)
    assert (parsed["level"], parsed["component"], parsed["time_"], parsed["level_"]) == ("info", "camera", 5, "x")


def test_under_the_journal_lines_carry_a_priority_and_no_time() -> None:
    def write() -> None:
        LOG.error("lost")
        LOG.warning("late")
        LOG.info("opened")

    assert written(write) == ["<3>camera: lost", "<4>camera: late", "<6>camera: opened"]
    assert written(write, form="json")[0] == '<3>{"level": "error", "component": "camera", "event": "lost"}'


def test_lines_below_the_level_are_not_written() -> None:
    def write() -> None:
        LOG.debug("no")
        LOG.info("no")
        LOG.warning("yes")

    assert written(write, level="warning") == ["<4>camera: yes"]
    assert written(lambda: LOG.debug("yes"), level="debug") == ["<7>camera: yes"]


def test_other_libraries_are_heard_from_warning_up() -> None:
    def write() -> None:
        logging.getLogger("paho").info("chatter")
        logging.getLogger("paho").warning("trouble with %s", "a\nb")
        warnings.warn("old", stacklevel=1)

    lines = written(write, level="debug")
    assert lines[0] == r"<4>paho: trouble with a\nb"
    assert len(lines) == 2
    assert lines[1].startswith("<4>py.warnings: ")


def test_an_error_is_told_by_its_text() -> None:
    assert (
        one(lambda: LOG.error("lost", error=CameraError("camera 0: gone"))) == '<3>camera: lost error="camera 0: gone"'
    )


def test_an_exception_s_trace_stays_in_one_line() -> None:
    def write() -> None:
        try:
            raise KeyError("deep\ntrouble")
        except KeyError:
            LOG.exception("failed", frame=7)

    text, as_json = one(write), one(write, form="json", journal=False)
    assert "failed frame=7 " in text
    assert "test_log.py" in text
    assert "KeyError" in json.loads(as_json)["trace"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (np.zeros(192, np.float32), "<float32 192>"),
        (np.zeros((2, 3), np.uint8), "<uint8 2x3>"),
        ([0.1] * 192, "<list of 192>"),
        ((0.1,) * 9, "<tuple of 9>"),
        ({str(n): n for n in range(9)}, "<dict of 9>"),
        (b"\x00" * 12, "<12 bytes>"),
        (Embedding(np.zeros(192, np.float32), 1.0), "<Embedding>"),
        (object(), "<object>"),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (float("nan"), "nan"),
        ([1, "a", [2, [3]]], [1, "a", [2, "<list of 1>"]]),
        (None, None),
        ("x" * 5000, "x" * 999 + "…"),
    ],
)
def test_only_the_type_is_shown_of_what_may_hold_a_face(value: object, shown: object) -> None:
    assert harmless(value) == shown


def test_a_number_that_python_cannot_print_is_named() -> None:
    assert harmless(10**5000) == "<huge int>"


def test_a_list_that_holds_itself_is_cut_off() -> None:
    ring: list[Any] = []
    ring.append(ring)
    assert harmless(ring) == [["<list of 1>"]]


ANYTHING = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(),
        st.binary(),
        st.text("\n\r\u2028\x85\x1b\u202e\ud800\"=' "),
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner), st.tuples(inner, inner)),
    max_leaves=12,
)


@given(st.text(), st.dictionaries(st.text(max_size=20), ANYTHING, max_size=4))
def test_whatever_is_logged_is_one_printable_line(event: str, values: dict[str, Any]) -> None:
    text = one(lambda: LOG.info(event, **values))
    assert text.isprintable()
    text.encode("utf-8")
    parsed = json.loads(one(lambda: LOG.info(event, **values), form="json", journal=False))
    assert {"time", "level", "component", "event"} <= set(parsed)


def test_a_stream_that_is_gone_does_not_stop_the_daemon() -> None:
    stream = io.StringIO()
    setup_logging("info", "text", stream, journal=False)
    stream.close()
    LOG.info("into the void")


def test_the_journal_is_known_by_the_device_and_inode_that_systemd_names(tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("w") as stream:
        status = os.fstat(stream.fileno())
        assert goes_to_journal(stream, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
        assert not goes_to_journal(stream, {"JOURNAL_STREAM": "1:1"})
        assert not goes_to_journal(stream, {})
    assert not goes_to_journal(io.StringIO(), {"JOURNAL_STREAM": "1:1"})


def test_a_process_writes_to_standard_error_and_nothing_to_standard_output() -> None:
    code = "from edge.log import *; setup_logging(); get_logger('a').info('b', c='ü')"
    environ = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        env=environ,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout == ""
    assert done.stderr.endswith("info a: b c=ü\n")
