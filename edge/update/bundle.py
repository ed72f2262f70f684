"""A release as one file: a stored zip of `release.json` and the files that it lists, in that order and nothing else.

Any program can unpack one. Here none is parsed as zips are: from the description and the lengths in it every byte
around the contents follows, and is compared, so that there is one accepted file for a description and its contents.
Whether the file is the signed one is left to `fetch.py`; what is in it, to the self-test.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader, BufferedWriter
from pathlib import Path

from edge.contract.release import DESCRIPTION, LARGEST_FILE, ReleaseDescription, ReleaseFile
from edge.errors import MessageError, ModelError
from edge.store.durable import fsync_directory, make_directory, write_durably

# PKWARE's APPNOTE, 4.3.7, 4.3.12 and 4.3.16; version 2.0, no flags, stored, 1 January 1980.
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_FIXED = (0, 0, 0, 0x21)  # flags, method, time, date
_MADE_BY = 0x0314  # Unix, version 2.0: without it some programs unpack files that nobody may read
_MODE = 0o100600 << 16
_BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class _Member:
    """A file within. crc: of its contents, as zips have it. at: offset of its header."""

    name: str
    length: int
    crc: int
    at: int

    @property
    def start(self) -> int:
        return self.at + _LOCAL.size + len(self.name)

    @property
    def end(self) -> int:
        return self.start + self.length

    def local(self) -> bytes:
        sizes = (self.crc, self.length, self.length, len(self.name), 0)
        return _LOCAL.pack(b"PK\3\4", 20, *_FIXED, *sizes) + self.name.encode()

    def central(self) -> bytes:
        sizes = (self.crc, self.length, self.length, len(self.name), 0, 0, 0, 0, _MODE, self.at)
        return _CENTRAL.pack(b"PK\1\2", _MADE_BY, 20, *_FIXED, *sizes) + self.name.encode()


@dataclass(frozen=True, slots=True)
class Bundle:
    """A release's file of which every byte was looked at. Made by `open_bundle`."""

    path: Path
    description: ReleaseDescription

    def read(self, name: str) -> bytes:
        """A file's bytes, of at most `LARGEST_FILE`.

        Raises:
            ModelError: it is not among them, or changed since the bundle was opened.
        """
        with _reading(self.path) as file:
            return b"".join(_contents(file, self.path, *self._place(name)))

    def unpack(self, folder: Path) -> None:
        """Put the description and all files into `folder`, durably: when this returns they survive a power cut.

        Files of these names that are there are replaced, each at once; none is written into.

        Raises:
            ModelError: the bundle changed since it was opened.
            OSError: the disk is full or failing.
        """
        make_directory(folder)
        for entry in self.description.files:
            with _reading(self.path) as file:
                _write_stream(folder / entry.name, _contents(file, self.path, *self._place(entry.name)))
        write_durably(folder / DESCRIPTION, self.description.to_json())

    def _place(self, name: str) -> tuple[ReleaseFile, int]:
        with _reading(self.path) as file:
            at = _first(file, self.path).end
        for entry in self.description.files:
            start = at + _LOCAL.size + len(entry.name)
            if entry.name == name:
                return entry, start
            at = start + entry.length
        raise ModelError(f"{self.path.name}: has no file {name}")


def release_file(path: Path) -> ReleaseFile:
    """A file as a description lists it.

    Raises:
        ModelError: it cannot be read, is empty or too large.
    """
    with _reading(path) as file:
        length = os.fstat(file.fileno()).st_size
        if not 0 < length <= LARGEST_FILE:
            raise ModelError(f"{path}: has {length} bytes; a file of a release has 1 to {LARGEST_FILE}")
        return ReleaseFile(name=path.name, sha256=hashlib.file_digest(file, "sha256").hexdigest(), length=length)


