"""Finds the settings file, reads it once and checks it whole. What each key may hold is left to `slices.py`.

Every mistake in a file is named in one line of its own, all of them at once, so that a file is mended in one go.
"""

from __future__ import annotations

import os
import re
import socket
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_type_hints

from edge.errors import SettingsError
from edge.settings.schema import Slice, one_line, read_slice, rows, shown, suggestion
from edge.settings.slices import Settings

DEFAULT_FILE = Path("/etc/doorward/doorward.toml")
DEFAULT_FOLDER = Path("/var/lib/doorward")
FILE_VARIABLE = "DOORWARD_SETTINGS"
SLICES: dict[str, type[Slice]] = {
    name: slice_type for name, slice_type in get_type_hints(Settings).items() if name != "source"
}
MAX_BYTES = 256 * 1024  # some forty times the example file; a device or an image of a disk is no settings file


def load_settings(
    path: Path | None = None, *, environ: Mapping[str, str] = os.environ, hostname: str | None = None
) -> Settings:
    """The settings from `path`, else from $DOORWARD_SETTINGS, else from DEFAULT_FILE if it exists, else defaults.

    The door's id, its name and the state folder are always filled in.

    Raises:
        SettingsError: the file cannot be read or used; one line for each thing that is wrong with it.
    """
    file = find_file(path, environ)
    settings = parse_settings(_text_of(file), file) if file else Settings()
    return _complete(settings, environ, hostname if hostname is not None else socket.gethostname())


def find_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The file to read, which may not exist if somebody named it; None for defaults."""
    named = path or (Path(environ[FILE_VARIABLE]) if environ.get(FILE_VARIABLE) else None)
    if named is not None:
        return named.absolute()
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def parse_settings(text: str, file: Path) -> Settings:
    """Settings from a file's text; relative paths in it start from the file's folder.

    Raises:
        SettingsError: see `load_settings`.
    """
    tables = _tables(text, file)
    homes = {row.name: section for section, slice_type in SLICES.items() for row in rows(section, slice_type)}
    slices: dict[str, Any] = {}
    problems = [_unknown_section(name, found) for name, found in tables.items() if name not in SLICES]
    for name, slice_type in SLICES.items():
        slices[name], mistakes = read_slice(name, slice_type, tables.get(name, {}), file.parent, homes)
        problems += mistakes
    if problems:
        raise SettingsError("\n".join(f"{file}: {problem}" for problem in problems))
    return Settings(**slices, source=file)


def door_id_of(hostname: str) -> str:
    """A host name as a door's id: `Front_Door.local` -> `front-door`; `door` where nothing remains."""
    words = re.sub(r"[^a-z0-9]+", "-", hostname.partition(".")[0].lower())
    return words.strip("-")[:32].rstrip("-") or "door"


def _complete(settings: Settings, environ: Mapping[str, str], hostname: str) -> Settings:
    door_id = settings.door.id or door_id_of(hostname)
    state = environ.get("STATE_DIRECTORY", "").partition(":")[0]  # systemd lists several with colons
    return replace(
        settings,
        door=replace(settings.door, id=door_id, name=settings.door.name or door_id),
        store=replace(settings.store, folder=settings.store.folder or (Path(state) if state else DEFAULT_FOLDER)),
    )


def _text_of(file: Path) -> str:
    raw = _bytes_of(file)
    if len(raw) > MAX_BYTES:
        raise SettingsError(f"{file}: is larger than {MAX_BYTES // 1024} KiB; this is no settings file")
    try:
        return raw.decode("utf-8-sig")  # editors of other systems put a byte order mark in front
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: byte {error.start} is not UTF-8; save the file as UTF-8") from error


def _bytes_of(file: Path) -> bytes:
    """At most MAX_BYTES + 1. Opens nothing that is no regular file, since opening a pipe may wait for ever."""
    try:
        if stat.S_ISREG(file.stat().st_mode):
            with file.open("rb") as stream:
                return stream.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise SettingsError(f"{file}: no such file; name another with --settings or ${FILE_VARIABLE}") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingsError(f"{one_line(str(file), 200)}: cannot be read: {reason}") from error
    raise SettingsError(f"{file}: is no regular file; name a TOML file")


def _tables(text: str, file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: not TOML: {one_line(str(error), 120)}") from error
    except (ValueError, RecursionError) as error:
        # What tomllib itself lets through: a number of thousands of digits, or brackets within thousands of brackets.
        raise SettingsError(
            f"{file}: not TOML that can be read: a number is too long, or brackets nest too deep"
        ) from error


def _unknown_section(name: str, found: object) -> str:
    known = tuple(SLICES)
    hint = suggestion(name, known) or "; known are " + ", ".join(known)
    if isinstance(found, dict):
        return f"[{one_line(name)}]: unknown section{hint}"
    return (
        f"{one_line(name)}: found {shown(found)} outside any section; keys belong under a section such as [{known[0]}]"
    )
