"""`doorward run`: the daemon. Ends cleanly on SIGTERM and SIGINT."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from typing import Any

from edge.adapters.keyboard import KeyboardPanel
from edge.assemble import Given, door
from edge.errors import DoorwardError
from edge.log import setup_logging
from edge.settings import load_settings


def add(subparsers: Any) -> None:
    """Describe the command to the parser."""
    parser = subparsers.add_parser("run", help="run the door's daemon")
    parser.add_argument(
        "--keyboard", action="store_true", help="take presses from this terminal: e enroll, u undo, q quit"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 after a signal or the end of a finite source; else the exit code of what failed."""
    settings = load_settings(arguments.settings)
    setup_logging(settings.log.level, settings.log.format)
    asked_to_end = threading.Event()

    def end_now(*_: object) -> None:
        """While the door is still being put together: undo what is done so far."""
        asked_to_end.set()
        sys.exit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end_now)
    panel = KeyboardPanel(sys.stdin.fileno(), sys.stderr) if arguments.keyboard else None
    try:
        with door(settings, Given(panel=panel)) as daemon:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: daemon.stop())
            daemon.run()
    except DoorwardError:
        # A module in C that is just being loaded turns the exit into an error of its own.
        if not asked_to_end.is_set():
            raise
    return 0