def write_bundle(path: Path, description: ReleaseDescription, folder: Path) -> None:
    """Write the release of the files in `folder` to `path`, durably, in place of what was there.

    Raises:
        ModelError: a file is missing or not what the description says.
        MessageError: the description is none.
    """
    body = description.to_json()
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as out:
            members = [_put(out, DESCRIPTION, iter([body]), len(body), zlib.crc32(body))]
            members += [_put_file(out, entry, folder / entry.name) for entry in description.files]
            out.write(_directory(members))
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
        fsync_directory(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def open_bundle(path: Path, signed: ReleaseDescription | None = None) -> Bundle:
    """Look at every byte of `path`.

    signed: what its target's metadata says of it, which it must say too. Without it the bundle's own word is taken.

    Raises:
        ModelError: it is not exactly what was described; the line says where.
    """
    with _reading(path) as file:
        first = _first(file, path)
        description = _description(file, path, first)
        if signed is not None and description != signed:
            raise ModelError(f"{path.name}: its {DESCRIPTION} is not the one that was signed")
        members = [first]
        for entry in description.files:
            start = members[-1].end + _LOCAL.size + len(entry.name)
            crc = 0
            for block in _contents(file, path, entry, start):
                crc = zlib.crc32(block, crc)
            members.append(_Member(entry.name, entry.length, crc, members[-1].end))
        _compare_frame(file, path, members)
    return Bundle(path, description)


def _first(file: BufferedReader, path: Path) -> _Member:
    """The description's own place; its length is the one number that is taken from the file."""
    file.seek(0)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size:
        raise ModelError(f"{path.name}: has {len(header)} bytes and is no release")
    crc, length = _LOCAL.unpack(header)[6:8]
    if not 0 < length <= ReleaseDescription.MAX_BYTES:
        raise ModelError(f"{path.name}: does not begin with {DESCRIPTION}")
    return _Member(DESCRIPTION, length, crc, 0)


def _description(file: BufferedReader, path: Path, first: _Member) -> ReleaseDescription:
    file.seek(0)
    header, body = file.read(first.start), file.read(first.length)
    if header != first.local() or zlib.crc32(body) != first.crc:
        raise ModelError(f"{path.name}: does not begin with {DESCRIPTION}")
    try:
        return ReleaseDescription.from_json(body)
    except MessageError as error:
        raise ModelError(f"{path.name}: {error}") from None


def _contents(file: BufferedReader, path: Path, entry: ReleaseFile, start: int) -> Iterator[bytes]:
    """A file's blocks. Whoever has them all knows that they are what was described; nobody may trust some of them."""
    file.seek(start)
    digest, left = hashlib.sha256(), entry.length
    while left and (block := file.read(min(_BLOCK, left))):
        digest.update(block)
        left -= len(block)
        yield block
    if left or digest.hexdigest() != entry.sha256:
        raise ModelError(f"{path.name}: {entry.name} is not what {DESCRIPTION} says")


def _compare_frame(file: BufferedReader, path: Path, members: list[_Member]) -> None:
    """Every byte that is not a file's own."""
    for member in members:
        file.seek(member.at)
        if file.read(len(member.local())) != member.local():
            raise ModelError(f"{path.name}: {member.name} is not where it must be")
    directory = _directory(members)
    file.seek(members[-1].end)
    if file.read(len(directory) + 1) != directory:
        raise ModelError(f"{path.name}: does not end as it must")


def _directory(members: list[_Member]) -> bytes:
    central = b"".join(member.central() for member in members)
    count = len(members)
    return central + _END.pack(b"PK\5\6", 0, 0, count, count, len(central), members[-1].end, 0)


def _put_file(out: BufferedWriter, entry: ReleaseFile, source: Path) -> _Member:
    crc = 0
    with _reading(source) as file:
        for block in _contents(file, source, entry, 0):
            crc = zlib.crc32(block, crc)
        if file.read(1):
            raise ModelError(f"{source}: is longer than {DESCRIPTION} says")
        return _put(out, entry.name, _contents(file, source, entry, 0), entry.length, crc)


def _put(out: BufferedWriter, name: str, blocks: Iterator[bytes], length: int, crc: int) -> _Member:
    member = _Member(name, length, crc, out.tell())
    out.write(member.local())
    out.writelines(blocks)
    return member


def _write_stream(path: Path, blocks: Iterator[bytes]) -> None:
    """As `write_durably`, of what is too large to hold."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as out:
            temporary.chmod(0o600)
            out.writelines(blocks)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
        fsync_directory(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _reading(path: Path) -> BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from None
