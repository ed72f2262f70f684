"""Opens what a door keeps on its disk, from its slice of the settings: the template store with its key, and places.

Part of the composition root; what is in the store is `templates.py`'s.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edge.errors import StoreError
from edge.settings.slices import StoreSettings
from edge.store.keys import DeviceKey, key_place, obtain_device_key
from edge.store.receipts import Place
from edge.store.repair import store_exists
from edge.store.templates import TemplateStore
from edge.store.types import StoredPeople


def folder_of(settings: StoreSettings) -> Path:
    """The state folder; `load_settings` has filled it in."""
    if settings.folder is None:
        raise StoreError("no state folder is set; set [store] folder")
    return settings.folder


def store_path(settings: StoreSettings) -> Path:
    """The template store's file."""
    return folder_of(settings) / "people.db"


def outbox_path(settings: StoreSettings) -> Path:
    """The file of events that wait for the broker."""
    return folder_of(settings) / "outbox.db"


def control_path(settings: StoreSettings) -> Path:
    """The socket on which a running daemon takes this machine's commands."""
    return folder_of(settings) / "control.sock"


def open_store(settings: StoreSettings, *, places: Sequence[Place] = ()) -> TemplateStore:
    """The store for writing, made at the first start.

    Raises:
        StoreError: it cannot be opened, or another process has it.
    """
    path = store_path(settings)
    with _explaining(path.parent):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return TemplateStore.open(path, _key(settings), keep_snapshots=settings.snapshots, places=places)


def open_people(settings: StoreSettings) -> StoredPeople:
    """Everybody, read beside a running daemon too; nobody where nothing was stored yet.

    Raises:
        StoreError: it cannot be read.
    """
    if not _is_there(store_path(settings)):
        return StoredPeople({})
    with reading_store(settings) as store:
        return store.load()


def reading_store(settings: StoreSettings) -> TemplateStore:
    """The store for reading alone, beside a running daemon too.

    Raises:
        StoreError: it is not there, or cannot be read.
    """
    path = store_path(settings)
    if not _is_there(path):
        raise StoreError(f"{path}: there is no store yet; enroll somebody first")
    return TemplateStore.open(path, _key(settings), exclusive=False)


def _key(settings: StoreSettings) -> DeviceKey:
    place = key_place(settings.key_file, folder_of(settings), os.environ)
    with _explaining(folder_of(settings)):
        encrypted = store_exists(store_path(settings))  # a snapshot counts: no new key would open it
    return obtain_device_key(place, store_exists=encrypted)


def _is_there(path: Path) -> bool:
    """`Path.exists` raises where this user may not look into the folder, or its name is too long."""
    with _explaining(path.parent):
        return path.exists()


@contextmanager
def _explaining(folder: Path) -> Iterator[None]:
    """What the system says of the state folder, in one line with the way out."""
    try:
        yield
    except OSError as error:
        way_out = "set [store] folder to one that this user can read and write, or be the door's user"
        raise StoreError(f"{folder}: {error.strerror}; {way_out}") from error
