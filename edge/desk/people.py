"""The requests that change who the door knows: merge, erase, undo, review, export and the rest.

A verb's handler changes the roster, which commits first. Listing and enrolling are `desk.py`'s.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from edge.contract.codec import JsonObject, between, chars, from_object
from edge.errors import RefusedError
from edge.ports import Clock
from edge.roster import Roster
from edge.store.types import Person

Handler = Callable[[JsonObject], dict[str, Any]]
Text = Annotated[str, chars(1, 100)]
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class One:
    """person: an id or a name."""

    person: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Two:
    """person, into: an id or a name each."""

    person: Text
    into: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """days: without having been seen."""

    days: Annotated[int, between(1, 3650)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExemplarData:
    """exemplar: its id, as `people_show` tells it."""

    exemplar: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveData:
    """content: an export in base64. revive: take in people too who were erased here."""

    content: str
    passphrase: Annotated[str, chars(1, 1024)]
    revive: bool = False


class PeopleDesk:
    """Handlers over one roster; `handlers` are for the network too, `local_handlers` for this machine alone."""

    def __init__(self, roster: Roster, one: Callable[[str], Person], clock: Clock) -> None:
        """one: the person whom an id or a name means; refuses where there is nobody or several."""
        self._roster = roster
        self._one = one
        self._clock = clock
        self.handlers: dict[str, Handler] = {
            "people_merge": self._merge,
            "people_unmerge": self._unmerge,
            "people_confirm": self._confirm,
            "people_erase": self._erase,
            "people_undo": self._undo,
            "people_provisional": self._provisional,
            "people_unseen": self._unseen,
            "exemplar_keep": self._keep_exemplar,
            "exemplar_reject": self._reject_exemplar,
        }
        self.local_handlers: dict[str, Handler] = {"people_import": self._import}

    def _merge(self, data: JsonObject) -> dict[str, Any]:
        asked = from_object("people_merge", Two, data)
        return describe(self._roster.merge(self._one(asked.person).id, self._one(asked.into).id))

    def _unmerge(self, data: JsonObject) -> dict[str, Any]:
        source = from_object("people_unmerge", One, data).person
        parted, holder = self._roster.unmerge(source)
        return {"people": [describe(parted), describe(holder)]}

    def _confirm(self, data: JsonObject) -> dict[str, Any]:
        return describe(self._roster.confirm(self._one(from_object("people_confirm", One, data).person).id))

    def _erase(self, data: JsonObject) -> dict[str, Any]:
        person = self._one(from_object("people_erase", One, data).person)
        receipt = self._roster.erase(person.id, self._clock.wall_s())
        return {"receipt": json.loads(receipt.to_json())}

    def _undo(self, _: JsonObject) -> dict[str, Any]:
        undone = self._roster.undo(self._clock.wall_s())
        if undone is None:
            raise RefusedError("there is no enrollment to undo")
        receipt = json.loads(undone.receipt.to_json()) if undone.receipt else None
        return {"person": undone.enrollment.person, "receipt": receipt}

    def _provisional(self, _: JsonObject) -> dict[str, Any]:
        return {"people": [describe(person) for person in self._roster.people.values() if not person.verified]}

    def _unseen(self, data: JsonObject) -> dict[str, Any]:
        days = from_object("people_unseen", Days, data).days
        unseen = self._roster.unseen_since(self._clock.wall_s() - days * _DAY_S)
        return {"people": [describe(person) for person in unseen]}

    def _keep_exemplar(self, data: JsonObject) -> dict[str, Any]:
        return describe(self._roster.keep_exemplar(from_object("exemplar_keep", ExemplarData, data).exemplar))

    def _reject_exemplar(self, data: JsonObject) -> dict[str, Any]:
        exemplar = from_object("exemplar_reject", ExemplarData, data).exemplar
        person = self._roster.reject_exemplar(exemplar, self._clock.wall_s())
        return {"person": describe(person) if person else None}

    def _import(self, data: JsonObject) -> dict[str, Any]:
        asked = from_object("people_import", ArchiveData, data)
        try:
            content = base64.b64decode(asked.content, validate=True)
        except (binascii.Error, ValueError) as error:
            raise RefusedError("people_import: its content is not base64") from error
        added = self._roster.take_in(io.BytesIO(content), asked.passphrase, revive=asked.revive)
        return {
            "people": added.people,
            "exemplars": added.exemplars,
            "already_there": added.already_there,
            "erased": list(added.erased),
        }


def describe(person: Person) -> dict[str, Any]:
    """A person as responses tell of them: no embedding, ever."""
    return {
        "person": person.id,
        "name": person.name,
        "verified": person.verified,
        "exemplars": len(person.exemplars),
        "created_s": person.created_s,
        "seen_s": person.seen_s,
        "under_review": [exemplar.id for exemplar in person.under_review],
        "merged": list(person.origins),
    }
