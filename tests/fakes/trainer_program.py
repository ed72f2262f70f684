"""The trainer's ingest as a process, with settings of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.fakes.program import LONG_S, Ran
from tests.fakes.world import wait_until

ROOT = Path(__file__).resolve().parents[2]


class TrainerProgram:
    """`doorward-trainer` with one settings file. Whatever it prints is kept and must hold no stack trace."""

    def __init__(self, folder: Path, port: int, database: str, toml: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.settings = folder / "trainer.toml"
        self.settings.write_text(
            f'[store]\nfolder = "state"\nurl = "{database}"\n[mqtt]\nhost = "127.0.0.1"\nport = {port}\n{toml}'
        )
        self.key = folder / "state" / "fleet.key"
        self._folder = folder
        self._workers: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, worker: str = "a") -> None:
        """A worker; back when it is connected."""
        before = self.log(worker).count("connected")
        with self._log(worker).open("ab") as log:
            self._workers[worker] = subprocess.Popen(
                self._line("ingest", "--worker", worker), stdout=log, stderr=log, cwd=ROOT, env=_environment()
            )
        wait_until(lambda: self.log(worker).count("connected") > before, f"connected: {self.log(worker)}", LONG_S)

    def run(self, *arguments: str) -> Ran:
        """A command, to its end."""
        done = subprocess.run(
            self._line(*arguments), capture_output=True, check=False, cwd=ROOT, env=_environment(), timeout=LONG_S
        )
        ran = Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
        assert "Traceback" not in ran.out + ran.err, ran
        return ran

    def log(self, worker: str = "a") -> str:
        return self._log(worker).read_text() if self._log(worker).exists() else ""

    def end(self, worker: str = "a", number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit code."""
        process = self._workers.pop(worker)
        process.send_signal(number)
        code = process.wait(LONG_S)
        assert "Traceback" not in self.log(worker), self.log(worker)
        return code

    def kill_all(self) -> None:
        """Those that still run, at the end of a test."""
        for process in self._workers.values():
            process.kill()
            process.wait(10)

    def _log(self, worker: str) -> Path:
        return self._folder / f"log-{worker}"

    def _line(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "trainer", *arguments, "--settings", str(self.settings)]


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DOORWARD_")}
    return kept | {"PYTHONUNBUFFERED": "1"}
