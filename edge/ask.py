"""How a command of this machine gets an answer: from the running daemon if there is one, else from a desk of its own.

Both give the same answers, since it is the same desk.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from typing import Any, BinaryIO

from edge.adapters.clock import SystemClock
from edge.adapters.control import ask_daemon
from edge.adapters.outbox_place import OutboxPlace, erase_from_file
from edge.compose import force_of, model_over, recognizer
from edge.contract.codec import JsonObject
from edge.contract.messages import Request, Response
from edge.desk.desk import Desk
from edge.errors import RefusedError, StoreError, error_of
from edge.inference.tflite import runtime_name
from edge.log import get_logger
from edge.recognition.recognizer import ActiveModel
from edge.roster import Roster
from edge.settings.slices import Settings
from edge.store.types import StoredPeople
from edge.stored import control_path, folder_of, open_store, outbox_path

_log = get_logger("store")


def ask(
    settings: Settings,
    verb: str,
    data: dict[str, Any],
    *,
    at_the_door: bool = False,
    attached: BinaryIO | None = None,
) -> JsonObject:
    """The data of the answer. What takes long is told on standard error.

    at_the_door: only a running daemon can give it. attached: an open file that it is about.

    Raises:
        DoorwardError: the answer is an error, of its own kind; or nobody can be reached who would give one.
    """
    request = Request(verb=verb, data=data)
    response = ask_daemon(control_path(settings.store), request, attached, _tell)
    if response is None:
        if at_the_door:
            raise RefusedError(f"no daemon runs on {folder_of(settings.store)}; start it with `doorward run`")
        response = _ask_the_store(settings, request, attached)
    if response.error is not None:
        raise error_of(response.code)(_spoken(verb, response.error))
    return response.data


def _tell(progress: str) -> None:
    print(f"doorward: {progress}", file=sys.stderr, flush=True)


def _spoken(verb: str, error: str) -> str:
    """An error about a key of the request, without the words of the wire around it."""
    return re.sub(rf"^(?:{re.escape(verb)}|local request): key '(?:data\.)?([^']+)': ", r"\1: ", error)


def _ask_the_store(settings: Settings, request: Request, attached: BinaryIO | None) -> Response:
    outbox = OutboxPlace(lambda person: erase_from_file(outbox_path(settings.store), person))
    with open_store(settings.store, places=[outbox]) as store:
        people = store.load()
        for found in (*store.report, *people.repaired):
            _log.warning("template store", found=found)

        def model(known: StoredPeople) -> ActiveModel:
            force = force_of(settings.recognition, folder_of(settings.store))
            return model_over(settings.recognition, force.head, force.release)(known)

        roster = Roster(store, people, model)
        roster.changed = False
        desk = Desk(roster, cache(lambda: recognizer(settings.recognition)), runtime_name(), SystemClock())
        if request.verb not in desk.verbs:
            raise RefusedError("no daemon is running here, and only a running one can do that; start `doorward run`")
        response = desk.answer(request, local=True, attached=attached, progress=_tell)
        if roster.changed and response.error is None:
            _tend(roster)
        return response


def _tend(roster: Roster) -> None:
    """What was asked is done and on the disk; that its copy could not be made as well is no reason to say otherwise."""
    try:
        roster.tend()
    except StoreError as error:
        _log.warning("it is done, but the store could not be tended; it is the next time", reason=error)
