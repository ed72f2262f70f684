"""The demonstration's script: who walks up when, at which visits the enroll key is pressed, and what must come of it.

Pure. It watches events like anybody else and never tells the recognizer who is who.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.contract.messages import RecognitionEvent

PICTURES = Path(__file__).parent / "pictures"
# Near enough that an enrollment takes the picture, see `recognition/shots.py`.
_NEAR_PX = 80.0


@dataclass(frozen=True, slots=True)
class Scene:
    """One visit.

    picture: who walks up, below `pictures/`. title: for the reader.
    name: what the operator calls them once they are enrolled, where the enroll key is pressed; None where it is not.
    expected: the outcome that the visit must end with, with the name for somebody known.
    """

    picture: str
    title: str
    name: str | None
    expected: tuple[Literal["known", "stranger"], str | None]

    @property
    def path(self) -> Path:
        return PICTURES / self.picture


STORY: tuple[Scene, ...] = (
    Scene("obama.jpg", "somebody new; the enroll key is pressed", "Barack", ("known", "Barack")),
    Scene("biden.jpg", "another one; the enroll key is pressed", "Joe", ("known", "Joe")),
    Scene("obama2.jpg", "the first one comes back, years older in this picture", None, ("known", "Barack")),
    Scene("astronaut.jpg", "somebody whom nobody enrolled", None, ("stranger", None)),
    Scene("obama3.jpg", "and once more, in a third picture", None, ("known", "Barack")),
)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a visit ended, beside what was expected of it."""

    scene: Scene
    outcome: str
    name: str | None

    @property
    def right(self) -> bool:
        return (self.outcome, self.name) == self.scene.expected


class Director:
    """Follows the story by the events and says when to press the key and whom to name."""

    def __init__(self, story: Sequence[Scene]) -> None:
        self._story = story
        self._started = 0
        self._pressed: set[int] = set()
        self.ended: list[Ended] = []
        self.heard = 0

    @property
    def scene(self) -> Scene | None:
        """The scene that plays now, from the start of its visit; None before the first."""
        return self._story[self._started - 1] if 0 < self._started <= len(self._story) else None

    def saw(self, event: RecognitionEvent) -> None:
        """Take note of an event as it came over the broker."""
        if event.phase == "started":
            self._started += 1
        elif event.phase == "ended" and self.scene is not None:
            self.ended.append(Ended(self.scene, event.outcome, event.name))
        self.heard += 1

    def presses_now(self, face_width_px: float) -> bool:
        """Whether somebody at the door would press the key now; once a scene."""
        scene = self.scene
        wanted = scene is not None and scene.name is not None and face_width_px >= _NEAR_PX
        if not wanted or self._started in self._pressed:
            return False
        self._pressed.add(self._started)
        return True

    @property
    def complete(self) -> bool:
        """Every visit ended as it must."""
        return len(self.ended) == len(self._story) and all(visit.right for visit in self.ended)
