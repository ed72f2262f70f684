"""Where the passphrases of key files come from: files, open descriptors, a person at the terminal. None is kept."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from edge.errors import RefusedError, SettingsError

SHORTEST = 8
_LONGEST = 1024

Ask = Callable[[str], str]


class Passphrases:
    """Those that are known; a person is asked for more only where there is one. Shows nothing of them when printed."""

    def __init__(
        self, known: Sequence[bytes] = (), ask: Ask | None = None, kept: Callable[[], Sequence[bytes]] = tuple
    ) -> None:
        """ask: prints the words and reads a line unseen; None where nobody can be asked.

        kept: reads those that the server keeps, each time anew: keys may be made while it runs.
        """
        self._known = list(known)
        self._ask = ask
        self._kept = kept

    def tries(self, what: str) -> Iterator[bytes]:
        """Passphrases to try on a key file, the known ones first. what: the file, for the person who is asked."""
        yield from (*self._known, *self._kept())
        if self._ask is not None:
            asked = self._ask(f"passphrase of {what}: ").encode()
            self._known.append(asked)
            yield asked

    def new(self, what: str) -> bytes:
        """The passphrase for keys that are about to be made; a person types it twice.

        Raises:
            RefusedError: nobody can be asked, it is too short, or the two differ.
        """
        if self._known:
            return _fit(self._known[0], what)
        if self._ask is None:
            raise RefusedError(f"{what}: no passphrase; name a file with --passphrase-file, or run it at a terminal")
        first, second = self._ask(f"new passphrase of {what}: "), self._ask("the same again: ")
        if first != second:
            raise RefusedError(f"{what}: the two passphrases differ; nothing was made")
        return _fit(first.encode(), what)


def read_passphrase(file: Path) -> bytes:
    """A file's first line.

    Raises:
        SettingsError: it cannot be read, is empty, or others may read it.
    """
    try:
        if file.stat().st_mode & 0o077 and file.is_file() and not _is_credential(file):
            raise SettingsError(f"{file}: others may read this passphrase; chmod 600 {file}")
        with file.open("rb") as opened:
            return _line(opened.read(_LONGEST), str(file))
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}; name a file whose first line is the passphrase") from None


def read_descriptor(descriptor: int) -> bytes:
    """The first line of what an open descriptor gives, as a password manager's pipe does.

    Raises:
        SettingsError: it is not open, or gives nothing.
    """
    try:
        with os.fdopen(os.dup(descriptor), "rb") as opened:
            return _line(opened.readline(_LONGEST), f"descriptor {descriptor}")
    except OSError as error:
        raise SettingsError(f"descriptor {descriptor}: {error.strerror}; open one with N<FILE") from None


def at_terminal() -> Ask | None:
    """Asks the person at the terminal; None where none is."""
    return getpass.getpass if sys.stdin is not None and sys.stdin.isatty() else None


def _is_credential(file: Path) -> bool:
    """Whether it is a credential of systemd's, whose access list shows as group bits."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    return bool(directory) and file.parent == Path(str(directory))


def _line(text: bytes, where: str) -> bytes:
    line = text.splitlines()[0].strip() if text.strip() else b""
    if not line:
        raise SettingsError(f"{where}: its first line must be the passphrase, and is empty")
    return line


def _fit(passphrase: bytes, what: str) -> bytes:
    if len(passphrase) < SHORTEST:
        raise RefusedError(f"{what}: a passphrase has {SHORTEST} characters at least; nothing was made")
    return passphrase
