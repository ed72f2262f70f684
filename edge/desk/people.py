"""The requests about who the door knows: list, rename, merge, erase, undo, review, import and the rest.

A verb's handler changes the roster, which commits first. Enrolling from pictures is `desk.py`'s.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO

from edge.adapters.ahead import Ahead
from edge.contract.codec import JsonObject, between, chars, from_object
from edge.contract.messages import Name
from edge.desk.pages import Page, describe, page_of
from edge.desk.verbs import FileVerb, Verb
from edge.desk.work import Work
from edge.errors import RefusedError, StoreError
from edge.ports import Clock
from edge.roster import Roster
from edge.store.archive import portions
from edge.store.archive_format import ArchiveError
from edge.store.types import AddedRecords, Person, clean_name

Text = Annotated[str, chars(1, 100)]
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class One:
    """person: an id or a name."""

    person: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameData:
    """person: an id or a name. name: the new one. force: although somebody else is called so."""

    person: Text
    name: Name
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Two:
    """person, into: an id or a name each."""

    person: Text
    into: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Days(Page):
    """days: without having been seen."""

    days: Annotated[int, between(1, 3650)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExemplarData:
    """exemplar: its id, as `people_show` tells it."""

    exemplar: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveData:
    """name: of the attached export, for error lines. revive: take in people too who were erased here."""

    name: Annotated[str, chars(1, 4096)]
    passphrase: Annotated[str, chars(1, 1024)]
    revive: bool = False


class PeopleDesk:
    """Verbs over one roster; `verbs` go into the `Desk`."""

    def __init__(self, roster: Roster, clock: Clock) -> None:
        self._roster = roster
        self._clock = clock
        self.verbs: dict[str, Verb | FileVerb] = {
            "people_list": Verb(self._list, paged=True),
            "people_show": Verb(self._show),
            "people_rename": Verb(self._rename),
            "people_merge": Verb(self._merge),
            "people_unmerge": Verb(self._unmerge),
            "people_confirm": Verb(self._confirm),
            "people_erase": Verb(self._erase),
            "people_undo": Verb(self._undo),
            "people_provisional": Verb(self._provisional, paged=True),
            "people_unseen": Verb(self._unseen, paged=True),
            "people_import": FileVerb(self._import),
            "exemplar_keep": Verb(self._keep_exemplar),
            "exemplar_reject": Verb(self._reject_exemplar),
        }

    def _one(self, text: str) -> Person:
        """The person whom an id or a name means.

        Raises:
            RefusedError: nobody, or several.
        """
        found = self._roster.find(text)
        if not found:
            raise RefusedError(f"nobody is called {text!r}; `doorward people list` shows everybody")
        if len(found) > 1:
            raise RefusedError(f"several are called {text!r}: {', '.join(p.id for p in found)}; use an id")
        return found[0]

    def _list(self, data: JsonObject) -> dict[str, Any]:
        page = from_object("people_list", Page, data)
        return page_of(self._roster.people.values(), page) | {"damage": list(self._roster.damage)}

    def _show(self, data: JsonObject) -> dict[str, Any]:
        return describe(self._one(from_object("people_show", One, data).person))

    def _rename(self, data: JsonObject) -> dict[str, Any]:
        asked = from_object("people_rename", RenameData, data)
        person = self._one(asked.person).id
        refuse_taken(self._roster, asked.name, person, force=asked.force)
        return describe(self._roster.rename(person, asked.name))

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
        return {"person": person.id, "name": person.name, "receipt": json.loads(receipt.to_json())}

    def _undo(self, _: JsonObject) -> dict[str, Any]:
        undone = self._roster.undo(self._clock.wall_s())
        if undone is None:
            raise RefusedError("there is no enrollment to undo")
        receipt = json.loads(undone.receipt.to_json()) if undone.receipt else None
        return {"person": undone.enrollment.person, "receipt": receipt}

    def _provisional(self, data: JsonObject) -> dict[str, Any]:
        page = from_object("people_provisional", Page, data)
        return page_of((person for person in self._roster.people.values() if not person.verified), page)

    def _unseen(self, data: JsonObject) -> dict[str, Any]:
        asked = from_object("people_unseen", Days, data)
        return page_of(self._roster.unseen_since(self._clock.wall_s() - asked.days * _DAY_S), asked)

    def _keep_exemplar(self, data: JsonObject) -> dict[str, Any]:
        return describe(self._roster.keep_exemplar(from_object("exemplar_keep", ExemplarData, data).exemplar))

    def _reject_exemplar(self, data: JsonObject) -> dict[str, Any]:
        exemplar = from_object("exemplar_reject", ExemplarData, data).exemplar
        person = self._roster.reject_exemplar(exemplar, self._clock.wall_s())
        return {"person": describe(person) if person else None}

    def _import(self, data: JsonObject, attached: BinaryIO | None) -> Work[dict[str, Any]]:
        """Reading, opening and checking is done on another thread, since it takes as long as the archive is large."""
        asked = from_object("people_import", ArchiveData, data)
        if attached is None:
            raise RefusedError("people_import: no export is attached")
        added = AddedRecords()
        try:
            with Ahead(portions(attached, asked.passphrase)) as ready:
                for portion in ready:
                    if portion is not None and portion.records:
                        added += self._roster.take_in(portion.records, revive=asked.revive)
                    yield None if portion is None else portion.news
        except ArchiveError as error:
            raise type(error)(f"{asked.name}: {error}") from error
        except StoreError as error:
            raise type(error)(f"{error}{_so_far(added)}") from error
        return {
            "people": added.people,
            "exemplars": added.exemplars,
            "already_there": added.already_there,
            "erased": list(added.erased),
        }


def refuse_taken(roster: Roster, name: str, of: str | None = None, *, force: bool = False) -> None:
    """See that a name is one, and that nobody else bears it. of: the person who is to bear it. force: two may.

    Raises:
        StoreRefusedError, RefusedError: it is not.
    """
    wanted = clean_name(name)
    for other in () if force else roster.find(wanted):
        if other.id != of:
            raise RefusedError(f"{other.id} is called {other.name} already; use another name, or --force")


def _so_far(added: AddedRecords) -> str:
    if not added.changed:
        return ""
    return f"; {len(added.changed)} people are in already, and importing again goes on from there"
