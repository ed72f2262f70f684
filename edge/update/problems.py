"""Why a release was not fetched: a code for programs, one line for people, and whether trying again may help.

Within `edge/update` a `FetchError` carries it up; whoever asked for a release gets a `Refusal` and no exception.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge.errors import DoorwardError

Code = Literal[
    "away",  # broker or trainer does not answer
    "slow",  # it answers below the minimum rate
    "length",  # more or less came than was declared, or more than a session may bring
    "denied",  # broker or trainer refuse to serve this door
    "missing",  # the repository has no such release
    "untrusted",  # a signature, a hash or a version is not what it must be
    "expired",  # nobody has signed lately: signed lines may be withheld from us
    "clock",  # the clock is not set, so that nothing can be said of an expiry
    "counter",  # the release is not newer than one that was in force here
    "unfit",  # it is signed, and cannot be what it says
    "no_root",  # nobody has told this door whom to trust
    "damaged",  # what this door keeps of former updates cannot be read
    "disk",  # full, or failing
]
_FINAL: frozenset[Code] = frozenset({"counter", "unfit"})


class FetchError(DoorwardError, RuntimeError):
    """A release, or what says who signed it, cannot be had."""

    def __init__(self, code: Code, words: str) -> None:
        super().__init__(words)
        self.code: Code = code


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not. words: one line without embeddings or names, short enough for a state message."""

    code: Code
    words: str

    @property
    def final(self) -> bool:
        """Whether the same release will be refused for ever; else it is worth trying later."""
        return self.code in _FINAL

    @classmethod
    def of(cls, error: FetchError) -> Refusal:
        """The refusal that an error stands for."""
        return cls(error.code, str(error)[:300])
