"""A process that shuts itself in as the self-test's does, and then tries to get out: `python -m tests.fakes.prisoner`.

Takes a job as JSON on standard input: `do` names what to try, `secret` a file that it must not reach, `shared` a folder
that it may read, `without` a layer that this kernel shall not have. It says what became of each attempt: an errno's
name, or "done".
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.update import landlock, seccomp
from edge.update.confine import Limits, die_with_parent, shut_in

_LIBC = ctypes.CDLL(None, use_errno=True)
_IO_URING_SETUP = 425
_OF_PROCESSES = ("fork", "spawn", "execute", "trace the parent", "limits of the parent", "processors of the parent")
PARENT = os.getppid()


def call(name: str, *arguments: object) -> None:
    """A function of the C library, as an OSError where it fails."""
    if getattr(_LIBC, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)


def tcp() -> None:
    with socket.socket() as one:
        one.connect(("127.0.0.1", 9))


def spawn() -> None:
    os.posix_spawn("/bin/true", ["true"], {})


def thread() -> None:
    one = threading.Thread(target=time.sleep, args=(0,))
    try:
        one.start()
    except RuntimeError as error:
        raise OSError(errno.EAGAIN, "thread") from error


def attempts(secret: Path, shared: Path) -> dict[str, Callable[[], Any]]:
    given, new = shared / "given.txt", shared / "new.txt"
    read, write = os.O_RDONLY, os.O_WRONLY
    return {
        "socket": tcp,
        "unix socket": lambda: socket.socket(socket.AF_UNIX),
        "pair of sockets": socket.socketpair,
        "fork": os.fork,
        "spawn": spawn,
        "execute": lambda: os.execv("/bin/true", ["true"]),
        "thread": thread,
        "signal to the parent": lambda: os.kill(PARENT, 0),
        "trace the parent": lambda: call("ptrace", 16, PARENT, None, None),
        "limits of the parent": lambda: resource.prlimit(PARENT, resource.RLIMIT_CPU, (1, 1)),
        "processors of the parent": lambda: os.sched_setaffinity(PARENT, {0}),
        "read the secret": lambda: os.open(secret, read),
        "list the secret's folder": lambda: list(secret.parent.iterdir()),
        "read passwords": lambda: os.open("/etc/passwd", read),
        "read the parent's environment": lambda: os.open(f"/proc/{PARENT}/environ", read),
        "write to the secret": lambda: os.open(secret, write),
        "write to a given file": lambda: os.open(given, write),
        "make a file": lambda: os.open(new, write | os.O_CREAT, 0o600),
        "make a file in /tmp": lambda: os.open("/tmp/doorward-prisoner", write | os.O_CREAT, 0o600),
        "make a file without a name": lambda: os.open("/tmp", write | os.O_TMPFILE, 0o600),
        "empty a file": lambda: os.truncate(given, 0),
        "remove a file": given.unlink,
        "rename a file": lambda: given.rename(new),
        "link a file": lambda: os.link(given, new),
        "make a folder": (shared / "folder").mkdir,
        "change a mode": lambda: secret.chmod(0o666),
        "change times": lambda: os.utime(secret),
        "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", ctypes.c_ulong(0), None),
        "a new namespace": lambda: call("unshare", 0x10000000),
        "calls past the filter": lambda: call(
            "syscall", ctypes.c_long(_IO_URING_SETUP), 8, ctypes.create_string_buffer(256)
        ),
        "a call of a later kernel": lambda: call("syscall", ctypes.c_long(9999)),
    }


def allowed(_secret: Path, shared: Path) -> dict[str, Callable[[], Any]]:
    """What a runtime and Python need."""
    return {
        "read a given file": (shared / "given.txt").read_bytes,
        "list a given folder": lambda: list(shared.iterdir()),
        "import a module": lambda: __import__("colorsys"),
        "look at its limits": lambda: resource.getrlimit(resource.RLIMIT_AS),
        "use memory": lambda: bytearray(1 << 20),
        "tell the time": time.monotonic,
    }


def eat() -> None:
    kept = []
    while True:
        kept.append(bytearray(1 << 20))


def eat_natively() -> None:
    """Past Python, as a runtime's own allocations are."""
    _LIBC.malloc.restype = ctypes.c_void_p
    while True:
        if not (found := _LIBC.malloc(ctypes.c_size_t(1 << 20))):
            os.abort()
        ctypes.memset(found, 1, 1 << 20)


def loop() -> None:
    while True:
        pass


def talk() -> None:
    while True:
        print("x" * 10_000, flush=True)


ENDINGS: dict[str, Callable[[], Any]] = {
    "eat": eat,
    "eat natively": eat_natively,
    "loop": loop,
    "sleep": lambda: time.sleep(600),
    "talk": talk,
    "crash": lambda: ctypes.string_at(0),
    "babble": lambda: print("this is no JSON", flush=True),
    "leave": lambda: sys.exit("no more of this"),
    "be killed": lambda: _LIBC.syscall(*_tgkill()),
    "return": lambda: None,
}


def _tgkill() -> tuple[ctypes.c_long, ...]:
    number = 234 if os.uname().machine == "x86_64" else 131
    return tuple(ctypes.c_long(value) for value in (number, os.getpid(), os.getpid(), 9))


def _tried(attempt: Callable[[], Any]) -> str:
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "?")
    return "done"


def main() -> None:
    die_with_parent()
    job = json.load(sys.stdin)
    secret, shared = Path(job["secret"]), Path(job["shared"])
    if job.get("without") == "landlock":
        landlock.confine = lambda *_: "switched off"
    if job.get("without") == "seccomp":
        seccomp.deny = lambda: "switched off"
    missing = shut_in(Limits(job.get("memory_mb", 64), job.get("cpu_s", 2)), [shared])
    print(json.dumps({"missing": missing}), flush=True)
    if job["do"] in ENDINGS:
        ENDINGS[job["do"]]()
        return
    group = allowed(secret, shared) if job["do"] == "allowed" else attempts(secret, shared)
    if job["do"] == "escape from files":  # the others would succeed, and hurt whoever tests it
        for name in _OF_PROCESSES:
            del group[name]
    print(json.dumps({name: _tried(attempt) for name, attempt in group.items()}), flush=True)


if __name__ == "__main__":
    main()
