"""What a desk's verb is: a handler, and from where it may be asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeAlias

from edge.contract.codec import JsonObject
from edge.desk.work import Work

Answered: TypeAlias = dict[str, Any] | Work[dict[str, Any]]
"""What goes into the response, at once or as work that ends with it."""


@dataclass(frozen=True, slots=True)
class Verb:
    """handler: from a request's data. local_only: not to be asked over the network.

    paged: its data has a `limit`, and one that the network sends has always one.
    """

    handler: Callable[[JsonObject], Answered]
    local_only: bool = False
    paged: bool = False

    def begin(self, data: JsonObject, _attached: BinaryIO | None) -> Answered:
        return self.handler(data)


@dataclass(frozen=True, slots=True)
class FileVerb:
    """Of this machine alone: its handler takes the file, too, that goes with the request, or None where none does."""

    handler: Callable[[JsonObject, BinaryIO | None], Answered]
    local_only: bool = True
    paged: bool = False

    def begin(self, data: JsonObject, attached: BinaryIO | None) -> Answered:
        return self.handler(data, attached)
