"""The table of a door's settings: one frozen slice per component, each key with its meaning, unit, bounds and default.

Checks, example file and documentation are all made from this table. Secrets are never here: keys name the files that
hold them. Components receive their own slice only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from edge.settings.schema import Key, Slice

_PINS = {"low": 2, "high": 27, "unit": "BCM number"}  # GPIO 0 and 1 belong to the EEPROM of an add-on board


@dataclass(frozen=True, slots=True)
class DoorSettings(Slice):
    """Who this door is."""

    id: Annotated[
        str,
        Key(
            "Name of this door in topics and events, unlike that of any other door; empty takes the host name",
            pattern="[a-z0-9-]{0,32}",
            pattern_words="1 to 32 of a-z, 0-9 and -",
        ),
    ] = ""
    site: Annotated[
        str,
        Key(
            "Doors of one site share the people that they know",
            pattern="[a-z0-9-]{1,32}",
            pattern_words="1 to 32 of a-z, 0-9 and -",
        ),
    ] = "home"
    name: Annotated[str, Key("What people call this door; empty takes its id", max_chars=64)] = ""


@dataclass(frozen=True, slots=True)
class CameraSettings(Slice):
    """Where the pictures come from."""

    url: Annotated[
        str,
        Key(
            "picamera:N for a Raspberry Pi camera, v4l2:/dev/videoN for a webcam, rtsp://… for a network camera, "
            "file:FILM, folder:PICTURES, or walkup:PICTURE for a person walking up, made from it",
            pattern=".+",
            pattern_words="text that is not empty",
        ),
    ] = "picamera:0"
    width: Annotated[int, Key("Width of the pictures asked for; even", unit="px", low=160, high=3840)] = 1280
    height: Annotated[int, Key("Height of the pictures asked for; even", unit="px", low=120, high=2160)] = 960
    fps: Annotated[float, Key("Pictures that are looked at in a second, at most", unit="1/s", low=0.5, high=60)] = 10.0
    rotate: Annotated[
        Literal[0, 90, 180, 270],
        Key("Turn the pictures clockwise, for a camera that is mounted turned", unit="degrees"),
    ] = 0
    mirror: Annotated[bool, Key("Swap left and right after the turn")] = False
    timeout_s: Annotated[
        float, Key("A camera that gives no picture for so long is opened again", unit="s", low=1, high=120)
    ] = 5.0
    reopen_failures_before_exit: Annotated[
        int,
        Key(
            "After so many failures to open the camera in a row the daemon ends, to be started afresh; 0 never ends it",
            low=0,
            high=1000,
        ),
    ] = 10

    def conflicts(self) -> Iterator[tuple[str, str]]:
        for name in ("width", "height"):
            if getattr(self, name) % 2:
                yield name, f"found {getattr(self, name)}, must be even, as most cameras' pixels come in twos"


@dataclass(frozen=True, slots=True)
class RecognitionSettings(Slice):
    """Which models look at a picture, and when a picture is good enough to tell."""

    embedder: Annotated[
        str,
        Key(
            "Embedder from the model manifest; empty takes the manifest's default",
            pattern="[a-z0-9_]{0,64}",
            pattern_words="a-z, 0-9 and _",
        ),
    ] = ""
    detector: Annotated[
        str,
        Key(
            "Detector from the model manifest; empty takes the manifest's default",
            pattern="[a-z0-9_]{0,64}",
            pattern_words="a-z, 0-9 and _",
        ),
    ] = ""
    scoring: Annotated[
        Literal["plda", "cosine"],
        Key(
            "plda: the learned head, which knows how much a person's pictures differ and what a poor one is worth; "
            "cosine: for an embedder of your own without a head",
        ),
    ] = "plda"
    threads: Annotated[int, Key("Processor cores that the models may use", low=1, high=4)] = 1
    target_fpir: Annotated[
        float,
        Key(
            "Share of strangers that may be taken for somebody known; with a smaller one, known people are missed more",
            low=0.001,
            high=0.2,
        ),
    ] = 0.01
    max_faces: Annotated[int, Key("Faces of one picture that are looked at, the largest first", low=1, high=16)] = 8
    min_presence: Annotated[
        float, Key("The mesh's own probability that a face is there, from which it is believed", low=0, high=1)
    ] = 0.97
    min_face_px: Annotated[float, Key("Narrower faces are too small to tell", unit="px", low=16, high=400)] = 40.0
    min_sharpness: Annotated[
        float,
        Key(
            "Variance of the Laplacian of the aligned face, brought to one contrast, below which it is blurred",
            low=0,
            high=10000,
        ),
    ] = 20.0
    min_brightness: Annotated[
        float,
        Key("Mean grey level of the aligned face, below which it is too dark", unit="grey levels", low=0, high=255),
    ] = 15.0
    max_brightness: Annotated[
        float,
        Key("Mean grey level of the aligned face, above which it is too bright", unit="grey levels", low=0, high=255),
    ] = 225.0
    max_away_deg: Annotated[
        float, Key("Faces that are turned further from the camera are not told", unit="degrees", low=5, high=90)
    ] = 40.0

    def conflicts(self) -> Iterator[tuple[str, str]]:
        if self.min_brightness >= self.max_brightness:
            yield (
                "min_brightness",
                f"found {self.min_brightness:g}, must be below max_brightness, which is {self.max_brightness:g}",
            )


@dataclass(frozen=True, slots=True)
class PresenceSettings(Slice):
    """When somebody is there, and when a visit ends."""

    visit_end_s: Annotated[
        float, Key("A visit ends when its person was not seen for so long", unit="s", low=0.5, high=120)
    ] = 3.0
    decide_after_frames: Annotated[
        int, Key("Pictures of one visit after which it is told who came", low=1, high=30)
    ] = 3
    decide_within_s: Annotated[
        float,
        Key(
            "It is told after so long at the latest, provisionally if there were fewer pictures",
            unit="s",
            low=0.2,
            high=10,
        ),
    ] = 0.8
    stranger_memory_h: Annotated[
        float,
        Key(
            "A stranger who returns within this time keeps the same id; kept in memory only, 0 forgets at once",
            unit="h",
            low=0,
            high=168,
        ),
    ] = 24.0


@dataclass(frozen=True, slots=True)
class EnrollmentSettings(Slice):
    """Who may add a person, and how."""

    policy: Annotated[
        Literal["open", "window", "sponsor"],
        Key(
            "open: whoever presses the button; window: only while an operator has opened one; "
            "sponsor: only soon after somebody verified was recognized"
        ),
    ] = "open"
    shots: Annotated[int, Key("Good pictures that an enrollment takes", low=3, high=5)] = 4
    timeout_s: Annotated[
        float, Key("An enrollment that is not complete after so long is given up", unit="s", low=5, high=120)
    ] = 20.0
    min_interval_s: Annotated[
        float, Key("Time between two pictures, so that they differ", unit="s", low=0.1, high=5)
    ] = 0.4
    night: Annotated[
        Literal["provisional", "refuse"],
        Key(
            "What poor pictures are good for: provisional enrolls from them, until better ones take their place; "
            "refuse says why not"
        ),
    ] = "provisional"
    sponsor_within_s: Annotated[
        float, Key("With policy sponsor: how long ago the sponsor may have been recognized", unit="s", low=5, high=3600)
    ] = 60.0

    def conflicts(self) -> Iterator[tuple[str, str]]:
        shortest = self.min_interval_s * (self.shots - 1)
        if shortest >= self.timeout_s:
            yield (
                "timeout_s",
                f"found {self.timeout_s:g}, must be above {shortest:g}, the least that {self.shots} shots take",
            )


@dataclass(frozen=True, slots=True)
class PanelSettings(Slice):
    """What is wired to the pins of a Raspberry Pi. A key that is left out means that there is none."""

    button_pin: Annotated[int | None, Key("Push button to ground", example=17, **_PINS)] = None
    green_led_pin: Annotated[int | None, Key("Green LED", example=22, **_PINS)] = None
    red_led_pin: Annotated[int | None, Key("Red LED", example=27, **_PINS)] = None
    blue_led_pin: Annotated[int | None, Key("Blue LED", example=24, **_PINS)] = None
    leds_to_plus: Annotated[bool, Key("The LEDs share their plus side, as an RGB LED with a common anode")] = False
    buzzer_pin: Annotated[int | None, Key("Active buzzer", example=23, **_PINS)] = None

    def conflicts(self) -> Iterator[tuple[str, str]]:
        taken: dict[int, str] = {}
        for name in ("button_pin", "green_led_pin", "red_led_pin", "blue_led_pin", "buzzer_pin"):
            pin = getattr(self, name)
            if pin in taken:
                yield name, f"found {pin}, which {taken[pin]} has already"
            elif pin is not None:
                taken[pin] = name


@dataclass(frozen=True, slots=True)
class StoreSettings(Slice):
    """Where the door keeps what it knows, and for how long."""

    folder: Annotated[
        Path | None,
        Key("State folder; without it $STATE_DIRECTORY, or else /var/lib/doorward", example="/var/lib/doorward"),
    ] = None
    key_file: Annotated[
        Path | None,
        Key(
            "File with the key that encrypts the templates; without it one is made in the state folder",
            example="/etc/doorward/store.key",
        ),
    ] = None
    snapshots: Annotated[
        int, Key("Snapshots of the store that are kept, to restore from when it is damaged", low=1, high=100)
    ] = 7
    retention_days: Annotated[
        int, Key("People who were not seen for so long are due; 0 never", unit="days", low=0, high=3650)
    ] = 0
    retention_action: Annotated[Literal["list", "erase"], Key("list: report who is due; erase: erase them")] = "list"


@dataclass(frozen=True, slots=True)
class MqttSettings(Slice):
    """The way to the broker. TLS is used when ca_file is set."""

    enabled: Annotated[
        bool, Key("Talk to a broker at all; without one the door recognizes and enrolls all the same")
    ] = True
    host: Annotated[
        str,
        Key("Name or address of the broker", pattern=r"[A-Za-z0-9_.:%-]+", pattern_words="a host name or an address"),
    ] = "localhost"
    port: Annotated[int, Key("Port of the broker; 8883 is usual with TLS", low=1, high=65535)] = 1883
    protocol: Annotated[Literal["5", "3.1.1"], Key("Version of MQTT")] = "5"
    base: Annotated[
        str,
        Key(
            "First part of every topic",
            pattern=r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*",
            pattern_words="a-z, A-Z, 0-9, _ and -, parted by /",
            max_chars=64,
        ),
    ] = "doorward"
    username: Annotated[str, Key("User name for the broker; empty sends none", max_chars=128, example="front-door")] = (
        ""
    )
    password_file: Annotated[
        Path | None, Key("File whose first line is the password", example="/etc/doorward/mqtt.password")
    ] = None
    ca_file: Annotated[
        Path | None,
        Key("Certificates that the broker's is checked against; turns TLS on", example="/etc/doorward/ca.crt"),
    ] = None
    cert_file: Annotated[Path | None, Key("This door's own certificate", example="/etc/doorward/door.crt")] = None
    key_file: Annotated[Path | None, Key("The key to cert_file", example="/etc/doorward/door.key")] = None
    keepalive_s: Annotated[
        int, Key("After so long without a message the broker is asked whether it is there", unit="s", low=5, high=600)
    ] = 30
    acknowledged_by: Annotated[
        str,
        Key(
            "Receiver whose acknowledgement lets an event go; until then it is kept and sent again. Empty: "
            "the broker's suffices, and what the broker loses is lost",
            pattern="[A-Za-z0-9_-]{0,64}",
            pattern_words="up to 64 of a-z, A-Z, 0-9, _ and -",
        ),
    ] = ""
    publish_names: Annotated[
        bool,
        Key("Write people's names into events, which is what most receivers are there for; false sends ids only"),
    ] = True

    def conflicts(self) -> Iterator[tuple[str, str]]:
        if self.password_file is not None and not self.username:
            yield "password_file", "is set without username; set that too"
        if (self.cert_file is None) != (self.key_file is None):
            lone = "cert_file" if self.cert_file is not None else "key_file"
            yield lone, "is set alone; set cert_file and key_file, or neither"
        if self.cert_file is not None and self.ca_file is None:
            yield "cert_file", "is set without ca_file; a certificate of the door's own needs TLS"


@dataclass(frozen=True, slots=True)
class FleetSettings(Slice):
    """What this door tells the trainer of those whom it enrolled. Needs MQTT."""

    share: Annotated[
        bool,
        Key(
            "Send the embeddings of everybody enrolled here, without names or pictures, to the trainer, which learns "
            "better heads from them; what was sent is taken back when somebody is erased, also with false"
        ),
    ] = False


@dataclass(frozen=True, slots=True)
class ReleasesSettings(Slice):
    """How signed heads that the trainer publishes get into force here. Needs MQTT and the learned head."""

    enabled: Annotated[
        bool,
        Key("Fetch, try on and put in force what is announced; false takes only what an operator asks for"),
    ] = False
    root_file: Annotated[
        Path | None,
        Key("Root metadata of the keys to trust; taken once, before the first", example="/etc/doorward/root.json"),
    ] = None
    trial_minutes: Annotated[
        float, Key("A new head is on trial for so long at least", unit="min", low=1, high=10080)
    ] = 60.0
    trial_visits: Annotated[
        int, Key("Visits that it has to see in its trial; where so many do not come, a day is enough", low=1, high=64)
    ] = 10
    jitter_minutes: Annotated[
        float,
        Key(
            "A random time up to so long passes first, so that not all doors ask at once", unit="min", low=0, high=1440
        ),
    ] = 10.0
    pin: Annotated[
        str,
        Key(
            "Stay with this release, whatever is announced; empty takes what comes",
            pattern=r"([A-Za-z0-9][A-Za-z0-9_.-]{0,63})?",
            pattern_words="a release's id",
        ),
    ] = ""


@dataclass(frozen=True, slots=True)
class LogSettings(Slice):
    """What the daemon says about itself."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Key("Least serious lines that are written")] = "info"
    format: Annotated[Literal["text", "json"], Key("text for people, json for machines; one line each")] = "text"


@dataclass(frozen=True, slots=True)
class Settings:
    """All slices. source: the file they came from; None when all are defaults."""

    door: DoorSettings = field(default_factory=DoorSettings)
    camera: CameraSettings = field(default_factory=CameraSettings)
    recognition: RecognitionSettings = field(default_factory=RecognitionSettings)
    presence: PresenceSettings = field(default_factory=PresenceSettings)
    enrollment: EnrollmentSettings = field(default_factory=EnrollmentSettings)
    panel: PanelSettings = field(default_factory=PanelSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    mqtt: MqttSettings = field(default_factory=MqttSettings)
    fleet: FleetSettings = field(default_factory=FleetSettings)
    releases: ReleasesSettings = field(default_factory=ReleasesSettings)
    log: LogSettings = field(default_factory=LogSettings)
    source: Path | None = None
