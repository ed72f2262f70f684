"""`doorward releases …`: which head this door recognizes with, and how another one gets into force or out of it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from edge.ask import ask
from edge.commands import JSON_SCHEMA
from edge.contract.codec import JsonObject
from edge.errors import StoreError
from edge.settings import Settings, load_settings
from edge.stored import folder_of
from edge.update.place import ReleasePlace

_Verb = Callable[[argparse.Namespace, Settings], JsonObject]
_RELEASE = ("release", {"metavar": "RELEASE", "nargs": "?", "default": None, "help": "its id, as `status` tells it"})
_LONGEST_ROOT = 1 << 20


def add(subparsers: Any) -> None:
    """Describe the command to the parser."""
    parser = subparsers.add_parser("releases", help="the head in force: status, install, rollback, pin, trust, …")
    verbs = parser.add_subparsers(title="what", dest="what", required=True, metavar="WHAT")
    for name, (help_text, arguments, _) in _VERBS.items():
        verb = verbs.add_parser(name, help=help_text)
        verb.add_argument("--json", action="store_true", help="the answer as JSON")
        for argument, options in arguments:
            verb.add_argument(argument, **options)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0, or the exit code of what stood in the way."""
    settings = load_settings(arguments.settings)
    answer = _VERBS[arguments.what][2](arguments, settings)
    if arguments.json:
        print(json.dumps({"schema": JSON_SCHEMA, **answer}))
    else:
        print("\n".join(_lines(answer)))
    return 0


def _lines(answer: JsonObject) -> Iterator[str]:
    """What there is to say, and nothing of what is not there."""
    for key, value in answer.items():
        if key == "pin":
            yield f"pin: {value}" if value else "pin: none"
        elif value not in (None, []):
            text = ", ".join(map(str, value)) if isinstance(value, list) else value
            yield f"{key.replace('_', ' ')}: {text}"


def _asking(verb: str, *keys: str) -> _Verb:
    """A verb of the desk; keys: of its data, taken from the line's arguments."""

    def answer(arguments: argparse.Namespace, settings: Settings) -> JsonObject:
        given = {key: getattr(arguments, key) for key in keys}
        return ask(settings, verb, {k: v for k, v in given.items() if v is not None}, at_the_door=True)

    return answer


def _trust(arguments: argparse.Namespace, settings: Settings) -> JsonObject:
    """Beside a running daemon too: the updater's process reads it when it begins."""
    from edge.update.fetch import trust  # with python-tuf, which no other command needs

    place = ReleasePlace.below(folder_of(settings.store))
    try:
        with arguments.root.open("rb") as file:
            root = file.read(_LONGEST_ROOT)
    except OSError as error:
        raise StoreError(f"{arguments.root}: cannot be read: {error.strerror}") from error
    try:
        version = trust(place.floor, root, anew=arguments.anew)
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"{place.floor}: cannot be written ({error.strerror}); be the door's user") from error
    return {"root": str(arguments.root), "version": version}


_VERBS: dict[str, tuple[str, list[tuple[str, dict[str, Any]]], _Verb]] = {
    "status": ("which release is in force, and how far another one is", [], _asking("releases_status")),
    "install": (
        "bring a release now, the announced one if none is named",
        [_RELEASE],
        _asking("releases_install", "release"),
    ),
    "rollback": (
        "give up what is on its way or on trial, else go back to the release before",
        [],
        _asking("releases_rollback"),
    ),
    "pin": ("stay with a release, the one in force if none is named", [_RELEASE], _asking("releases_pin", "release")),
    "unpin": ("take what comes again", [], _asking("releases_unpin")),
    "trust": (
        "whom to trust: a root that the trainer's keys were made with",
        [
            ("root", {"metavar": "ROOT", "type": Path, "help": "the file root.json"}),
            ("--anew", {"action": "store_true", "help": "in place of one that is trusted already"}),
        ],
        _trust,
    ),
}
