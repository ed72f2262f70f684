"""The trainer's settings: one table of keys, read from a TOML file as a door's are; each part takes its own slice.

`python -m trainer.settings` prints the page that is kept as `docs/trainer-settings.md`; with `example` the file that is
kept as `deploy/trainer.toml`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal, get_type_hints

from edge.settings.schema import Key, Slice
from edge.settings.slices import LogSettings
from edge.settings.text import example_toml, settings_markdown
from edge.settings.toml_file import read_slices, text_of
from trainer.releases.rings import FORM as RING_FORM
from trainer.releases.rings import Rings
from trainer.schedule import FORMS, Schedule

DEFAULT_FILE = Path("/etc/doorward/trainer.toml")
DEFAULT_FOLDER = Path("var/trainer")
FILE_VARIABLE = "DOORWARD_TRAINER_SETTINGS"
_WAY_OUT = f"name another with --settings or ${FILE_VARIABLE}"
_NAME = {"pattern": "[A-Za-z0-9_-]{1,48}", "pattern_words": "1 to 48 of a-z, A-Z, 0-9, _ and -"}


@dataclass(frozen=True, slots=True)
class StoreSettings(Slice):
    """Where the trainer keeps what doors report."""

    folder: Annotated[
        Path | None,
        Key("State folder; without it $STATE_DIRECTORY, or else ./var/trainer", example="/var/lib/doorward-trainer"),
    ] = None
    url: Annotated[
        str,
        Key(
            "Database: sqlite:///FILE, or postgresql://USER@HOST/DATABASE, whose password is best kept in ~/.pgpass; "
            "empty is fleet.db in the state folder",
            max_chars=1000,
            example="postgresql://doorward@localhost/doorward",
        ),
    ] = ""
    key_file: Annotated[
        Path | None,
        Key(
            "File with the key that encrypts the store; without it one is made in the state folder. Every worker and "
            "the refresh need the same one",
            example="/etc/doorward/fleet.key",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class MqttSettings(Slice):
    """The way to the broker. TLS is used when ca_file is set."""

    host: Annotated[
        str,
        Key("Name or address of the broker", pattern=r"[A-Za-z0-9_.:%-]+", pattern_words="a host name or an address"),
    ] = "localhost"
    port: Annotated[int, Key("Port of the broker; 8883 is usual with TLS", low=1, high=65535)] = 1883
    base: Annotated[
        str,
        Key(
            "First part of every topic, as the doors have it",
            pattern=r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*",
            pattern_words="a-z, A-Z, 0-9, _ and -, parted by /",
            max_chars=64,
        ),
    ] = "doorward"
    username: Annotated[str, Key("User name for the broker; empty sends none", max_chars=128, example="trainer")] = ""
    password_file: Annotated[
        Path | None, Key("File whose first line is the password", example="/etc/doorward/trainer.password")
    ] = None
    ca_file: Annotated[
        Path | None,
        Key("Certificates that the broker's is checked against; turns TLS on", example="/etc/doorward/ca.crt"),
    ] = None
    cert_file: Annotated[Path | None, Key("The trainer's own certificate", example="/etc/doorward/trainer.crt")] = None
    key_file: Annotated[Path | None, Key("The key to cert_file", example="/etc/doorward/trainer.key")] = None
    keepalive_s: Annotated[
        int, Key("After so long without a message the broker is asked whether it is there", unit="s", low=5, high=600)
    ] = 30
    client_id: Annotated[str, Key("What the broker knows a worker by; --worker NAME adds a name to it", **_NAME)] = (
        "doorward-trainer"
    )
    group: Annotated[str, Key("Workers that share the doors' messages among them have the same group", **_NAME)] = (
        "trainer"
    )
    acknowledge_as: Annotated[
        str, Key("By which name messages are acknowledged; what doors have as mqtt.acknowledged_by", **_NAME)
    ] = "trainer"
    session_hours: Annotated[
        int,
        Key(
            "So long the broker keeps messages for a worker that is away; also those that it shared out to a worker "
            "that never comes back, and doors send theirs again before",
            unit="h",
            low=0,
            high=720,
        ),
    ] = 24
    max_message_mb: Annotated[
        int,
        Key(
            "Larger messages are kept back by the broker, without a word; twenty may be in memory at once",
            unit="MB",
            low=1,
            high=256,
        ),
    ] = 16

    def conflicts(self) -> Iterator[tuple[str, str]]:
        if self.password_file is not None and not self.username:
            yield "password_file", "is set without username; set that too"
        if (self.cert_file is None) != (self.key_file is None):
            lone = "cert_file" if self.cert_file is not None else "key_file"
            yield lone, "is set alone; set cert_file and key_file, or neither"
        if self.cert_file is not None and self.ca_file is None:
            yield "cert_file", "is set without ca_file; a certificate of the trainer's own needs TLS"


@dataclass(frozen=True, slots=True)
class IngestSettings(Slice):
    """How messages get into the store."""

    batch: Annotated[
        int, Key("Messages of one transaction at most; the broker has no more than 20 under way", low=1, high=1000)
    ] = 20
    wait_ms: Annotated[int, Key("A transaction waits so long for more messages", unit="ms", low=0, high=10_000)] = 50


@dataclass(frozen=True, slots=True)
class RefreshSettings(Slice):
    """When a new head is learned from the store."""

    schedule: Annotated[str, Key(f"{FORMS}; local time", max_chars=32)] = "off"
    embedder: Annotated[
        str, Key("Whose enrollments it is learned from, by name; empty is the default embedder", max_chars=64)
    ] = ""
    target_fpir: Annotated[
        float, Key("Strangers taken for somebody that a head is judged by; as the doors have it", low=1e-4, high=0.1)
    ] = 0.01
    challenger: Annotated[
        Literal["off", "one", "mirrored", "workers"],
        Key(
            "Also train a head by gradient and let the gate decide: on one device, on all of this machine, or with the "
            "workers that $TF_CONFIG names"
        ),
    ] = "off"

    def conflicts(self) -> Iterator[tuple[str, str]]:
        try:
            Schedule.parse(self.schedule)
        except ValueError as error:
            yield "schedule", str(error)


@dataclass(frozen=True, slots=True)
class GateSettings(Slice):
    """What a new head must keep to, against the one in use."""

    data: Annotated[
        Path | None,
        Key("Folder with pictures of strangers to judge by, besides the fleet's own people", example="/srv/faces"),
    ] = None
    clean_worse: Annotated[float, Key("Of people by day this share more may be missed", low=0, high=1)] = 0.002
    realised_fpir: Annotated[
        float,
        Key(
            "Strangers taken for somebody, as a multiple of what is aimed at; up to twice as many where the factory "
            "head takes more than that too",
            low=1,
            high=10,
        ),
    ] = 1.3
    flips: Annotated[
        float, Key("Of pictures by day that are recognized now, this share may be lost", low=0, high=1)
    ] = 0.005
    max_kib: Annotated[int, Key("Size of the head's file", unit="KiB", low=1, high=65_536)] = 1024


@dataclass(frozen=True, slots=True)
class ReleasesSettings(Slice):
    """How a head gets from here to the doors: who signs it, and which doors get it when."""

    mode: Annotated[
        Literal["approve", "auto"],
        Key(
            "approve: somebody signs each head; auto: what the gate lets through is signed and published by itself, "
            "with the key of heads that the trainer then holds"
        ),
    ] = "approve"
    keys: Annotated[
        Path | None,
        Key(
            "Folder with the keys that this server signs with by itself; without it a folder in the state folder",
            example="/etc/doorward/keys",
        ),
    ] = None
    passphrase_file: Annotated[
        Path | None,
        Key(
            "File whose first line is the passphrase of those keys; without it one beside them",
            example="/run/credentials/doorward-trainer.service/releases",
        ),
    ] = None
    rings: Annotated[str, Key(f"Who gets a release when: {RING_FORM}", max_chars=4000)] = "10%, rest"
    success: Annotated[
        float, Key("The next ring follows when this share of the doors that are done succeeded", low=0.5, high=1)
    ] = 0.98
    least: Annotated[
        int, Key("So many doors of a ring must be done; of a smaller ring all", unit="doors", low=1, high=10_000)
    ] = 20
    wait_hours: Annotated[
        float, Key("A success counts for the next ring when it has lasted so long", unit="h", low=0, high=1000)
    ] = 24.0
    absent_hours: Annotated[
        float, Key("A door that was not heard of for so long is not waited for", unit="h", low=0.01, high=1000)
    ] = 24.0
    spread_s: Annotated[
        int, Key("Doors that are told at once begin at times spread over so long", unit="s", low=0, high=604_800)
    ] = 600
    max_rss_mb: Annotated[int, Key("Memory that a release may take at a door", unit="MB", low=1, high=65_536)] = 256
    root_days: Annotated[int, Key("Signatures of root hold so long", unit="days", low=1, high=3650)] = 365
    targets_days: Annotated[int, Key("Those of the targets role", unit="days", low=1, high=3650)] = 182
    heads_days: Annotated[int, Key("Those of the heads role", unit="days", low=1, high=3650)] = 91
    online_days: Annotated[
        int, Key("Those of snapshot and timestamp, which are renewed by themselves", unit="days", low=1, high=365)
    ] = 7

    def conflicts(self) -> Iterator[tuple[str, str]]:
        try:
            Rings.parse(self.rings)
        except ValueError as error:
            yield "rings", str(error)


@dataclass(frozen=True, slots=True)
class EventsSettings(Slice):
    """How long figures of events are kept."""

    retention_days: Annotated[
        int,
        Key(
            "Figures of events, and messages that were set aside, are deleted after so long; 0 never",
            unit="days",
            low=0,
            high=3650,
        ),
    ] = 90


@dataclass(frozen=True, slots=True)
class TrainerSettings:
    """All slices. source: the file they came from; None when all are defaults."""

    store: StoreSettings = field(default_factory=StoreSettings)
    mqtt: MqttSettings = field(default_factory=MqttSettings)
    ingest: IngestSettings = field(default_factory=IngestSettings)
    refresh: RefreshSettings = field(default_factory=RefreshSettings)
    gate: GateSettings = field(default_factory=GateSettings)
    releases: ReleasesSettings = field(default_factory=ReleasesSettings)
    events: EventsSettings = field(default_factory=EventsSettings)
    log: LogSettings = field(default_factory=LogSettings)
    source: Path | None = None


SLICES: dict[str, type[Slice]] = {
    name: slice_type for name, slice_type in get_type_hints(TrainerSettings).items() if name != "source"
}
_HEAD = (
    "# Settings of the trainer",
    "",
    f"The trainer reads one TOML file: the one named by `--settings`, else by `${FILE_VARIABLE}`, else",
    f"`{DEFAULT_FILE}` if there is one. Every key may be left out. A mistake is named in one line with its file, its",
    "key, what was found and what is allowed. Relative paths start from the folder of the file.",
)


def load_trainer_settings(path: Path | None = None, *, environ: Mapping[str, str] = os.environ) -> TrainerSettings:
    """The settings from `path`, else from FILE_VARIABLE's file, else from DEFAULT_FILE if it exists, else defaults.

    The state folder and the store's address are always filled in.

    Raises:
        SettingsError: the file cannot be read or used; one line for each thing that is wrong with it.
    """
    file = _find_file(path, environ)
    settings = parse_trainer_settings(text_of(file, _WAY_OUT), file) if file else TrainerSettings()
    state = environ.get("STATE_DIRECTORY", "").partition(":")[0]  # systemd lists several with colons
    folder = settings.store.folder or (Path(state) if state else DEFAULT_FOLDER.absolute())
    url = settings.store.url or f"sqlite:///{folder / 'fleet.db'}"
    return replace(settings, store=replace(settings.store, folder=folder, url=url))


def parse_trainer_settings(text: str, file: Path) -> TrainerSettings:
    """Settings from a file's text; relative paths in it start from the file's folder.

    Raises:
        SettingsError: see `load_trainer_settings`.
    """
    return TrainerSettings(**read_slices(text, file, SLICES), source=file)


def trainer_example_toml() -> str:
    """A settings file that changes nothing; every key is there, commented out."""
    return example_toml(SLICES, "the Doorward trainer")


def trainer_settings_markdown() -> str:
    """The page `docs/trainer-settings.md`."""
    return settings_markdown(SLICES, _HEAD)


def _find_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    named = path or (Path(environ[FILE_VARIABLE]) if environ.get(FILE_VARIABLE) else None)
    if named is not None:
        return named.absolute()
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


if __name__ == "__main__":
    print(trainer_example_toml() if sys.argv[1:] == ["example"] else trainer_settings_markdown(), end="")
