from __future__ import annotations

import contextlib
import io
import os
import pty
import subprocess
import sys
import termios
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.adapters.keyboard import KeyboardPanel
from edge.enrollment.panel_patterns import PatternName
from edge.errors import PanelError
from edge.ports import Press
from tests.fakes.world import wait_until

ROOT = Path(__file__).resolve().parents[3]
E = Press("press", "keyboard")
U = Press("hold", "keyboard")
Q = Press("quit", "keyboard")


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """The end where somebody types, and the end that a program reads."""
    typing, reading = pty.openpty()
    yield typing, reading
    for fd in (typing, reading):
        with contextlib.suppress(OSError):  # a test may have hung up
            os.close(fd)


def is_cooked(fd: int) -> bool:
    return bool(termios.tcgetattr(fd)[3] & termios.ICANON and termios.tcgetattr(fd)[3] & termios.ECHO)


def test_keys_are_presses_without_enter(terminal: tuple[int, int]) -> None:
    typing, reading = terminal
    presses: list[Press] = []
    panel = KeyboardPanel(reading, io.StringIO())
    panel.start(presses.append)
    os.write(typing, b"exUq\n")
    wait_until(lambda: len(presses) == 3, "three presses")
    panel.stop()
    assert presses == [E, U, Q]


def test_the_terminal_is_given_back_as_it_was(terminal: tuple[int, int]) -> None:
    _, reading = terminal
    before = termios.tcgetattr(reading)
    panel = KeyboardPanel(reading, io.StringIO())
    panel.start(lambda _: None)
    assert not is_cooked(reading)
    panel.stop()
    assert termios.tcgetattr(reading) == before
    panel.stop()


def test_a_panel_can_start_again(terminal: tuple[int, int]) -> None:
    typing, reading = terminal
    panel = KeyboardPanel(reading, io.StringIO())
    panel.start(lambda _: None)
    panel.stop()
    presses: list[Press] = []
    panel.start(presses.append)
    os.write(typing, b"e")
    wait_until(lambda: presses == [E], "the press")
    panel.stop()
    assert is_cooked(reading)


def test_what_the_leds_would_show_is_told_in_words_once(terminal: tuple[int, int]) -> None:
    out = io.StringIO()
    panel = KeyboardPanel(terminal[1], out)
    patterns: list[PatternName] = ["looking", "shot_taken", "looking", "shot_taken", "done", "idle"]
    for pattern in patterns:
        panel.show(pattern)
    assert out.getvalue().splitlines() == [
        "looking for a face to enroll",
        "picture taken",
        "picture taken",
        "enrolled",
        "ready",
    ]


def test_an_input_that_is_no_terminal_is_refused_in_one_line(tmp_path: Path) -> None:
    with (tmp_path / "input").open("w+") as file, pytest.raises(PanelError, match="no terminal") as caught:
        KeyboardPanel(file.fileno(), io.StringIO()).start(lambda _: None)
    assert "\n" not in str(caught.value)


def test_a_terminal_that_hangs_up_ends_the_keyboard_and_nothing_else(
    terminal: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    typing, reading = terminal
    caplog.set_level("INFO")
    presses: list[Press] = []
    panel = KeyboardPanel(reading, io.StringIO())
    panel.start(presses.append)
    os.close(typing)
    wait_until(lambda: "the terminal is gone" in caplog.text, "the log line")
    panel.stop()
    assert presses == []


def test_words_for_a_closed_output_are_dropped(terminal: tuple[int, int]) -> None:
    out = io.StringIO()
    out.close()
    KeyboardPanel(terminal[1], out).show("done")


def test_a_program_that_dies_of_an_error_gives_the_terminal_back(terminal: tuple[int, int]) -> None:
    typing, reading = terminal
    program = """
        import sys
        from edge.adapters.keyboard import KeyboardPanel
        KeyboardPanel(0, sys.stderr).start(lambda press: None)
        print("started", flush=True)
        sys.stdin.buffer.raw.read(0)
        raise RuntimeError("on purpose")
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=ROOT,
        stdin=reading,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    out, err = process.communicate(timeout=60)
    assert out == "started\n"
    assert "on purpose" in err
    assert is_cooked(reading)
    os.write(typing, b"\n")


def test_a_job_in_the_background_does_not_take_the_terminal() -> None:
    """A shell's own job control: a session of its own, a terminal that controls it, and a job behind it."""
    program = f"""
        import fcntl, os, pty, sys, termios
        sys.path.insert(0, {str(ROOT)!r})
        from edge.adapters.keyboard import KeyboardPanel
        from edge.errors import PanelError
        typing, reading = pty.openpty()
        os.setsid()
        fcntl.ioctl(reading, termios.TIOCSCTTY, 0)
        if (job := os.fork()) == 0:
            os.setpgid(0, 0)
            try:
                KeyboardPanel(reading, sys.stderr).start(lambda press: None)
            except PanelError as error:
                os._exit(8 if "foreground" in str(error) else 9)
            os._exit(0)
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(job, os.WUNTRACED)[1]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 8, done.stderr


def test_the_wait_for_keys_costs_no_time(terminal: tuple[int, int]) -> None:
    panel = KeyboardPanel(terminal[1], io.StringIO())
    panel.start(lambda _: None)
    before_s = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before_s < 0.1
    panel.stop()
