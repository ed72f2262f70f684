"""What machine and process this is, for benchmarks and the doctor to name beside their figures. Measures no time."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from edge.errors import DoorwardError

_SOURCES = Path(__file__).resolve().parents[2]


def this_machine(runtime: str) -> dict[str, str | int | float]:
    """What the figures hold for. runtime: of TFLite, with its version.

    load_1min: how busy the machine was when it was asked; times above about one a core are not to be trusted.
    """
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "runtime": runtime,
        "load_1min": round(os.getloadavg()[0], 2),
    }


def commit() -> str:
    """The commit of these sources, with `+` behind it where files differ from it; `unknown` outside a checkout."""
    # An installed copy may lie in a folder of another project's checkout, whose commit says nothing of it.
    head = _git("rev-parse", "--short=12", "HEAD") if (_SOURCES / ".git").exists() else ""
    if not head:
        return "unknown"
    return f"{head}+" if _git("status", "--porcelain") else head


def memory_mb(field: str = "VmRSS", process: int | str = "self") -> float:
    """Memory of a process, MB. field: `VmRSS` for now, `VmHWM` for the most there was.

    Raises:
        DoorwardError: there is no such process, or the system has no /proc.
    """
    try:
        lines = Path(f"/proc/{process}/status").read_text("ascii", "replace").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024
    except (OSError, StopIteration) as error:
        raise DoorwardError(f"/proc/{process}/status: no {field} there; the bench needs Linux's /proc") from error


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    # A Pi names its board under "Model"; x86 names the processor under "model name".
    named = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return named.get("Model") or named.get("model name") or platform.machine()


def _git(*words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(_SOURCES), *words], check=True, capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
