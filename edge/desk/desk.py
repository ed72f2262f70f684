"""Answers requests: one function a verb, the same for the network, for this machine's commands and without a daemon.

A handler takes the request's data, changes or reads the roster, and returns what goes into the response. What may be
asked from where stands in one table. What takes longer than a frame may wait is done in slices (`work.py`). Nothing
here knows how a request came.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Generator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Annotated, Any, BinaryIO

from edge.adapters.answers import refusal
from edge.adapters.pictures import decode_picture
from edge.contract.codec import JsonObject, chars, count, from_object
from edge.contract.messages import Name, Request, Response
from edge.desk.pages import PAGE, describe
from edge.desk.people import PeopleDesk, refuse_taken
from edge.desk.verbs import FileVerb, Verb
from edge.desk.work import Work, finish
from edge.enrollment.pictures import PictureRefused, Provenance, exemplar_of, night_views, shot_of, stranger_among
from edge.errors import DoorwardError, MessageError, PictureError, RefusedError
from edge.log import get_logger
from edge.ports import Clock
from edge.recognition.recognizer import Recognizer
from edge.recognition.shots import enrolled_as
from edge.recognition.types import Probe
from edge.roster import Roster
from edge.store.types import View

_log = get_logger("requests")
_MOST_PICTURES = 20


def _to_nobody(_line: str) -> None:
    """Of one who waits for the answer alone."""


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


@dataclass(slots=True)
class _Shots:
    """What came of pictures: usable shots by picture with their degraded views, and a line for each that is none."""

    usable: list[tuple[str, Probe]] = field(default_factory=list)
    views: list[list[View]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


class Desk:
    """The requests that need no door: people, and enrolling them from pictures."""

    def __init__(
        self,
        roster: Roster,
        line: Callable[[], Recognizer],
        runtime: str,
        clock: Clock,
        at_the_door: Mapping[str, Verb | FileVerb] | None = None,
    ) -> None:
        """line: gives the recognizer, which a command loads only where it is needed.
        at_the_door: further verbs, which only a running door can answer.
        """
        self._roster = roster
        self._line = line
        self._runtime = runtime
        self._clock = clock
        self.verbs: dict[str, Verb | FileVerb] = {
            "enroll_pictures": Verb(self._enroll_pictures, local_only=True),
            **PeopleDesk(roster, clock).verbs,
            **(at_the_door or {}),
        }

    def answer(
        self,
        request: Request,
        *,
        local: bool,
        attached: BinaryIO | None = None,
        progress: Callable[[str], None] = _to_nobody,
    ) -> Response:
        """The response to a request, all at once; see `work`."""
        return finish(self.work(request, local=local, attached=attached), progress)

    def work(self, request: Request, *, local: bool, attached: BinaryIO | None = None) -> Work[Response]:
        """The response to a request; an error in it is one line, and never an exception. attached: is closed."""
        try:
            with attached or nullcontext():
                data = yield from self._data(request, local=local, attached=attached)
        except MessageError as error:
            return refusal(request.verb, str(error), request.transaction)
        except DoorwardError as error:
            return refusal(request.verb, str(error), request.transaction, code=error.exit_code)
        except Exception as error:  # noqa: BLE001 - a door must not end of one request, which might come again at each start
            _log.exception("a request failed unexpectedly", verb=request.verb)
            reason = f"{request.verb} failed unexpectedly ({type(error).__name__}); the door's log has more"
            return refusal(request.verb, reason, request.transaction, code=DoorwardError.exit_code)
        return Response(verb=request.verb, status="ok", error=None, data=data, transaction=request.transaction)

    def _data(self, request: Request, *, local: bool, attached: BinaryIO | None) -> Work[dict[str, Any]]:
        verb = self.verbs.get(request.verb)
        if verb is None or (verb.local_only and not local):
            raise MessageError(f"unknown verb {request.verb!r}; known are {', '.join(self._known(local=local))}")
        data = {"limit": PAGE, **request.data} if verb.paged and not local else request.data
        found = verb.begin(data, attached)
        return (yield from found) if isinstance(found, Generator) else found

    def _known(self, *, local: bool) -> list[str]:
        return sorted(name for name, verb in self.verbs.items() if local or not verb.local_only)

    def _enroll_pictures(self, data: JsonObject) -> Work[dict[str, Any]]:
        asked = from_object("enroll_pictures", EnrollPictures, data)
        refuse_taken(self._roster, asked.name, force=asked.force)  # before the pictures, which take longer
        shots = yield from self._shots(asked.pictures)
        self._refuse(shots, asked)
        line, wall_s = self._line(), self._clock.wall_s()
        provenance = Provenance(line.embedder_id, self._runtime, wall_s)
        made = [
            exemplar_of(shot, provenance, views) for (_, shot), views in zip(shots.usable, shots.views, strict=True)
        ]
        person = self._roster.enroll(asked.name, made, wall_s, verified=True)
        return describe(person) | {"skipped": shots.skipped}

    def _refuse(self, shots: _Shots, asked: EnrollPictures) -> None:
        """What may stand in the way, now that all is known. Others may have come meanwhile, so of the name, too."""
        refuse_taken(self._roster, asked.name, force=asked.force)
        if not shots.usable:
            raise RefusedError("no picture will do; nobody was enrolled: " + "; ".join(shots.skipped))
        model = self._roster.model
        if other := stranger_among(shots.usable, model.gallery.head):
            raise RefusedError(f"{other.picture}: {other.reason}; nobody was enrolled")
        known = None if asked.force else enrolled_as([shot.embedding for _, shot in shots.usable], model)
        if known:
            name = self._roster.people[known.person].name
            raise RefusedError(f"already enrolled as {name} ({known.person}); --force adds another")

    def _shots(self, pictures: tuple[Picture, ...]) -> Work[_Shots]:
        """A picture a slice."""
        shots, degrade = _Shots(), night_views(self._line())
        for picture in pictures:
            yield None
            try:
                pixels = decode_picture(_bytes_of(picture), picture.name)
            except PictureError as error:
                shots.skipped.append(str(error))
                continue
            shot = shot_of(picture.name, pixels, self._line())
            if isinstance(shot, PictureRefused):
                shots.skipped.append(f"{shot.picture}: {shot.reason}")
            else:
                shots.usable.append((picture.name, shot))
                shots.views.append(degrade(pixels, shot))
        return shots


def _bytes_of(picture: Picture) -> bytes:
    try:
        return base64.b64decode(picture.content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise PictureError(f"{picture.name}: its content is not base64") from error
