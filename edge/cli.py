"""`doorward`: the device's commands. Parses the line and turns errors into one line and an exit code.

Each command's work is in `commands/`.

Exit codes: 0 done; 1 another failure; 2 wrong use or settings; 3 models; 4 camera; 5 a picture was skipped; 6 store;
7 broker; 8 panel; 9 not found or refused; 130 interrupted.
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

# Each has `add(subparsers)`, which sets `run`, a function from the parsed line to an exit code.
_COMMANDS = ("run", "identify", "enroll", "people", "events", "doctor", "bench", "settings", "demo")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; no stack trace reaches the user unless DOORWARD_DEBUG is set."""
    arguments = parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except DoorwardError as error:
        if os.environ.get("DOORWARD_DEBUG"):
            raise
        print(f"doorward: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `doorward people list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="doorward", description="Recognize the people a door was shown.", epilog=__doc__.partition("\n\n")[2]
    )
    top.formatter_class = argparse.RawDescriptionHelpFormatter
    top.add_argument("--version", action="version", version=f"doorward {__version__}")
    top.add_argument("--settings", type=Path, metavar="FILE", help="TOML settings; see `doorward settings example`")
    subparsers = top.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")
    for name in _COMMANDS:
        import_module(f"edge.commands.{name}").add(subparsers)
    return top


if __name__ == "__main__":
    sys.exit(main())
