"""Starts the updater's process and hands in what it says. At most one at a time; what it does is `edge/update`'s.

Starting, reading and waiting is done on a thread of its own, so that no frame waits for any of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, get_args

from edge.adapters.camera_options import one_line
from edge.contract.update import UpdateStep
from edge.log import get_logger
from edge.update.machine import Target
from edge.update.news import ChildEnded, ChildTold
from edge.update.updater import Told

_log = get_logger("releases")
_LONGEST_LINE = 65_536
_LONGEST_REASON = 300
_GRACE_S = 5.0
_STEPS = frozenset(get_args(UpdateStep))


class UpdaterProcess:
    """`python -m edge.update` for one release. Its priority is low by its own doing."""

    def __init__(self, settings: Path | None, hand_in: Callable[[ChildTold | ChildEnded], bool]) -> None:
        """settings: the door's own file, None for defaults. hand_in: to the daemon; False when it is too busy."""
        self._settings = settings
        self._hand_in = hand_in
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._stopping = False

    @property
    def running(self) -> bool:
        """Whether there is one, or will be at once."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, target: Target) -> None:
        """Begin with a release; harmless where one is running. Returns at once."""
        if self.running:
            return
        self._stopping = False
        self._thread = threading.Thread(target=self._run, args=(target,), name="updater", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it, if it runs: another run goes on from what is durable. Returns at once."""
        with self._lock:
            self._stopping = True
            if self._process is not None:
                with suppress(OSError):
                    self._process.terminate()

    def close(self) -> None:
        """End it and wait until it is gone."""
        self.stop()
        if self._thread is not None:
            self._thread.join(2 * _GRACE_S)

    def _run(self, target: Target) -> None:
        try:
            problem = self._talk(target)
        except Exception as error:  # noqa: BLE001 - a thread that ends unsaid would leave the door waiting for ever
            problem = f"the updater could not be run ({type(error).__name__}: {one_line(error)})"
        self._hand_in(ChildEnded(None if problem is None else problem[:_LONGEST_REASON]))

    def _talk(self, target: Target) -> str | None:
        """Start it and hand in each line. Why there was no proper end, or None."""
        with self._lock:
            if self._stopping:
                return "it was stopped"
            process = self._process = subprocess.Popen(
                self._command(target), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace"
            )
        assert process.stdout is not None
        assert process.stderr is not None
        complaints: list[str] = []
        listener = threading.Thread(target=_last_line, args=(process.stderr, complaints), daemon=True)
        listener.start()
        while line := process.stdout.readline(_LONGEST_LINE):
            told = told_of(line)
            if told is not None:
                self._hand_in(ChildTold(told))
        try:
            code = process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        listener.join(_GRACE_S)
        with self._lock:
            self._process = None
        if code == 0:
            return None
        if self._stopping:
            return "it was stopped"
        return complaints[-1] if complaints else f"the updater ended with code {code} and without a word"

    def _command(self, target: Target) -> list[str]:
        line = [sys.executable, "-m", "edge.update", target.release, "--kind", target.kind]
        line += ["--counter", str(target.counter)]
        return line if self._settings is None else [*line, "--settings", str(self._settings)]


def told_of(line: str) -> Told | None:
    """What a line of it says; None for one that says nothing."""
    try:
        body: Any = json.loads(line)
        if not isinstance(body, Mapping) or body.get("step") not in _STEPS:
            raise ValueError("no step")
        reason = body.get("reason")
        return Told(
            step=body["step"],
            release=str(body.get("release", "")),
            progress=min(max(float(body.get("progress", 0.0)), 0.0), 1.0),
            reason=None if reason is None else one_line(str(reason))[:_LONGEST_REASON] or None,
            missing_layers=tuple(one_line(str(layer))[:64] for layer in body.get("missing_layers", ()))[:8],
            facts=dict(body.get("facts", {})),
        )
    except (ValueError, TypeError, RecursionError):
        _log.warning("a line of the updater is passed over", characters=len(line))
        return None


def _last_line(stream: IO[str], kept: list[str]) -> None:
    """Log what it complains of, and keep the last of it."""
    while line := stream.readline(_LONGEST_LINE):
        if text := one_line(line.strip()):
            kept[:] = [text]
            _log.info("the updater says", line=text)
