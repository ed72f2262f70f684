"""Standard output of a command line: one that is closed, ends early or takes nothing is told in a line, not a trace.

What a command does is its own; this stands around it.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable

from edge.errors import DoorwardError


def guarded(program: str, run: Callable[[], int]) -> int:
    """Run a command line and see to its output; its exit code. run: lets through what `is_of_output` says."""
    if sys.stdout is None:  # as `>&-` leaves it; files opened later would take its place
        print(f"{program}: standard output is closed; send it to a file or to /dev/null", file=sys.stderr)
        return DoorwardError.exit_code
    _take_any_text()
    try:
        try:
            return run()
        finally:
            sys.stdout.flush()  # of --help too, which ends the process
    except BrokenPipeError:  # `doorward people list | head`
        _drop_output()
        return 0
    except OSError as error:
        if not is_of_output(error):  # only with DOORWARD_DEBUG
            raise
        _drop_output()
        print(f"{program}: the output cannot be written: {error.strerror}", file=sys.stderr)
        return DoorwardError.exit_code


def is_of_output(error: BaseException) -> bool:
    """Whether standard output failed: what it did not take is still to be written, and fails again."""
    if not isinstance(error, OSError) or isinstance(error, DoorwardError):
        return False
    if isinstance(error, BrokenPipeError):
        return True
    try:
        sys.stdout.flush()
    except OSError:
        return True
    return error.errno == errno.ENOSPC and error.filename is None  # an unbuffered one keeps nothing back


def printable(text: str) -> str:
    """Of one line what would break it, what a terminal would obey, or read backwards, as its escape."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def printable_lines(text: str) -> str:
    """The same of several lines."""
    return "\n".join(map(printable, text.split("\n")))


def _drop_output() -> None:
    """Nothing more is written to standard output, or Python would complain about the rest at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _take_any_text() -> None:
    """Names of people and files go out even where the terminal's character set does not have them."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
