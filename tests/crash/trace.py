"""Records what a worker asks of the file system, in order and with all bytes, by running it under strace.

The calls become plain values; `disk.py` plays them. A call that might write and is not understood is an error, so that
nothing is passed over unseen; and `disk.py` ends with the files that are really there, which a test compares.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

_ROOT = Path(__file__).resolve().parents[2]
_TRACED = (
    "openat,open,creat,close,dup,dup2,dup3,fcntl,write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fallocate,"
    "fsync,fdatasync,sync,syncfs,sync_file_range,copy_file_range,sendfile,splice,rename,renameat,renameat2,link,linkat,"
    "symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir"
)
_LONGEST_WRITE = 4 << 20
_LINE = re.compile(r"(?:\d+ +)?(\w+)\((.*)\) += (-?\w+)(?: .*)?", re.DOTALL)
_PART = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?|([^,"]+)')


@dataclass(frozen=True, slots=True)
class Open:
    """file: a number that this opening is known by afterwards."""

    path: str
    file: int
    create: bool
    empty: bool


@dataclass(frozen=True, slots=True)
class Write:
    file: int
    at: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    file: int
    size: int


@dataclass(frozen=True, slots=True)
class Sync:
    file: int


@dataclass(frozen=True, slots=True)
class Rename:
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Link:
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Unlink:
    path: str


@dataclass(frozen=True, slots=True)
class MakeDirectory:
    path: str


@dataclass(frozen=True, slots=True)
class Say:
    """What the worker told on its standard output."""

    text: bytes


Call: TypeAlias = Open | Write | Truncate | Sync | Rename | Link | Unlink | MakeDirectory | Say


def strace_missing() -> str | None:
    """Why nothing can be recorded here, or None."""
    if shutil.which("strace") is None:
        return "strace is not installed (Debian: apt install strace)"
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else f"strace may not trace here: {tried.stderr.strip().splitlines()[-1]}"


def record(folder: Path, seed: int, changes: int) -> list[Call]:
    """Let a worker do so many changes to a new store in `folder`, and answer its calls that touch that folder."""
    return record_program(folder, ["tests.crash.worker", str(folder), str(seed), str(changes)])


def record_program(folder: Path, module: list[str]) -> list[Call]:
    """Run a module with its arguments, and answer its calls that touch `folder`."""
    log = folder.with_name(f"{folder.name}.strace")
    command = [
        "strace",
        "-xx",
        "-s",
        str(_LONGEST_WRITE),
        "-e",
        f"trace={_TRACED}",
        "-e",
        "signal=none",
        "-o",
        str(log),
    ]
    subprocess.run(
        [*command, sys.executable, "-m", *module], cwd=_ROOT, check=True, stdout=subprocess.DEVNULL, timeout=600
    )
    try:
        with log.open(encoding="ascii") as lines:
            return list(Reader(str(folder)).calls(lines))
    finally:
        log.unlink()


class Reader:
    """Turns the lines of strace into calls. folder: what is outside of it is passed over."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._open: dict[int, tuple[int, str]] = {}
        self._position: dict[int, int] = {}
        self._files = 0

    def calls(self, lines: Iterator[str]) -> Iterator[Call]:
        """Raises:
        ValueError: a line, or a call to a file of the folder, that is not understood.
        """
        for line in lines:
            if line.startswith(("+++", "---")):
                continue
            match = _LINE.fullmatch(line.rstrip("\n"))
            if match is None:
                raise ValueError(f"not understood: {line[:200]}")
            if (result := int(match[3], 0)) >= 0:
                yield from self._call(match[1], _arguments(match[2]), result)

    def _call(self, name: str, arguments: list[str | bytes], result: int) -> Iterator[Call]:
        if name in _BY_DESCRIPTOR:
            yield from self._on_descriptor(name, arguments, result)
            return
        paths = [part.decode() for part in arguments if isinstance(part, bytes)]
        if name == "openat":
            yield from self._opened(paths[0], str(arguments[2]), result)
        elif any(map(self._ours, paths)):
            if name not in _BY_PATH:
                raise ValueError(f"{name} of {paths}: not understood")
            yield _BY_PATH[name](*paths)

    def _ours(self, path: str) -> bool:
        return path == self._folder or path.startswith(f"{self._folder}/")

    def _opened(self, path: str, flags: str, descriptor: int) -> Iterator[Call]:
        self._open.pop(descriptor, None)
        if self._ours(path):
            self._files += 1
            self._open[descriptor] = (self._files, path)
            self._position[self._files] = 0
            if "O_APPEND" in flags:
                raise ValueError(f"{path}: opened to append, which is not understood")
            yield Open(path, self._files, create="O_CREAT" in flags, empty="O_TRUNC" in flags)

    def _on_descriptor(self, name: str, arguments: list[str | bytes], result: int) -> Iterator[Call]:
        descriptor = int(arguments[0])
        if descriptor == 1 and name == "write":
            yield Say(_data(arguments, result))
            return
        file, path = self._open.get(descriptor, (0, ""))
        if not file:
            return
        match name:
            case "write":
                yield Write(file, self._position[file], _data(arguments, result))
                self._position[file] += result
            case "pwrite64":
                yield Write(file, int(arguments[3]), _data(arguments, result))
            case "ftruncate":
                yield Truncate(file, int(arguments[1]))
            case "fsync" | "fdatasync":
                yield Sync(file)
            case "close":
                del self._open[descriptor]
            case "fcntl" if "F_DUPFD" not in str(arguments[1]):
                return
            case _:
                raise ValueError(f"{name} of {path}: not understood")


_BY_DESCRIPTOR = {
    *("write", "pwrite64", "ftruncate", "fsync", "fdatasync", "close", "fcntl", "dup", "dup2", "dup3", "writev"),
    *("pwritev", "pwritev2", "fallocate", "syncfs", "sync_file_range", "copy_file_range", "sendfile", "splice"),
}
_BY_PATH: dict[str, Callable[..., Call]] = {
    "rename": Rename,
    "renameat": Rename,
    "renameat2": Rename,
    "link": Link,
    "linkat": Link,
    "unlink": Unlink,
    "unlinkat": Unlink,
    "rmdir": Unlink,
    "mkdir": MakeDirectory,
    "mkdirat": MakeDirectory,
}


def _arguments(text: str) -> list[str | bytes]:
    """Strings as bytes, all else as it stands."""
    parts: list[str | bytes] = []
    for match in _PART.finditer(text):
        if match[2]:
            raise ValueError(f"a string was cut off: {text[:80]}")
        if match[1] is not None:
            parts.append(bytes.fromhex(match[1].replace("\\x", "")))
        elif match[3].strip():
            parts.append(match[3].strip())
    return parts


def _data(arguments: list[str | bytes], written: int) -> bytes:
    data = arguments[1]
    assert isinstance(data, bytes)
    return data[:written]
