"""What a challenger's training is told. Plain numbers, checked once; holds no behaviour."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from trainer.distill import DistillSettings

StrategyName: TypeAlias = Literal["one", "mirrored", "workers"]
Combination: TypeAlias = Literal["average", "best"]


@dataclass(frozen=True, slots=True)
class ChallengerSettings:
    """How a challenger is trained. The defaults are those that did best on held-out people of a fleet of 732.

    whitening: how far the map begins as the head's transform, which whitens (1), or only turns (0).
    identity_weight: of CosFace. teacher_weight: of the teacher's similarities, where there is a teacher.
    previous_weight: of the previous head's similarities on old people.
    scale, margin: CosFace's s and m (Wang 2018). temperature: of similarities before the softmax.
    people, views: of one batch. epochs: at most. patience: epochs without a better held-out loss before it stops.
    learning_rate: Adam's, of the map and of the identities' directions.
    held_out: share of people that a run learns nothing from. seeds: runs, each with held-out people of its own.
    combine: their maps averaged, which all began at one place, or the one that was best on its held-out people.
    shrinkages: of the spread within people, tried on held-out people after the training.
    quality_power: see `DistillSettings`.
    strategy: one device; all devices of this machine; or several machines, which TF_CONFIG tells of one another.
    """

    whitening: float = 0.5
    identity_weight: float = 0.2
    teacher_weight: float = 20.0
    previous_weight: float = 5.0
    scale: float = 24.0
    margin: float = 0.2
    temperature: float = 0.4
    people: int = 64
    views: int = 4
    epochs: int = 40
    patience: int = 5
    learning_rate: float = 1e-3
    held_out: float = 0.2
    seeds: int = 3
    combine: Combination = "average"
    shrinkages: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9)
    quality_power: float = DistillSettings().quality_power
    strategy: StrategyName = "one"

    def __post_init__(self) -> None:
        """Raises:
        ValueError: a value that cannot be, named.
        """
        for name, wrong, wanted in self._checks():
            if wrong:
                raise ValueError(f"challenger: {name} is {getattr(self, name)!r}, expected {wanted}")

    def _checks(self) -> list[tuple[str, bool, str]]:
        weights = ("identity_weight", "teacher_weight", "previous_weight")
        counts = {"people": 2, "views": 2, "epochs": 1, "patience": 1, "seeds": 1}
        return [
            *((name, not _within(getattr(self, name), 0, math.inf), "0 or more") for name in weights),
            *((name, getattr(self, name) < least, f"{least} or more") for name, least in counts.items()),
            *((name, not getattr(self, name) > 0, "above 0") for name in ("scale", "temperature", "learning_rate")),
            ("whitening", not 0 <= self.whitening <= 1, "0 to 1"),
            ("margin", not 0 <= self.margin < 1, "from 0 to below 1"),
            ("held_out", not 0 < self.held_out < 1, "above 0 and below 1"),
            ("shrinkages", not self.shrinkages or not all(0 <= s <= 1 for s in self.shrinkages), "some, 0 to 1 each"),
            ("combine", self.combine not in get_args(Combination), " or ".join(get_args(Combination))),
            ("strategy", self.strategy not in get_args(StrategyName), ", ".join(get_args(StrategyName))),
        ]


def _within(value: float, low: float, high: float) -> bool:
    return math.isfinite(value) and low <= value <= high
