"""A real Mosquitto on a free port of loopback, configured by the test, that can be killed and started again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.fakes.certificates import Issued

_START_WITHIN_S = 10.0


def find_mosquitto() -> str | None:
    """The broker's program; Debian keeps it where a user's path may not look."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


class Broker:
    """Made running. `lines` are added to its configuration; without `auth` in them anybody may come in."""

    def __init__(self, folder: Path, *lines: str, tls: Issued | None = None, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.log = folder / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._lines = list(lines)
        if tls is not None:
            self._lines += [f"certfile {tls.cert}", f"keyfile {tls.key}", f"cafile {tls.ca}"]
        self.start()

    def start(self) -> None:
        """Start, and wait until it takes connections."""
        program = find_mosquitto()
        assert program is not None, "mosquitto is not installed"
        config = self.folder / "mosquitto.conf"
        config.write_text("\n".join([*self._head(), *self._lines]) + "\n")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen([program, "-v", "-c", str(config)], stdout=log, stderr=log)
        deadline = time.monotonic() + _START_WITHIN_S
        while not self._takes_connections():
            assert self._process.poll() is None, f"mosquitto ended: {self.log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, "mosquitto does not take connections"
            time.sleep(0.02)

    def kill(self) -> None:
        """As a power cut: it writes nothing more and says goodbye to nobody."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def freeze(self) -> None:
        """It keeps its connections and answers nobody."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)

    def _head(self) -> list[str]:
        anybody = not any(line.startswith(("allow_anonymous", "password_file")) for line in self._lines)
        head = [f"listener {self.port} 127.0.0.1"]
        head += ["allow_anonymous true"] if anybody else []
        head += ["user root"] if os.geteuid() == 0 else []  # as another user it could not read the test's folder
        return head

    def _takes_connections(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number
