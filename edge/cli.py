"""`doorward`: the device's commands. Parses the line and turns errors into one line and an exit code.

Each command's work is in `commands/`.

Exit codes: 0 done; 1 another failure; 2 wrong use or settings; 3 models; 4 camera; 5 a picture was skipped; 6 store, or
a file of its people; 7 broker, or a daemon that does not answer; 8 panel; 9 not found or refused; 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from edge import __version__
from edge.errors import DoorwardError
from edge.log import setup_logging
from edge.output import guarded, is_of_output

# Each has `add(subparsers)`, which sets `run`, a function from the parsed line to an exit code.
_COMMANDS = (
    "run",
    "identify",
    "enroll",
    "people",
    "press",
    "events",
    "releases",
    "doctor",
    "bench",
    "settings",
    "demo",
)

_REPORT = "please report this, with what DOORWARD_DEBUG=1 shows"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; no stack trace reaches the user unless DOORWARD_DEBUG is set."""
    return guarded("doorward", lambda: _run(argv))


def _run(argv: Sequence[str] | None) -> int:
    """The exit code. Raises: OSError where standard output takes nothing."""
    debug = bool(os.environ.get("DOORWARD_DEBUG"))
    # Before any command loads numpy: its threads spin for many ms after each small product, and a door would compute
    # twice what it needs (16 against 33 ms a frame).
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        arguments = parser().parse_args(argv)
        setup_logging("warning")
        code: int = arguments.run(arguments)
    except DoorwardError as error:
        if debug:
            raise
        print(f"doorward: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if debug or is_of_output(error):
            raise
        from edge.adapters.camera_options import one_line  # with numpy, hence not above

        print(f"doorward: unexpected: {type(error).__name__}: {one_line(error)}; {_REPORT}", file=sys.stderr)
        return DoorwardError.exit_code
    return code


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    codes = __doc__[__doc__.index("Exit codes:") :]
    top = argparse.ArgumentParser(prog="doorward", description="Recognize the people a door was shown.", epilog=codes)
    top.formatter_class = argparse.RawDescriptionHelpFormatter
    top.add_argument("--version", action="version", version=f"doorward {__version__}")
    top.add_argument("--settings", type=Path, metavar="FILE", help="TOML settings; see `doorward settings example`")
    subparsers = top.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")
    for name in _COMMANDS:
        import_module(f"edge.commands.{name}").add(subparsers)
    return top


if __name__ == "__main__":
    sys.exit(main())
