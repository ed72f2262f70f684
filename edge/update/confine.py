"""Shuts a process in before it touches a file that nobody has run yet: all layers that this kernel has, for good.

Limits of memory, time and files hold everywhere; Landlock and seccomp where the kernel has them. What is missing is
told and stops nothing: a release is signed, and was looked at by `model_check.py`, before it comes here.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.update import landlock, seccomp

_MB = 1 << 20
_LONGEST = 64  # what a report of the state takes
_DIE_WITH_PARENT, _SET_DUMPABLE, _SET_NO_NEW_PRIVS = 1, 4, 38  # linux/prctl.h
_CAPABILITIES_3 = 0x20080522  # linux/capability.h
_SIGKILL = 9
_SHARED_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache")


@dataclass(frozen=True, slots=True)
class Limits:
    """memory_mb: that the process may take beyond what it has when it is shut in. cpu_s: of processor time, likewise.

    open_files: at a time.
    """

    memory_mb: int
    cpu_s: int
    open_files: int = 64


def die_with_parent() -> None:
    """Be killed when the process that started this one ends, however it ends."""
    parent = os.getppid()
    _libc().prctl(_DIE_WITH_PARENT, _SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(1)


def shut_in(limits: Limits, readable: Sequence[Path]) -> tuple[str, ...]:
    """Shut this process in: `readable` and Python's own files can be read, nothing written, nobody reached.

    Returns the layers that cannot be had here, each with the reason; empty when all hold.
    """
    missing = [("one_thread", _other_threads()), ("rlimits", _limit(limits))]
    missing += [("no_dumps", _no_dumps()), ("capabilities", _drop_capabilities())]
    missing.append(("landlock", landlock.confine(readable, own_files(readable))))
    missing.append(("seccomp", seccomp.deny()))
    if _libc().prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        missing.append(("no_new_privs", os.strerror(ctypes.get_errno())))
    return tuple(f"{layer}: {reason}"[:_LONGEST] for layer, reason in missing if reason is not None)


def _other_threads() -> str | None:
    """Landlock and seccomp hold for the thread that asks for them, and for those that it starts."""
    threads = sum(1 for _ in Path("/proc/self/task").iterdir())
    return None if threads == 1 else f"{threads - 1} more would stay outside"


def own_files(readable: Sequence[Path]) -> list[Path]:
    """Python's modules and the libraries, which may be loaded late.

    Not a folder of modules below which one of `readable` lies that is not ours, as in a checkout with its state folder:
    secrets lie beside it. The package itself can be read in any case.
    """
    package = Path(__file__).resolve().parents[1]
    state = [path.resolve() for path in readable if package not in path.resolve().parents]
    modules = [*sys.path, *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))]
    folders = dict.fromkeys(Path(name).resolve() for name in modules if name)
    return [
        package,
        *(folder for folder in folders if not any(folder in path.parents for path in state)),
        *map(Path, _SHARED_LIBRARIES),
    ]


def _limit(limits: Limits) -> str | None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = int(usage.ru_utime + usage.ru_stime) + 1 + limits.cpu_s
    wanted = {
        resource.RLIMIT_AS: _address_space() + limits.memory_mb * _MB,
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_NOFILE: limits.open_files,
    }
    try:
        for kind, most in wanted.items():
            # The soft limit of processor time sends a signal that tells why; a second later the hard one kills.
            hard = most + 1 if kind == resource.RLIMIT_CPU else most
            before = resource.getrlimit(kind)[1]
            hard = hard if before == resource.RLIM_INFINITY else min(hard, before)
            resource.setrlimit(kind, (min(most, hard), hard))
    except (OSError, ValueError) as error:
        return str(error)
    return None


def _address_space() -> int:
    """Bytes of addresses that this process has."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()


def _no_dumps() -> str | None:
    """No core file, and nobody of the same user looks into this process, which holds people's embeddings."""
    return None if _libc().prctl(_SET_DUMPABLE, 0, 0, 0, 0) == 0 else os.strerror(ctypes.get_errno())


def _drop_capabilities() -> str | None:
    """What root may more than others; a service's own user has none anyway."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    return None if _libc().capset(header, nothing) == 0 else os.strerror(ctypes.get_errno())


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
