"""`doorward-trainer distribute` as a process on a test's broker, doors that fetch from it, and a wire that counts."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Self

from edge.adapters.clock import SystemClock
from edge.adapters.mqtt_settings import LinkSettings
from edge.adapters.piece_line import MqttPieceLine, line_settings
from edge.contract.topics import Topics
from edge.update.bundle import Bundle
from edge.update.collect import Collector
from edge.update.fetch import ReleaseClient, trust
from edge.update.floor import Floor
from edge.update.problems import Refusal
from tests.fakes.world import wait_until

ROOT = Path(__file__).resolve().parents[2]


class Distribution:
    """The server of the repository below `folder`/state. Whatever it prints is kept."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._settings = folder / "trainer.toml"
        self._settings.write_text(f'[store]\nfolder = "state"\n[mqtt]\nhost = "127.0.0.1"\nport = {port}\n')
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, worker: str = "a") -> None:
        """A worker; back when it is connected."""
        line = [sys.executable, "-m", "trainer", "distribute", "--worker", worker, "--settings", str(self._settings)]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        before = self.log(worker).count("connected")
        with self._log(worker).open("ab") as log:
            self._processes[worker] = subprocess.Popen(line, stdout=log, stderr=log, cwd=ROOT, env=environment)
        wait_until(lambda: self.log(worker).count("connected") > before, f"connected: {self.log(worker)}", 60)

    def log(self, worker: str = "a") -> str:
        return self._log(worker).read_text() if self._log(worker).exists() else ""

    def end(self, worker: str = "a", number: signal.Signals = signal.SIGTERM) -> int:
        process = self._processes.pop(worker)
        process.send_signal(number)
        code = process.wait(20)
        assert "Traceback" not in self.log(worker), self.log(worker)
        return code

    def kill_all(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait(10)

    def _log(self, worker: str) -> Path:
        return self._folder / f"distribute-{worker}.log"


class WireDoor(threading.Thread):
    """A door's updater in a thread: looks for one release and fetches it. result: what it got, when it is done."""

    def __init__(self, folder: Path, name: str, port: int, root: bytes, release: str, *, protocol: str = "5") -> None:
        super().__init__(daemon=True)
        self.door = name
        self.result: Bundle | Refusal | None = None
        self.progress: list[tuple[float, float]] = []
        self.began_s = self.ended_s = 0.0
        self._folder = folder / name
        self._release = release
        settings = line_settings(
            LinkSettings("127.0.0.1", name, port=port, protocol="5" if protocol == "5" else "3.1.1")
        )
        self.line = MqttPieceLine(settings, Topics("doorward"), name, pause=lambda _failures: 0.2)
        self.collector = Collector(self.line, SystemClock())
        if not (self._folder / "floor.db").exists():
            trust(self._folder / "floor.db", root)

    @property
    def share(self) -> float:
        return self.progress[-1][1] if self.progress else 0.0

    def run(self) -> None:
        self.began_s = time.monotonic()
        with Floor.open(self._folder / "floor.db") as floor:  # type: ignore[union-attr] # `trust` made it
            client = ReleaseClient(floor, self._folder / "downloads", self.collector, SystemClock(), self._on_progress)
            offer = client.look("head", self._release)
            self.result = offer if isinstance(offer, Refusal) else client.fetch(offer)
        self.line.close()
        self.ended_s = time.monotonic()

    def finish(self, timeout_s: float = 120) -> Bundle:
        """What it got, within that time."""
        self.join(timeout_s)
        assert isinstance(self.result, Bundle), f"{self.door}: {self.result}; at {self.share:.0%}"
        return self.result

    def _on_progress(self, share: float) -> None:
        self.progress.append((time.monotonic(), share))


class CountingWire:
    """A way to the broker's port that counts bytes both ways."""

    def __init__(self, port: int) -> None:
        self.up = self.down = 0
        self._to = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._to))
            threading.Thread(target=self._carry, args=(near, far, "up"), daemon=True).start()
            threading.Thread(target=self._carry, args=(far, near, "down"), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, way: str) -> None:
        try:
            while data := source.recv(65_536):
                setattr(self, way, getattr(self, way) + len(data))
                target.sendall(data)
        except OSError:
            pass  # the other side has ended, which the loop's end tells too
        finally:
            for end in (source, target):
                end.close()
