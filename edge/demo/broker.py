"""A throw-away broker on loopback for the demonstration: an installed Mosquitto, else amqtt in a process of its own.

Keeps nothing and lets everybody in who is on this machine; a real door's broker is what `deploy/` sets up. The
demonstration picks the link's protocol by what it gets (`DemoBroker.protocol`).
"""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from edge.errors import LinkError

Kind = Literal["mosquitto", "amqtt"]
KINDS: tuple[Kind, ...] = ("mosquitto", "amqtt")

HOST = "127.0.0.1"
_ATTEMPTS = 3  # another program may take a port between our finding it free and the broker's opening it
_START_S = 30.0  # amqtt's imports take seconds on a small Pi
_STOP_S = 5.0
_SBIN = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"  # where Mosquitto is, and where a user's PATH does not lead
_WAY_OUT = "install one with `sudo apt-get install mosquitto` or `pip install amqtt`"
# CONNECT of MQTT 3.1.1, clean session, keepalive 5 s, client `ready?`; and the CONNACK that accepts it (3.1, 3.2).
_CONNECT = b"\x10\x12\x00\x04MQTT\x04\x02\x00\x05\x00\x06ready?"
_ACCEPTED = b"\x20\x02\x00\x00"

_MOSQUITTO_CONFIGURATION = """\
listener {port} {host}
allow_anonymous true
persistence false
max_queued_messages 10000
log_dest stderr
log_type error
"""


@dataclass(frozen=True, slots=True)
class DemoBroker:
    """A broker that runs. protocol: the newest that it speaks, as the settings spell it."""

    host: str
    port: int
    kind: Kind
    protocol: Literal["5", "3.1.1"]


def free_port() -> int:
    """A port of loopback that nothing listens on, for now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def demo_broker(kinds: Sequence[Kind] = KINDS, find_port: Callable[[], int] = free_port) -> Iterator[DemoBroker]:
    """Start the first of `kinds` that this machine has, on a free port; stop it in the end.

    Raises:
        LinkError: there is none, or it does not start; the line says what to do.
    """
    kind = next((kind for kind in kinds if command_for(kind, 0, Path()) is not None), None)
    if kind is None:
        raise LinkError(f"no broker on this machine; {_WAY_OUT}")
    with tempfile.TemporaryDirectory(prefix="doorward-broker-") as folder:
        process, port = _start(kind, Path(folder), find_port)
        try:
            yield DemoBroker(HOST, port, kind, "5" if kind == "mosquitto" else "3.1.1")
        finally:
            _stop(process)


def command_for(kind: Kind, port: int, folder: Path) -> list[str] | None:
    """What starts this kind of broker; None where it is not installed."""
    if kind == "mosquitto":
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path=_SBIN)
        return [program, "-c", str(folder / "mosquitto.conf")] if program else None
    if importlib.util.find_spec("amqtt") is None:
        return None
    return [sys.executable, "-P", str(Path(__file__).with_name("amqtt_broker.py")), str(port)]


def _start(kind: Kind, folder: Path, find_port: Callable[[], int]) -> tuple[subprocess.Popen[bytes], int]:
    reason = ""
    for _ in range(_ATTEMPTS):
        port = find_port()
        (folder / "mosquitto.conf").write_text(_MOSQUITTO_CONFIGURATION.format(port=port, host=HOST), encoding="utf-8")
        command = command_for(kind, port, folder)
        assert command is not None
        with (folder / "stderr").open("w+b") as errors:
            # A session of its own: Ctrl-C reaches the demonstration first, which says goodbye and then stops it.
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True
            )
            if wait_until_ready(process, port):
                return process, port
            _stop(process)
            reason = _last_line(errors)
    raise LinkError(f"{kind} does not start ({reason or 'it gave no reason'}); {_WAY_OUT}")


def wait_until_ready(process: subprocess.Popen[bytes], port: int) -> bool:
    """True as soon as the broker answers; False when it ended or never does."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        if _answers(port):
            return True
        time.sleep(0.05)
    return False


def _answers(port: int) -> bool:
    """Whether a broker answers here, and not only something that takes connections."""
    try:
        with socket.create_connection((HOST, port), timeout=1.0) as connection:
            connection.sendall(_CONNECT)
            return connection.recv(len(_ACCEPTED)) == _ACCEPTED
    except OSError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_line(errors: IO[bytes]) -> str:
    errors.seek(0)
    lines = errors.read().decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
