"""`doorward people …`: who is enrolled at this door, through the running daemon if there is one."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from typing import Any

from edge.ask import ask
from edge.settings import load_settings

_HEADINGS = ("id", "name", "verified", "pictures", "enrolled", "last seen")


def add(subparsers: Any) -> None:
    """Describe the command to the parser."""
    parser = subparsers.add_parser("people", help="list the people of this door")
    parser.add_argument("--json", action="store_true", help="the answer as JSON")
    verbs = parser.add_subparsers(title="what", dest="what", required=True, metavar="WHAT")
    verbs.add_parser("list", help="everybody")
    show = verbs.add_parser("show", help="one person")
    show.add_argument("person", metavar="PERSON", help="an id or a name")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0, or the exit code of what stood in the way."""
    settings = load_settings(arguments.settings)
    data = {"person": arguments.person} if arguments.what == "show" else {}
    answer = ask(settings, f"people_{arguments.what}", data)
    for line in answer.get("damage", ()):
        print(f"doorward: {line}", file=sys.stderr)
    if arguments.json:
        print(json.dumps(answer))
    else:
        _print_people(answer["people"] if arguments.what == "list" else [dict(answer)])
    return 0


def _print_people(people: list[dict[str, Any]]) -> None:
    if not people:
        print("nobody is enrolled yet; press the enroll button, or `doorward enroll NAME IMAGE…`")
        return
    rows = [_HEADINGS, *(_row(person) for person in people)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _row(person: dict[str, Any]) -> tuple[str, ...]:
    return (
        person["person"],
        person["name"],
        "yes" if person["verified"] else "no",
        str(person["exemplars"]),
        _day(person["created_s"]),
        _day(person["seen_s"]),
    )


def _day(wall_s: float | None) -> str:
    return datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%d %H:%M") if wall_s else "never"
