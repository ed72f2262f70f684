"""From the settings to an open store: which database, and which key. Makes both at the first start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from edge.errors import StoreError
from edge.store.keys import CREDENTIAL, DeviceKey, KeyPlace, create_device_key, read_device_key
from trainer.settings import DEFAULT_FOLDER, StoreSettings
from trainer.store.engine import make_engine, parse_url, shown, sqlite_file
from trainer.store.problems import explaining
from trainer.store.schema import key_id_of
from trainer.store.store import NONE_KNOWN, FleetStore

_KEY_FILE = "fleet.key"


def open_fleet_store(
    settings: StoreSettings,
    environ: Mapping[str, str] = os.environ,
    *,
    make: bool = True,
    dimensions: Mapping[str, int] = NONE_KNOWN,
) -> FleetStore:
    """Open the fleet's store. make: where there is none yet, make it with its key.

    dimensions: of known embedders, see `FleetStore.open`; needed by who takes reports or makes sums.

    Raises:
        SettingsError, StoreError: see `FleetStore.open`; or the key's file is missing, unreadable or open to others.
    """
    if not make and _sealed_with(settings.url) is None:
        where = shown(parse_url(settings.url))
        raise StoreError(f"{where}: no store is there yet; `doorward-trainer ingest` makes one at its first start")
    return FleetStore.open(settings.url, _obtain_key(settings, environ), dimensions=dimensions)


def _obtain_key(settings: StoreSettings, environ: Mapping[str, str]) -> DeviceKey:
    place = _key_place(settings, environ)
    try:
        return read_device_key(place)
    except FileNotFoundError:
        if not place.may_create:
            raise StoreError(
                f"{place.path}: the key file is not there: put it there, or leave [store] key_file out to have one made"
            ) from None
    sealed_with = _sealed_with(settings.url)
    if sealed_with is not None:
        raise StoreError(
            f"{place.path}: the key {sealed_with} of an existing store is missing: put its file back from a backup, "
            "copy it from where the store was made, or name another database in [store] url"
        )
    try:
        return create_device_key(place.path)
    except StoreError:
        if not place.path.exists():
            raise
        return read_device_key(place)  # another worker made it in the meantime


def _key_place(settings: StoreSettings, environ: Mapping[str, str]) -> KeyPlace:
    """The settings' path, else systemd's credential, else a file in the state folder."""
    if settings.key_file is not None:
        return KeyPlace(settings.key_file, may_create=False, ours=True)
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if directory and (Path(directory) / CREDENTIAL).exists():
        return KeyPlace(Path(directory) / CREDENTIAL, may_create=False, ours=False)
    return KeyPlace((settings.folder or DEFAULT_FOLDER) / _KEY_FILE, may_create=True, ours=True)


def _sealed_with(address: str) -> str | None:
    """The id of the key of the store that is there already."""
    url = parse_url(address)
    file = sqlite_file(url)
    if file is not None and not (file.exists() and file.stat().st_size):
        return None
    engine = make_engine(url)
    try:
        with explaining(shown(url), "opening the store"):
            return key_id_of(engine)
    finally:
        engine.dispose()
