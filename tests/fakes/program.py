"""The program itself as a process, with a state folder and settings of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes.world import wait_until

ROOT = Path(__file__).resolve().parents[2]
# For a machine that does much else; nothing waits for so long where all is well.
LONG_S = 90.0


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Program:
    """`doorward` with one settings file. Whatever it prints is kept and must hold no stack trace."""

    def __init__(self, folder: Path, toml: str, *, package: Path = ROOT, **environ: str) -> None:
        """package: the folder that holds `edge`. environ: further variables of its environment."""
        folder.mkdir(parents=True, exist_ok=True)
        self.state = folder / "state"
        self.settings = folder / "doorward.toml"
        self.settings.write_text(f'[store]\nfolder = "{self.state}"\n{toml}', encoding="utf-8")
        self._log = folder / "log"
        self._package = package
        self._environ = environ
        self._daemon: subprocess.Popen[bytes] | None = None

    def run(self, *arguments: str | Path, stdin: bytes = b"") -> Ran:
        """A command, to its end."""
        done = subprocess.run(
            self._line(*arguments),
            input=stdin,
            capture_output=True,
            timeout=LONG_S,
            check=False,
            env=self._environment(),
            cwd=self._package,
        )
        ran = Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
        assert "Traceback" not in ran.out + ran.err, ran
        return ran

    def start(self, *arguments: str | Path) -> None:
        """The daemon, or another command that goes on; `log` has what it prints."""
        with self._log.open("ab") as log:
            self._daemon = subprocess.Popen(
                self._line(*(arguments or ("run",))),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
                cwd=self._package,
            )

    @property
    def log(self) -> str:
        """All that was printed by what was started."""
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    def wait_for_log(self, words: str, times: int = 1) -> None:
        wait_until(lambda: self.log.count(words) >= times, f"{words!r} in the log:\n{self.log[-3000:]}", LONG_S)

    def end(self, number: signal.Signals = signal.SIGTERM, within_s: float = LONG_S) -> int:
        """Send a signal and wait; the exit code."""
        assert self._daemon is not None
        self._daemon.send_signal(number)
        return self.wait(within_s)

    def wait(self, within_s: float = LONG_S) -> int:
        """The exit code, once it ends by itself."""
        assert self._daemon is not None
        code = self._daemon.wait(within_s)
        self._daemon = None
        assert "Traceback" not in self.log, self.log[-3000:]
        return code

    def kill(self) -> None:
        """If it still runs, at the end of a test."""
        if self._daemon is not None:
            self._daemon.kill()
            self._daemon.wait(10)
            self._daemon = None

    def _line(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "edge", "--settings", str(self.settings), *map(str, arguments)]

    def _environment(self) -> Mapping[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DOORWARD_")}
        return kept | {"PYTHONUNBUFFERED": "1"} | self._environ
