"""Whether a door stays with one release, by an operator's word: a small file among the releases, or a setting."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from edge.errors import RefusedError, StoreError
from edge.store.durable import make_directory, write_durably

_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Pin:
    """See the module. Making one touches nothing."""

    def __init__(self, file: Path, setting: str = "") -> None:
        """setting: a release that the settings pin, which no command lifts; empty for none."""
        self._file = file
        self._setting = setting
        self._read: str | None = None
        self._known = False

    @property
    def release(self) -> str | None:
        """The release to stay with; None where the door is free. A file that holds none pins nothing."""
        if self._setting:
            return self._setting
        if not self._known:  # one process alone has it, and asks often
            self._known = True
            with suppress(OSError, UnicodeDecodeError):
                text = self._file.read_text("ascii").strip()
                self._read = text if _RELEASE.fullmatch(text) else None
        return self._read

    def set(self, release: str) -> None:
        """Stay with a release. Durable when it returns.

        Raises:
            RefusedError: it is no id of a release, or the settings pin another.
            StoreError: it cannot be written.
        """
        if not _RELEASE.fullmatch(release):
            raise RefusedError(f"{release!r} is no release; `doorward releases status` shows which is in force")
        if self._setting not in ("", release):
            raise RefusedError(f"the settings pin {self._setting}; change [releases] pin")
        try:
            make_directory(self._file.parent)
            write_durably(self._file, f"{release}\n".encode("ascii"))
        except OSError as error:
            raise StoreError(f"{self._file}: cannot be written ({error.strerror}); nothing is pinned") from error
        self._read, self._known = release, True

    def lift(self) -> None:
        """Be free again; harmless where nothing was pinned.

        Raises:
            RefusedError: the settings pin it.
            StoreError: the file cannot be removed.
        """
        if self._setting:
            raise RefusedError(f"the settings pin {self._setting}; change [releases] pin")
        try:
            self._file.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{self._file}: cannot be removed ({error.strerror}); it stays pinned") from error
        self._read, self._known = None, True
