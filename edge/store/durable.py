"""Writing to disk so that a power cut leaves either the old or the new. Knows nothing of what is written.

The order is always the same: temporary file beside the target, flush, fsync, replace, fsync the directory. Without the
first fsync a power cut can leave a file of length zero under the new name; without the last, the old name.

Errors are plain `OSError`s: the caller knows what was being written and says so.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from pathlib import Path

_TEMPORARY = ".tmp-"
_SHRED_BLOCK = 1 << 20


def fsync_directory(directory: Path) -> None:
    """Make the names in `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(directory: Path, *, mode: int = 0o700) -> None:
    """Make `directory` durably where it is missing, and those above it; one that is there keeps its mode."""
    if directory.is_dir():
        return
    make_directory(directory.parent, mode=mode)
    directory.mkdir(mode=mode, exist_ok=True)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _hand_over(descriptor, directory.parent)
    finally:
        os.close(descriptor)
    fsync_directory(directory.parent)


def create_private(path: Path) -> None:
    """An empty file of mode 0600, for another library to fill.

    Raises:
        FileExistsError: something is there.
    """
    _write_new(path, b"", 0o600)


def temporary_beside(path: Path) -> Path:
    """A fresh name in the same directory (so that a rename is atomic), which `leftovers` finds after a crash."""
    return path.with_name(f".{path.name}{_TEMPORARY}{secrets.token_hex(4)}")


def leftovers(path: Path) -> list[Path]:
    """Temporary files that a crash left beside `path` while it was being written, and SQLite's files beside those."""
    return sorted(path.parent.glob(f".{path.name}{_TEMPORARY}*")) if path.parent.is_dir() else []


def write_durably(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Put `data` at `path`, in place of what was there."""
    temporary = temporary_beside(path)
    try:
        _write_new(temporary, data, mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_directory(path.parent)


def create_durably(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Put `data` at `path`, where nothing may be yet. A reader sees the whole of it or no file.

    Raises:
        FileExistsError: something is there; it is left as it was.
    """
    temporary = temporary_beside(path)
    try:
        _write_new(temporary, data, mode)
        # A link fails where the name exists, which a rename does not.
        os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_directory(path.parent)


def publish_durably(temporary: Path, path: Path) -> None:
    """Move a finished file to its name, in place of what was there; for files that another library wrote."""
    descriptor = os.open(temporary, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)
    fsync_directory(path.parent)


def shred(path: Path) -> None:
    """Overwrite a file with zeros and take it away; harmless when it is not there.

    A flash card moves blocks about, so the old ones may survive out of any program's reach: this protects against
    undelete tools, not against a laboratory. What protects there is that nothing was written unencrypted.
    """
    with contextlib.suppress(FileNotFoundError):
        with path.open("r+b") as file:
            _overwrite(file.fileno())
        path.unlink()
        fsync_directory(path.parent)


class FileLock:
    """An advisory lock between processes (`flock`), given back by the kernel however its holder ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take it without waiting; False when another process (or another holder in this one) has it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        with contextlib.suppress(OSError):  # the number only helps a message: a full disk may lack it
            _hand_over(descriptor, self._path.parent)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return True

    @property
    def holder(self) -> str:
        """The process id that the holder wrote, or "unknown"."""
        with contextlib.suppress(OSError, ValueError):
            return str(int(self._path.read_bytes()[:20]))
        return "unknown"

    def release(self) -> None:
        """Give it back; harmless when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _write_new(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        _hand_over(file.fileno(), path.parent)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _hand_over(descriptor: int, directory: Path) -> None:
    """What root makes goes to the directory's owner: a command run with sudo must not lock the service out."""
    if os.geteuid() == 0:
        owner = directory.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _overwrite(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    for start in range(0, size, _SHRED_BLOCK):
        os.pwrite(descriptor, bytes(min(_SHRED_BLOCK, size - start)), start)
    os.fsync(descriptor)
