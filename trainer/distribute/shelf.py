"""Pieces of the files below one folder, and of nothing else on this machine.

Each request opens, reads and closes one file: no state that a door could fill, and a file that was replaced is the new
one at once. What a path may look like is the contract's; that it does not lead out by a link is seen to here.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from edge.contract.update import LARGEST_REPOSITORY_FILE, ChunkStatus, UpdateChunk, UpdateRequest

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A pipe would be waited for without O_NONBLOCK.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Shelf:
    """folder: of the published repository, with `metadata` and `targets`; it may be a link itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def piece(self, request: UpdateRequest) -> UpdateChunk:
        """What was asked for, or why not. A file shorter than `offset` gives no bytes and its length."""
        try:
            file = self._open(request.file)
        except FileNotFoundError:
            return refusal(request.number, ChunkStatus.MISSING, "no such file")
        except OSError as error:
            return _of_error(request.number, error)
        try:
            return _read(file, request)
        except OSError as error:
            return refusal(request.number, ChunkStatus.FAILED, str(error.strerror))
        finally:
            os.close(file)

    def _open(self, path: str) -> int:
        """Folder by folder, so that a link on the way is refused and not followed."""
        *folders, name = parts = path.split("/")
        if not {"", ".", ".."}.isdisjoint(parts):  # no request of the contract's form has them
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        at = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for folder in folders:
                below = os.open(folder, _FOLDER, dir_fd=at)
                os.close(at)
                at = below
            return os.open(name, _FILE, dir_fd=at)
        finally:
            os.close(at)


def refusal(number: int, status: ChunkStatus, words: str) -> UpdateChunk:
    """A piece that is none."""
    return UpdateChunk(number=number, status=status, data=words.encode("ascii", "replace")[:200])


def _read(file: int, request: UpdateRequest) -> UpdateChunk:
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode):
        return refusal(request.number, ChunkStatus.REFUSED, "not a file")
    if found.st_size > LARGEST_REPOSITORY_FILE:
        return refusal(request.number, ChunkStatus.REFUSED, f"larger than {LARGEST_REPOSITORY_FILE} bytes")
    data = os.pread(file, max(0, min(request.length, found.st_size - request.offset)), request.offset)
    return UpdateChunk(
        number=request.number,
        status=ChunkStatus.OK,
        total=found.st_size,
        offset=min(request.offset, found.st_size),
        data=data,
    )


def _of_error(number: int, error: OSError) -> UpdateChunk:
    """ELOOP is a link, ENOTDIR a file or a link where a folder must be: nothing that would get better."""
    final = error.errno in (errno.ELOOP, errno.ENOTDIR)
    status = ChunkStatus.REFUSED if final else ChunkStatus.FAILED
    return refusal(number, status, "not a file of the repository" if final else str(error.strerror))
