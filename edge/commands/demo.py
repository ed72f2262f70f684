"""`doorward demo`: the main job shown in a minute, with shipped pictures or a live camera. Needs no set-up at all."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path
from typing import Any

from edge.demo.show import DemoOptions, show
from edge.log import setup_logging


def add(subparsers: Any) -> None:
    """Describe the command to the parser."""
    parser = subparsers.add_parser("demo", help="show a door at work, with shipped pictures or a live camera")
    parser.add_argument("--camera", metavar="URL", help="a live camera, such as v4l2:/dev/video0")
    parser.add_argument("--folder", type=Path, default=Path("var/demo"), metavar="DIR", help="for the door's state")
    parser.add_argument("--strip", type=Path, default=Path("var/demo.png"), metavar="FILE", help="the annotated strip")
    parser.add_argument("--fast", action="store_true", help="play the story as fast as the machine is")
    parser.add_argument("--verbose", action="store_true", help="the door's own log as well")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 when everybody was told as they must be, 1 when not."""
    setup_logging("info" if arguments.verbose else "error")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C does: the broker must not stay behind
    return show(DemoOptions(arguments.camera, arguments.folder, arguments.strip, paced=not arguments.fast))
