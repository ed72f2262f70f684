"""Answers requests: one function a verb, the same for the network, for this machine's commands and without a daemon.

A handler takes the request's data, changes or reads the roster, and returns what goes into the response. What may be
asked from where stands in one table. Nothing here knows how a request came.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from edge.adapters.answers import refusal
from edge.adapters.pictures import decode_picture
from edge.contract.codec import JsonObject, chars, count, from_object
from edge.contract.messages import Name, Request, Response
from edge.desk.people import One, PeopleDesk, describe
from edge.enrollment.pictures import (
    PictureRefused,
    Provenance,
    already_enrolled,
    exemplar_of,
    night_views,
    shot_of,
    stranger_among,
)
from edge.errors import DoorwardError, MessageError, PictureError, RefusedError
from edge.log import get_logger
from edge.ports import Clock
from edge.recognition.recognizer import Recognizer
from edge.recognition.types import Probe
from edge.roster import Roster
from edge.store.types import Person, View, clean_name

_log = get_logger("requests")
_MOST_PICTURES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameData:
    """person: an id or a name. name: the new one. force: although somebody else is called so."""

    person: Annotated[str, chars(1, 100)]
    name: Name
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """content: the file in base64."""

    name: Annotated[str, chars(1, 4096)]
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollPictures:
    """force: enroll although the person seems to be enrolled already, or somebody else is called so."""

    name: Name
    pictures: Annotated[tuple[Picture, ...], count(1, _MOST_PICTURES)]
    force: bool = False


@dataclass(frozen=True, slots=True)
class Verb:
    """handler: from data to data. local_only: not to be asked over the network."""

    handler: Callable[[JsonObject], dict[str, Any]]
    local_only: bool = False


class Desk:
    """The requests that need no door: people, and enrolling them from pictures."""

    def __init__(
        self,
        roster: Roster,
        line: Callable[[], Recognizer],
        runtime: str,
        clock: Clock,
        at_the_door: Mapping[str, Verb] | None = None,
    ) -> None:
        """line: gives the recognizer, which a command loads only where it is needed.
        at_the_door: further verbs, which only a running door can answer.
        """
        self._roster = roster
        self._line = line
        self._runtime = runtime
        self._clock = clock
        self.verbs: dict[str, Verb] = {
            "people_list": Verb(self._people_list),
            "people_show": Verb(self._people_show),
            "people_rename": Verb(self._people_rename),
            "enroll_pictures": Verb(self._enroll_pictures, local_only=True),
            **(at_the_door or {}),
        }
        people = PeopleDesk(roster, self.one, clock)
        self.verbs |= {name: Verb(handler) for name, handler in people.handlers.items()}
        self.verbs |= {name: Verb(handler, local_only=True) for name, handler in people.local_handlers.items()}

    def answer(self, request: Request, *, local: bool) -> Response:
        """The response to a request; an error in it is one line, and never an exception."""
        verb = self.verbs.get(request.verb)
        try:
            if verb is None or (verb.local_only and not local):
                raise MessageError(f"unknown verb {request.verb!r}; known are {', '.join(self._known(local=local))}")
            data = verb.handler(request.data)
        except DoorwardError as error:
            return refusal(request.verb, str(error), request.transaction)
        except Exception as error:  # noqa: BLE001 - a door must not end of one request, which might come again at each start
            _log.exception("a request failed unexpectedly", verb=request.verb)
            reason = f"{request.verb} failed unexpectedly ({type(error).__name__}); the door's log has more"
            return refusal(request.verb, reason, request.transaction)
        return Response(verb=request.verb, status="ok", error=None, data=data, transaction=request.transaction)

    def one(self, text: str) -> Person:
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

    def _known(self, *, local: bool) -> list[str]:
        return sorted(name for name, verb in self.verbs.items() if local or not verb.local_only)

    def _people_list(self, _: JsonObject) -> dict[str, Any]:
        everybody = [describe(person) for person in self._roster.people.values()]
        return {"people": everybody, "damage": list(self._roster.damage)}

    def _people_show(self, data: JsonObject) -> dict[str, Any]:
        return describe(self.one(from_object("people_show", One, data).person))

    def _people_rename(self, data: JsonObject) -> dict[str, Any]:
        asked = from_object("people_rename", RenameData, data)
        person = self.one(asked.person).id
        if not asked.force:
            self._refuse_taken(asked.name, person)
        return describe(self._roster.rename(person, asked.name))

    def _refuse_taken(self, name: str, of: str | None = None) -> None:
        """Refuse a name that is no name, or that somebody else bears. of: the person who is to bear it."""
        for other in self._roster.find(clean_name(name)):
            if other.id != of:
                raise RefusedError(f"{other.id} is called {other.name} already; use another name, or --force")

    def _enroll_pictures(self, data: JsonObject) -> dict[str, Any]:
        asked = from_object("enroll_pictures", EnrollPictures, data)
        if asked.force:
            clean_name(asked.name)  # before the pictures, which take longer
        else:
            self._refuse_taken(asked.name)
        shots, views, skipped = self._shots(asked.pictures)
        if shots and (other := stranger_among(shots, self._roster.model.gallery.head)):
            raise RefusedError(f"{other.picture}: {other.reason}; nobody was enrolled")
        if not shots:
            raise RefusedError("no picture will do; nobody was enrolled: " + "; ".join(skipped))
        known = already_enrolled([shot for _, shot in shots], self._roster.model)
        if known and not asked.force:
            raise RefusedError(f"already enrolled as {self._roster.people[known].name} ({known}); --force adds another")
        line, wall_s = self._line(), self._clock.wall_s()
        provenance = Provenance(line.embedder_id, self._runtime, wall_s)
        exemplars = [exemplar_of(shot, provenance, made) for (_, shot), made in zip(shots, views, strict=True)]
        person = self._roster.enroll(asked.name, exemplars, wall_s, verified=True)
        return describe(person) | {"skipped": skipped}

    def _shots(self, pictures: tuple[Picture, ...]) -> tuple[list[tuple[str, Probe]], list[list[View]], list[str]]:
        """Usable shots by picture with their degraded views, and a line for each picture that is none."""
        shots, views, skipped, degrade = [], [], [], night_views(self._line())
        for picture in pictures:
            try:
                pixels = decode_picture(_bytes_of(picture), picture.name)
            except PictureError as error:
                skipped.append(str(error))
                continue
            shot = shot_of(picture.name, pixels, self._line())
            if isinstance(shot, PictureRefused):
                skipped.append(f"{shot.picture}: {shot.reason}")
            else:
                shots.append((picture.name, shot))
                views.append(degrade(pixels, shot))
        return shots, views, skipped


def _bytes_of(picture: Picture) -> bytes:
    try:
        return base64.b64decode(picture.content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise PictureError(f"{picture.name}: its content is not base64") from error
