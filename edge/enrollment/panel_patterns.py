"""What the panel shows and sounds: one table of patterns. Drives no pin; `adapters/player.py` plays them.

A door may have three LED colours, two, one, or none, and a buzzer or none. So each pattern can be told by its rhythm
alone, without seeing colours; a refusal counts its class out in blinks.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

PatternName = Literal[
    "idle",
    "looking",
    "hint_face",
    "hint_light",
    "shot_taken",
    "refused_face",
    "refused_light",
    "refused_policy",
    "refused_store",
    "refused_known",
    "cancelled",
    "done",
    "ask_undo",
    "undone",
    "camera_lost",
    "degraded",
]
NAMES: tuple[PatternName, ...] = get_args(PatternName)

Channel = Literal["red", "green", "blue"]
Colour = Literal["off", "red", "green", "blue", "yellow", "white"]

_CHANNELS: dict[Colour, tuple[Channel, ...]] = {
    "off": (),
    "red": ("red",),
    "green": ("green",),
    "blue": ("blue",),
    "yellow": ("red", "green"),
    "white": ("red", "green", "blue"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """seconds: how long it lasts. colour: of the LED. buzzer: whether it sounds."""

    seconds: float
    colour: Colour
    buzzer: bool = False


@dataclass(frozen=True, slots=True)
class Pattern:
    """words: the same for a terminal or a log. repeats: goes on until another does; otherwise played once."""

    words: str
    steps: tuple[Step, ...]
    repeats: bool = False

    @property
    def seconds(self) -> float:
        """How long playing it once takes."""
        return sum(step.seconds for step in self.steps)


def base_pattern(session: PatternName, *, camera_lost: bool, degraded: bool) -> PatternName:
    """What goes on showing: a lost camera before all else, then the session, then other trouble.

    session: the session's own repeating pattern, `idle` when none is going on.
    """
    if camera_lost:
        return "camera_lost"
    return "degraded" if degraded and session == "idle" else session


def lit(colour: Colour, there: Collection[Channel]) -> frozenset[Channel]:
    """Which of the LEDs that are there shine for a colour; for one that they cannot make, all of them do."""
    wanted = _CHANNELS[colour]
    found = frozenset(wanted).intersection(there)
    return found if found or not wanted else frozenset(there)


def _blinks(count: int, colour: Colour, pause_s: float) -> tuple[Step, ...]:
    """Short silent flashes, then dark."""
    flashes = (Step(0.12, colour), Step(0.18, "off")) * count
    return (*flashes, Step(pause_s, "off"))


def _refusal(blinks: int) -> tuple[Step, ...]:
    """A long tone, then as many short ones as the class has in the table."""
    return (Step(0.6, "red", True), Step(0.4, "off"), *((Step(0.15, "red", True), Step(0.25, "off")) * blinks))


PATTERNS: dict[PatternName, Pattern] = {
    "idle": Pattern("ready", (Step(60.0, "off"),), repeats=True),
    "looking": Pattern("looking for a face to enroll", (Step(0.5, "blue"), Step(0.5, "off")), repeats=True),
    "hint_face": Pattern("stand otherwise: see the message", _blinks(2, "yellow", 0.6), repeats=True),
    "hint_light": Pattern("the light is not good enough", _blinks(3, "yellow", 0.6), repeats=True),
    "ask_undo": Pattern(
        "undo the last enrollment? hold again to do it, press to leave it",
        (Step(0.1, "yellow", True), Step(0.1, "off"), *((Step(0.1, "yellow"), Step(0.1, "off")) * 4)),
        repeats=True,
    ),
    "camera_lost": Pattern("the camera gives no picture", (Step(0.1, "red"), Step(1.9, "off")), repeats=True),
    "degraded": Pattern(
        "working, with something in trouble: see the log", (Step(4.5, "off"), Step(0.3, "yellow")), True
    ),
    "shot_taken": Pattern("picture taken", (Step(0.1, "white", True), Step(0.15, "off"))),
    "done": Pattern("enrolled", (Step(0.3, "green", True), Step(0.1, "off"), Step(1.6, "green"), Step(0.2, "off"))),
    "undone": Pattern("undone", (Step(0.4, "yellow", True), Step(0.2, "off")) * 2),
    "cancelled": Pattern("cancelled", (Step(0.25, "yellow", True), Step(0.2, "off"))),
    "refused_face": Pattern("refused: stand otherwise", _refusal(1)),
    "refused_light": Pattern("refused: the light", _refusal(2)),
    "refused_policy": Pattern("refused: not allowed now", _refusal(3)),
    "refused_store": Pattern("refused: the door is in trouble", _refusal(4)),
    "refused_known": Pattern("refused: enrolled already", _refusal(5)),
}
