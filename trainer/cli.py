"""`doorward-trainer`: the server's commands. Parses the line and turns errors into one line and an exit code.

TensorFlow is loaded by the commands that need it, never here, so that help and errors come at once.
Exit codes are those of `doorward`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from edge import __version__
from edge.errors import DoorwardError, StoreError
from edge.output import guarded, is_of_output, printable_lines
from trainer.bench.commands import add_bench_commands
from trainer.distribute.commands import add_distribute_commands
from trainer.embedder.commands import add_models_commands
from trainer.head_commands import add_head_commands
from trainer.ingest.commands import add_ingest_commands
from trainer.refresh_commands import add_refresh_commands
from trainer.releases.commands import add_release_commands
from trainer.releases.key_commands import add_key_commands


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; no stack trace reaches the user unless DOORWARD_DEBUG is set."""
    return guarded("doorward-trainer", lambda: _run(argv))


def _run(argv: Sequence[str] | None) -> int:
    """The exit code. Raises: OSError where standard output takes nothing."""
    debug = bool(os.environ.get("DOORWARD_DEBUG"))
    try:
        arguments = parser().parse_args(argv)
        code: int = arguments.run(arguments)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if debug or is_of_output(error):
            raise
        line, code = _told(error)
        print(f"doorward-trainer: {printable_lines(line)}", file=sys.stderr)
    return code


def _told(error: Exception) -> tuple[str, int]:
    """A line for a user, whatever it is, and the exit code."""
    if isinstance(error, DoorwardError):
        return str(error), error.exit_code
    if isinstance(error, ImportError):
        return f"{error.name or 'a package'} is not installed; `pip install 'doorward[trainer]'`", 1
    if isinstance(error, OSError) and error.filename is not None:  # a file that was named, to read or to write
        return f"{os.fsdecode(error.filename)}: {error.strerror or error}", StoreError.exit_code
    text = " ".join(str(error).split())
    line = f"unexpected: {type(error).__name__}: {text}; please report this, with what DOORWARD_DEBUG=1 shows"
    return line, DoorwardError.exit_code


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(prog="doorward-trainer", description="Build and measure what doors run.")
    top.add_argument("--version", action="version", version=f"doorward-trainer {__version__}")
    subparsers = top.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")
    add_models_commands(subparsers)
    add_head_commands(subparsers)
    add_refresh_commands(subparsers)
    add_ingest_commands(subparsers)
    add_key_commands(subparsers)
    add_release_commands(subparsers)
    add_distribute_commands(subparsers)
    add_bench_commands(subparsers)
    return top


if __name__ == "__main__":
    sys.exit(main())
