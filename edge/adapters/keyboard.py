"""A terminal as a panel: e presses, u holds, q quits; patterns are told in words. For a door without pins, and demos.

Reads single keys in cbreak mode, in which Ctrl-C goes on working, and gives the terminal back as it was.
"""

from __future__ import annotations

import atexit
import os
import select
import signal
import termios
import threading
import tty
from collections.abc import Callable
from typing import Any, TextIO

from edge.enrollment.panel_patterns import PATTERNS, PatternName
from edge.errors import PanelError
from edge.log import get_logger
from edge.ports import Press

_LOG = get_logger("keyboard")
_ENDS_WITHIN_S = 2.0
_KEYS = {
    b"e": Press("press", "keyboard"),
    b"u": Press("hold", "keyboard"),
    b"q": Press("quit", "keyboard"),
}
HELP = "keys: e enroll, or cancel; u undo the last enrollment (twice); q quit"


class KeyboardPanel:
    """fd: of the terminal. out: where patterns are told."""

    def __init__(self, fd: int, out: TextIO) -> None:
        self._fd = fd
        self._out = out
        self._before: list[Any] | None = None
        self._wake: tuple[int, int] | None = None
        self._thread: threading.Thread | None = None
        self._shown: PatternName = "idle"

    def start(self, on_press: Callable[[Press], None]) -> None:
        """See `Panel.start`."""
        self._take_terminal()
        atexit.register(self._give_back)
        self._wake = os.pipe()
        self._thread = threading.Thread(target=self._read, args=(self._wake[0], on_press), name="keyboard", daemon=True)
        self._thread.start()
        self._say(HELP)

    def show(self, pattern: PatternName) -> None:
        """Told once, also where it repeats."""
        if pattern != self._shown or not PATTERNS[pattern].repeats:
            self._say(PATTERNS[pattern].words)
        if PATTERNS[pattern].repeats:
            self._shown = pattern

    def stop(self) -> None:
        if self._wake is not None:
            os.write(self._wake[1], b"x")
        if self._thread is not None:
            self._thread.join(_ENDS_WITHIN_S)
            self._thread = None
        if self._wake is not None:
            for end in self._wake:
                os.close(end)
            self._wake = None
        self._give_back()
        atexit.unregister(self._give_back)

    def _take_terminal(self) -> None:
        if not os.isatty(self._fd):
            raise PanelError("keyboard: the input is no terminal; start Doorward from one, or without the keyboard")
        if _in_background(self._fd):
            raise PanelError("keyboard: the terminal belongs to another job; bring Doorward to the foreground (fg)")
        try:
            self._before = termios.tcgetattr(self._fd)
            tty.setcbreak(self._fd, termios.TCSADRAIN)
        except (OSError, termios.error) as error:
            raise PanelError(f"keyboard: the terminal cannot be used ({error}); start without the keyboard") from error

    def _give_back(self) -> None:
        before, self._before = self._before, None
        if before is None:
            return
        # A job in the background that sets its terminal is stopped, unless the signal is held off (tcsetattr(3p)).
        held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        try:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, before)
        except (OSError, termios.error) as error:  # it is gone, and with it what there was to give back
            _LOG.debug("the terminal is gone", reason=str(error))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)

    def _read(self, wake: int, on_press: Callable[[Press], None]) -> None:
        """The keyboard's thread, until it is woken or the terminal is gone."""
        while True:
            try:
                ready, _, _ = select.select([self._fd, wake], [], [])
                key = b"" if wake in ready else os.read(self._fd, 1)
            except OSError:  # hung up
                ready, key = [], b""
            if wake in ready:
                return
            if not key:
                _LOG.info("the terminal is gone; the keyboard does nothing any more")
                return
            if key.lower() in _KEYS:
                on_press(_KEYS[key.lower()])

    def _say(self, words: str) -> None:
        try:
            print(words, file=self._out, flush=True)
        except (OSError, ValueError) as error:  # a terminal that is gone or closed
            _LOG.debug("the terminal takes no words", reason=str(error))


def _in_background(fd: int) -> bool:
    """Whether a shell would stop us for touching its terminal; never for one that controls no job."""
    try:
        return os.tcgetpgrp(fd) != os.getpgrp()
    except OSError:
        return False
