"""Finds a door's settings file, reads it once and checks it whole. What each key may hold is left to `slices.py`.

How a file becomes slices is left to `toml_file.py`.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import get_type_hints

from edge.settings.schema import Slice
from edge.settings.slices import Settings
from edge.settings.toml_file import read_slices, text_of

DEFAULT_FILE = Path("/etc/doorward/doorward.toml")
DEFAULT_FOLDER = Path("/var/lib/doorward")
FILE_VARIABLE = "DOORWARD_SETTINGS"
SLICES: dict[str, type[Slice]] = {
    name: slice_type for name, slice_type in get_type_hints(Settings).items() if name != "source"
}
_WAY_OUT = f"name another with --settings or ${FILE_VARIABLE}"


def load_settings(
    path: Path | None = None, *, environ: Mapping[str, str] = os.environ, hostname: str | None = None
) -> Settings:
    """The settings from `path`, else from $DOORWARD_SETTINGS, else from DEFAULT_FILE if it exists, else defaults.

    The door's id, its name and the state folder are always filled in.

    Raises:
        SettingsError: the file cannot be read or used; one line for each thing that is wrong with it.
    """
    file = find_file(path, environ)
    settings = parse_settings(text_of(file, _WAY_OUT), file) if file else Settings()
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
    return Settings(**read_slices(text, file, SLICES), source=file)


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
