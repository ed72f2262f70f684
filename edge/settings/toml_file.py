"""A TOML file of settings: its text, and its tables as slices. Which slices a program has is its own affair.

Every mistake in a file is named in one line of its own, all of them at once, so that a file is mended in one go.
"""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.errors import SettingsError
from edge.settings.schema import Slice, one_line, read_slice, rows, shown, suggestion

MAX_BYTES = 256 * 1024  # some forty times the example file; a device or an image of a disk is no settings file


def read_slices(text: str, file: Path, slices: Mapping[str, type[Slice]]) -> dict[str, Any]:
    """Each slice from a file's text; relative paths in it start from the file's folder.

    slices: by the name of their section.

    Raises:
        SettingsError: the text cannot be used; one line for each thing that is wrong with it.
    """
    tables = _tables(text, file)
    homes = {row.name: section for section, slice_type in slices.items() for row in rows(section, slice_type)}
    made: dict[str, Any] = {}
    known = tuple(slices)
    problems = [_unknown_section(name, found, known) for name, found in tables.items() if name not in slices]
    for name, slice_type in slices.items():
        made[name], mistakes = read_slice(name, slice_type, tables.get(name, {}), file.parent, homes)
        problems += mistakes
    if problems:
        raise SettingsError("\n".join(f"{file}: {problem}" for problem in problems))
    return made


def text_of(file: Path, way_out: str) -> str:
    """A settings file's text. way_out: what to do where it does not exist.

    Raises:
        SettingsError: it does not exist, cannot be read, or is no text.
    """
    raw = _bytes_of(file, way_out)
    if len(raw) > MAX_BYTES:
        raise SettingsError(f"{file}: is larger than {MAX_BYTES // 1024} KiB; this is no settings file")
    try:
        return raw.decode("utf-8-sig")  # editors of other systems put a byte order mark in front
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: byte {error.start} is not UTF-8; save the file as UTF-8") from error


def _bytes_of(file: Path, way_out: str) -> bytes:
    """At most MAX_BYTES + 1. Opens nothing that is no regular file, since opening a pipe may wait for ever."""
    try:
        if stat.S_ISREG(file.stat().st_mode):
            with file.open("rb") as stream:
                return stream.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise SettingsError(f"{file}: no such file; {way_out}") from error
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


def _unknown_section(name: str, found: object, known: tuple[str, ...]) -> str:
    hint = suggestion(name, known) or "; known are " + ", ".join(known)
    if isinstance(found, dict):
        return f"[{one_line(name)}]: unknown section{hint}"
    return (
        f"{one_line(name)}: found {shown(found)} outside any section; keys belong under a section such as [{known[0]}]"
    )
