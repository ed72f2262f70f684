"""What reaches the component that puts releases in force, from the link's thread and from the updater's process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from edge.contract.update import UpdateNotice
from edge.update.updater import Told


@dataclass(frozen=True, slots=True)
class Noticed:
    """The retained notice as it is now."""

    notice: UpdateNotice


@dataclass(frozen=True, slots=True)
class NoNotice:
    """There is none any more."""


@dataclass(frozen=True, slots=True)
class ChildTold:
    """A line of the updater's process."""

    told: Told


@dataclass(frozen=True, slots=True)
class ChildEnded:
    """The updater's process is gone. problem: why it did not do its work, in a line; None where its last line says."""

    problem: str | None


News: TypeAlias = Noticed | NoNotice | ChildTold | ChildEnded
