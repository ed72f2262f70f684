"""How a command of this machine gets an answer: from the running daemon if there is one, else from a desk of its own.

Both give the same answers, since it is the same desk.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from edge.adapters.clock import SystemClock
from edge.adapters.control import ask_daemon
from edge.adapters.outbox_place import OutboxPlace, erase_from_file
from edge.compose import active_model, head_for, recognizer
from edge.contract.codec import JsonObject
from edge.contract.messages import Request, Response
from edge.desk.desk import Desk
from edge.errors import RefusedError
from edge.inference.tflite import runtime_name
from edge.log import get_logger
from edge.roster import Roster
from edge.settings.slices import Settings
from edge.stored import control_path, folder_of, open_store, outbox_path

_log = get_logger("store")


def ask(settings: Settings, verb: str, data: dict[str, Any], *, at_the_door: bool = False) -> JsonObject:
    """The data of the answer. at_the_door: only a running daemon can give it.

    Raises:
        RefusedError: the answer is an error, or no daemon runs that could give one.
        DoorwardError: neither a daemon nor the store can be reached.
    """
    request = Request(verb=verb, data=data)
    response = ask_daemon(control_path(settings.store), request)
    if response is None:
        if at_the_door:
            raise RefusedError(f"no daemon runs on {folder_of(settings.store)}; start it with `doorward run`")
        response = _ask_the_store(settings, request)
    if response.error is not None:
        raise RefusedError(_spoken(verb, response.error))
    return response.data


def _spoken(verb: str, error: str) -> str:
    """An error about a key of the request, without the words of the wire around it."""
    return re.sub(rf"^{re.escape(verb)}: key '([^']+)': ", r"\1: ", error)


def _ask_the_store(settings: Settings, request: Request) -> Response:
    outbox = OutboxPlace(lambda person: erase_from_file(outbox_path(settings.store), person))
    with open_store(settings.store, places=[outbox]) as store:
        people = store.load()
        for found in (*store.report, *people.repaired):
            _log.warning("template store", found=found)
        head = head_for(settings.recognition)
        model = active_model(settings.recognition, head, people.gallery(head.embedder_id))
        line = cache(lambda: recognizer(settings.recognition))
        roster = Roster(store, people, model)
        roster.changed = False
        desk = Desk(roster, line, runtime_name(), SystemClock())
        if request.verb not in desk.verbs:
            raise RefusedError("no daemon is running here, and only a running one can do that; start `doorward run`")
        response = desk.answer(request, local=True)
        if roster.changed:
            roster.tend()
        return response
