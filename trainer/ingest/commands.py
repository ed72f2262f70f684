"""`doorward-trainer ingest`, `status` and `people erase`: the fleet's store from the command line.

What speaks to a database or a broker is loaded by the commands that need it, so that help and errors come at once.
"""

from __future__ import annotations

import argparse
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge.errors import RefusedError, SettingsError
from edge.log import setup_logging
from edge.output import printable
from trainer.settings import load_trainer_settings
from trainer.store.records import Door, Status

_WORKER = re.compile("[A-Za-z0-9_-]{1,16}")
_PERSON = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


def add_ingest_commands(subparsers: Any) -> None:
    """Register `ingest`, `status` and `people`."""
    ingest = _add(subparsers, "ingest", _ingest, "take the doors' messages into the fleet's store, until stopped")
    ingest.add_argument("--worker", default="", metavar="NAME", help="this worker's name, where several run")
    status = _add(subparsers, "status", _status, "what the fleet's store holds")
    status.add_argument("--json", action="store_true", help="as JSON")
    people = subparsers.add_parser("people", help="people in the fleet's store")
    actions = people.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    erase = _add(actions, "erase", _erase, "erase somebody from the store and its sums, for good, at every door")
    erase.add_argument("person", metavar="PERSON", help="the person's id, as doors show it")


def add_settings_option(parser: argparse.ArgumentParser) -> None:
    """`--settings FILE`, as every command takes it that knows the fleet's store."""
    parser.add_argument(
        "--settings", type=Path, metavar="FILE", help="TOML settings; without it $DOORWARD_TRAINER_SETTINGS or defaults"
    )


def _add(subparsers: Any, name: str, run: Any, words: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(name, help=words, description=run.__doc__)
    add_settings_option(parser)
    parser.set_defaults(run=run)
    return parser


def _ingest(arguments: argparse.Namespace) -> int:
    """Take what doors report into the store and acknowledge it once it is committed. Ends on SIGTERM and Ctrl-C."""
    from trainer.ingest.run import run_ingest

    if arguments.worker and not _WORKER.fullmatch(arguments.worker):
        raise SettingsError(f"--worker {arguments.worker!r}: must be 1 to 16 of a-z, A-Z, 0-9, _ and -")
    settings = load_trainer_settings(arguments.settings)
    setup_logging(settings.log.level, settings.log.format)
    run_ingest(settings, arguments.worker)
    return 0


def _status(arguments: argparse.Namespace) -> int:
    """Print doors, people by embedder, events, and what was set aside and why."""
    from trainer.store.open import open_fleet_store

    setup_logging("warning")
    with open_fleet_store(load_trainer_settings(arguments.settings).store, make=False) as store:
        status = store.status()
    if arguments.json:
        print(json.dumps(status.to_json(), indent=1))
    else:
        print("\n".join(map(printable, status_lines(status))))
    return 0


def _erase(arguments: argparse.Namespace) -> int:
    """Erase somebody from the store and its sums. No later report brings them back; doors keep them, so erase there."""
    from trainer.store.open import open_fleet_store

    setup_logging("warning")
    if not _PERSON.fullmatch(arguments.person):
        raise RefusedError(f"{arguments.person!r}: is no id of a person; `doorward people list` at a door shows theirs")
    with open_fleet_store(load_trainer_settings(arguments.settings).store, make=False) as store:
        with store.write() as writer:
            doors = writer.erase_everywhere(arguments.person)
        scrubbed = store.tidy()
    later = "" if scrubbed else "; their bytes are scrubbed from the files later, somebody reads the store now"
    if not doors:
        raise RefusedError(f"{arguments.person}: nobody of that id was there; reports of them are refused from now on")
    print(f"{arguments.person}: erased, as reported by {doors} door{'s' if doors > 1 else ''}{later}")
    return 0


def status_lines(status: Status) -> list[str]:
    """The status for people to read."""
    lines = [f"store      {status.store} (schema {status.schema}, key {status.key_id})"]
    lines += [f"doors      {len(status.doors)}{', last heard of:' if status.doors else ''}"]
    lines += [f"  {door.id:<16} {_time(door.last_seen_s)}  {_door_words(door)}" for door in status.doors]
    lines += [f"people     {status.people}, erased {status.erased}"]
    lines += [
        f"  embedder {sha256[:12]}: {one.people} people with {one.exemplars} pictures, {one.pooled} in the sums"
        + (f", {one.damaged} damaged" if one.damaged else "")
        for sha256, one in status.embedders.items()
    ]
    lines += [f"events     {status.events}", f"set aside  {sum(status.set_aside.values())}"]
    lines += [f"  {times} times: {reason}" for reason, times in status.set_aside.items()]
    last = status.last_refresh
    lines += [f"refresh    {_time(last.at_s)} {last.decision}" if last else "refresh    none yet"]
    return lines + (["erased bytes are still to be scrubbed from the files"] if status.remains else [])


def _door_words(door: Door) -> str:
    if door.state_s is None:
        return "has told no state"
    words = f"{door.people} people, {door.queued} events wait"
    return f"{words}; {'; '.join(door.degraded)}" if door.degraded else words


def _time(wall_s: float) -> str:
    return datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
