"""Coverage-guided fuzzing of the message parsers with atheris: a longer command than the property tests, not a test.

    pip install atheris            # Linux; wheels for Python 3.11 and newer
    python tests/fuzz/fuzz_messages.py CORPUS_FOLDER -max_total_time=600

CORPUS_FOLDER is filled with one good message of each kind and then with whatever reaches new code. It ends with a
trace and the input when a parser raises anything but `MessageError`, or takes more than two seconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

with atheris.instrument_imports(include=["edge.contract", "json"]):
    from edge.contract.messages import Availability, Request
    from edge.errors import MessageError
    from tests.fakes.messages import ALL

_BOUND_S = 2.0
_PARSERS: list[Callable[[bytes], object]] = [
    Availability.from_json,
    lambda payload: Request.of_topic("rename", payload),
    *(type(message).from_json for message in ALL),
]


def one_input(data: bytes) -> None:
    """The first byte chooses the parser, the rest is its payload."""
    if not data:
        return
    began_s = time.perf_counter()
    try:
        _PARSERS[data[0] % len(_PARSERS)](data[1:])
    except MessageError as error:
        if "\n" in str(error):
            raise AssertionError(f"more than one line: {error}") from error
    if time.perf_counter() - began_s > _BOUND_S:
        raise AssertionError("too slow")


def _seed(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, message in enumerate(ALL, 2):
        (folder / f"good-{number}").write_bytes(bytes([number]) + message.to_json())


if __name__ == "__main__":
    folders = [Path(argument) for argument in sys.argv[1:] if not argument.startswith("-")]
    if folders:
        _seed(folders[0])
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
