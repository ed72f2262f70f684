"""A disk that keeps apart what was made durable from what was only written: for the states that a power cut leaves.

A write is settled by an fsync of its file; a name (made, moved, linked, removed) by an fsync of its directory. What is
not settled when the power goes may be there or not: of the writes to a file any selection, each torn at 512 or 4096
bytes; of a directory's names the first so many, since journaling file systems keep their order. That is less than POSIX
promises and no more than what ext4, f2fs and btrfs do: ext4 would, for one, settle names with the fsync of any file.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

from tests.crash.trace import (
    Call,
    Link,
    MakeDirectory,
    Open,
    Rename,
    Say,
    Sync,
    Truncate,
    Unlink,
    Write,
)

Cut: TypeAlias = Literal["nothing", "all", "selection", "torn"]
"""What of the unsettled is there: nothing, all, some writes as a whole, or some pieces of them."""

CUTS: tuple[Cut, ...] = ("nothing", "all", "selection", "torn")


@dataclass(slots=True)
class _Inode:
    """A file, or with None a directory, whose content are the names."""

    settled: bytearray | None
    pending: list[Write | Truncate] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Naming:
    """Names of one directory that change together; None: the name goes."""

    changes: tuple[tuple[str, _Inode | None], ...]


class Disk:
    """The folder that a worker writes to. `play` each call; `image` what a power cut would leave now."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._now: dict[str, _Inode] = {self._folder: _Inode(None)}
        self._settled = dict(self._now)
        self._pending: dict[str, list[_Naming]] = {}
        self._opened: dict[int, tuple[str, _Inode]] = {}

    def play(self, call: Call) -> None:
        match call:
            case Open():
                self._open(call)
            case Write(file) | Truncate(file):
                self._opened[file][1].pending.append(call)
            case Sync(file):
                self._sync(*self._opened[file])
            case Rename(source, target):
                self._name({source: None, target: self._now[source]})
            case Link(source, target):
                self._name({target: self._now[source]})
            case Unlink(path):
                self._name({path: None})
            case MakeDirectory(path):
                self._name({path: _Inode(None)})
            case Say():
                pass

    @property
    def unsettled(self) -> int:
        """How many writes and names a power cut could take away now."""
        names = sum(map(len, self._pending.values()))
        return names + sum(len(inode.pending) for inode in self._now.values())

    def image(self, cut: Cut, dice: random.Random) -> dict[str, bytes | None]:
        """Files by their path within the folder, and directories in it as None."""
        names = dict(self._settled)
        for namings in self._pending.values():
            for naming in namings[: _so_many(len(namings), cut, dice)]:
                _rename(names, naming)
        contents = {id(inode): _content(inode, cut, dice) for inode in names.values()}
        reachable = [path for path in names if str(PurePosixPath(path).parent) in names]
        return {str(PurePosixPath(path).relative_to(self._folder)): contents[id(names[path])] for path in reachable}

    def _open(self, call: Open) -> None:
        if call.path not in self._now:
            assert call.create, f"{call.path} was opened and never made"
            self._name({call.path: _Inode(bytearray())})
        inode = self._now[call.path]
        self._opened[call.file] = (call.path, inode)
        if call.empty:
            inode.pending.append(Truncate(call.file, 0))

    def _sync(self, path: str, inode: _Inode) -> None:
        if inode.settled is None:
            for naming in self._pending.pop(path, []):
                _rename(self._settled, naming)
            return
        for call in inode.pending:
            _apply(inode.settled, call)
        inode.pending.clear()

    def _name(self, changes: Mapping[str, _Inode | None]) -> None:
        directories = {str(PurePosixPath(path).parent) for path in changes}
        assert len(directories) == 1, "a name that moves between directories is not understood"
        naming = _Naming(tuple(changes.items()))
        _rename(self._now, naming)
        self._pending.setdefault(directories.pop(), []).append(naming)


def write_image(image: Mapping[str, bytes | None], folder: Path) -> None:
    """Put an image on a real disk."""
    for path, data in sorted(image.items()):
        if data is None:
            (folder / path).mkdir(mode=0o700)
        else:
            (folder / path).write_bytes(data)


def _rename(names: dict[str, _Inode], naming: _Naming) -> None:
    for path, inode in naming.changes:
        if inode is None:
            names.pop(path, None)
        else:
            names[path] = inode


def _so_many(number: int, cut: Cut, dice: random.Random) -> int:
    if cut in ("nothing", "all"):
        return number if cut == "all" else 0
    return dice.randint(0, number)


def _content(inode: _Inode, cut: Cut, dice: random.Random) -> bytes | None:
    if inode.settled is None:
        return None
    content = bytearray(inode.settled)
    # A selection of its own for each file: one may be written back wholly while another is not at all.
    share = dice.choice([0.0, 0.5, 0.9, 1.0])
    sector = dice.choice([512, 4096])
    for call in inode.pending:
        if cut == "all" or (cut == "selection" and dice.random() < share):
            _apply(content, call)
        elif cut == "torn":
            for piece in _torn(call, sector):
                if dice.random() < share:
                    _apply(content, piece)
    return bytes(content)


def _torn(call: Write | Truncate, sector: int) -> list[Write | Truncate]:
    if isinstance(call, Truncate):
        return [call]
    pieces: list[Write | Truncate] = []
    at, end = call.at, call.at + len(call.data)
    while at < end:
        stop = min(end, (at // sector + 1) * sector)
        pieces.append(Write(call.file, at, call.data[at - call.at : stop - call.at]))
        at = stop
    return pieces


def _apply(content: bytearray, call: Write | Truncate) -> None:
    if isinstance(call, Truncate):
        del content[call.size :]
        content.extend(bytes(call.size - len(content)))
        return
    content.extend(bytes(max(0, call.at - len(content))))
    content[call.at : call.at + len(call.data)] = call.data
