"""`doorward press`: the door's button from a terminal, for a door without one. Needs the running daemon."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from edge.ask import ask
from edge.commands import JSON_SCHEMA
from edge.settings import load_settings


def add(subparsers: Any) -> None:
    """Describe the command to the parser."""
    parser = subparsers.add_parser("press", help="press the running door's button: enroll, cancel or undo")
    parser.add_argument("--force", action="store_true", help="with --name: also where somebody else is called so")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--name", metavar="NAME", help="enroll whoever stands there, under this name")
    what.add_argument("--cancel", action="store_true", help="give up the enrollment that is going on")
    what.add_argument("--undo", action="store_true", help="as a long press: ask for an undo; a second one confirms")
    what.add_argument("--window", type=float, metavar="SECONDS", help="with policy window: let people enroll so long")
    parser.add_argument("--json", action="store_true", help="the answer as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 when the door took it, 9 when it refused; what comes of an enrollment is in the door's log and messages."""
    verb, data = _request(arguments)
    answer = ask(load_settings(arguments.settings), verb, data, at_the_door=True)
    if arguments.json:
        print(json.dumps({"schema": JSON_SCHEMA, **answer}))
    else:
        print(_window(answer) if verb == "window" else _came(answer))
    return 0


def _came(answer: Mapping[str, Any]) -> str:
    match answer.get("state"):
        case "asking":
            who = answer["name"] or answer["person"]
            return f"the door asks whether to take back the enrollment of {who}; --undo again says yes, --cancel no"
        case "undone":
            return f"took back the enrollment of {answer['person']}"
        case "cancelled":
            return "the enrollment was given up" if answer["of"] == "enrollment" else "nothing was undone"
    return f"session {answer['session']}"


def _window(answer: Mapping[str, Any]) -> str:
    seconds, note = answer["seconds"], answer.get("note")
    told = f"people may enroll for the next {seconds:g} s" if seconds else "the window is closed"
    return f"{told}; {note}" if note else told


def _request(arguments: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    if arguments.cancel:
        return "cancel", {}
    if arguments.undo:
        return "undo_press", {}
    if arguments.window is not None:
        return "window", {"seconds": arguments.window}
    return "enroll", {"name": arguments.name, "force": arguments.force} if arguments.name else {}
