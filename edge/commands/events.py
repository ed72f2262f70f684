"""`doorward events reject EVENT`: the person whom an event named was not there."""

from __future__ import annotations

import argparse
import json
from typing import Any

from edge.ask import ask
from edge.commands import JSON_SCHEMA
from edge.settings import load_settings


def add(subparsers: Any) -> None:
    """Describe the command to the parser."""
    parser = subparsers.add_parser("events", help='say "that is not me" of an event')
    parser.add_argument("what", choices=("reject",))
    parser.add_argument("event", metavar="EVENT", help="the event's id, as the message says")
    parser.add_argument("--json", action="store_true", help="the answer as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0, or 9 where the running daemon does not remember the event."""
    answer = ask(load_settings(arguments.settings), "event_reject", {"event": arguments.event}, at_the_door=True)
    if arguments.json:
        print(json.dumps({"schema": JSON_SCHEMA, **answer}))
        return 0
    print(f"event {arguments.event} was not {answer['name']}; a picture like it is not taken for them again")
    for exemplar in answer["under_review"]:
        print(f"under review: {exemplar} (`doorward people keep-exemplar` or `reject-exemplar`)")
    return 0
