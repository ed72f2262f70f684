"""`doorward people …`: who is enrolled at this door, through the running daemon if there is one."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from edge.adapters.camera_options import one_line
from edge.ask import ask
from edge.commands import JSON_SCHEMA
from edge.commands.people_text import Answer, lines_of
from edge.compose import active_model, embedder_name, force_of
from edge.errors import RefusedError, StoreError
from edge.settings import Settings, load_settings
from edge.sheet import sheet_numbers
from edge.sheet_page import PageFacts, sheet_page
from edge.store.archive import export_people
from edge.store.archive_format import LARGEST_ARCHIVE
from edge.store.durable import write_durably
from edge.store.receipts import read_receipt
from edge.store.schema import StorePaths
from edge.stored import folder_of, reading_store, store_path

_Verb = Callable[[argparse.Namespace, Settings], Answer]
_PERSON = ("person", {"metavar": "PERSON", "help": "an id or a name"})
_EXEMPLAR = ("exemplar", {"metavar": "ID", "help": "as `show` lists it under review"})
_FILE = ("file", {"metavar": "FILE", "type": Path})
_TAKEN = ("--force", {"action": "store_true", "help": "also where somebody else is called so"})


def add(subparsers: Any) -> None:
    """Describe the command to the parser."""
    parser = subparsers.add_parser("people", help="the people of this door: list, rename, merge, erase, export, …")
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
    for line in answer.get("damage", ()):
        print(f"doorward: {line}", file=sys.stderr)
    if arguments.json:
        print(json.dumps({"schema": JSON_SCHEMA, **answer}))
    else:
        receipts = StorePaths(store_path(settings.store)).receipts
        print("\n".join(lines_of(arguments.what, answer, receipts)))
    return 0


def _asking(verb: str, *keys: str) -> _Verb:
    """A verb of the desk; keys: of its data, taken from the line's arguments."""

    def answer(arguments: argparse.Namespace, settings: Settings) -> Answer:
        return ask(settings, verb, {key: getattr(arguments, key) for key in keys})

    return answer


def _erase(arguments: argparse.Namespace, settings: Settings) -> Answer:
    if not arguments.yes:
        who = ask(settings, "people_show", {"person": arguments.person})
        if not sys.stdin.isatty():
            raise RefusedError(f"erasing {who['name']} cannot be undone; say --yes")
        if input(f"erase {who['name']} ({who['person']}, {who['exemplars']} pictures) for good? [y/N] ").lower() != "y":
            raise RefusedError("nobody was erased")
    return ask(settings, "people_erase", {"person": arguments.person})


def _export(arguments: argparse.Namespace, settings: Settings) -> Answer:
    passphrase = _passphrase(arguments, again=True)
    with reading_store(settings.store) as store:
        done = export_people(store, arguments.file, passphrase, wall_s=time.time())
    return {"file": str(arguments.file), "people": done.people, "exemplars": done.exemplars, "damage": done.damage}


def _import(arguments: argparse.Namespace, settings: Settings) -> Answer:
    with _archive(arguments.file) as archive:
        data = {"name": one_line(arguments.file), "passphrase": _passphrase(arguments, again=False)}
        return ask(settings, "people_import", data | {"revive": arguments.revive}, attached=archive)


def _archive(file: Path) -> BinaryIO:
    try:
        opened = file.open("rb")
        size = os.fstat(opened.fileno()).st_size
    except OSError as error:
        raise StoreError(f"{file}: cannot be read: {error.strerror}") from error
    if size > LARGEST_ARCHIVE:
        opened.close()
        raise StoreError(f"{file}: larger than {LARGEST_ARCHIVE >> 20} MiB, so no export that can be taken in")
    return opened


def _verify(arguments: argparse.Namespace, settings: Settings) -> Answer:
    receipt = read_receipt(arguments.file)
    with reading_store(settings.store) as store:
        findings = store.verify(receipt)
    if findings:
        raise RefusedError(f"{arguments.file}: does not hold: " + "; ".join(findings))
    return {"receipt": receipt.number, "erased": ", ".join(receipt.people), "holds": "nothing of them was found"}


def _sheet(arguments: argparse.Namespace, settings: Settings) -> Answer:
    with reading_store(settings.store) as store:
        people = store.load()
    force = force_of(settings.recognition, folder_of(settings.store))
    model = active_model(settings.recognition, force.head, people.gallery(force.head.embedder_id), force.release)
    facts = PageFacts(settings.door.name or settings.door.id, embedder_name(settings.recognition), time.time())
    page = sheet_page(sheet_numbers(people, model), facts)
    try:
        write_durably(arguments.out, page.encode())
    except OSError as error:
        raise StoreError(f"{arguments.out}: cannot be written ({error.strerror}); name another file") from error
    return {"file": str(arguments.out), "people": len(people.people), "damage": people.damage}


def _passphrase(arguments: argparse.Namespace, *, again: bool) -> str:
    """From the file that is named, else asked for; never from the command line, which others can see."""
    if arguments.passphrase_file is not None:
        return _first_line(arguments.passphrase_file)
    if not sys.stdin.isatty():
        raise RefusedError("a passphrase is needed: name a file with --passphrase-file")
    phrase = getpass.getpass("passphrase: ")
    if again and getpass.getpass("again: ") != phrase:
        raise RefusedError("the two passphrases differ; nothing was written")
    return phrase


def _first_line(file: Path) -> str:
    try:
        line, *_ = file.read_text("utf-8").splitlines()
    except OSError as error:
        raise StoreError(f"{file}: no passphrase can be read: {error.strerror}") from error
    except ValueError as error:  # not UTF-8, or empty
        raise StoreError(f"{file}: holds no passphrase; its first line must be one, as UTF-8") from error
    return line


_SECRET = ("--passphrase-file", {"metavar": "FILE", "type": Path, "help": "its first line is the passphrase"})
_VERBS: dict[str, tuple[str, list[tuple[str, dict[str, Any]]], _Verb]] = {
    "list": ("everybody", [], _asking("people_list")),
    "show": ("one person", [_PERSON], _asking("people_show", "person")),
    "rename": (
        "give somebody a name, which verifies them",
        [_PERSON, ("name", {"metavar": "NAME"}), _TAKEN],
        _asking("people_rename", "person", "name", "force"),
    ),
    "confirm": ("somebody is who they are called", [_PERSON], _asking("people_confirm", "person")),
    "merge": (
        "two entries are one person",
        [_PERSON, ("into", {"metavar": "INTO", "help": "whose name stays"})],
        _asking("people_merge", "person", "into"),
    ),
    "unmerge": (
        "part somebody again",
        [("person", {"metavar": "ID", "help": "as `show` lists it under merged"})],
        _asking("people_unmerge", "person"),
    ),
    "erase": (
        "erase somebody everywhere, with a receipt; nothing brings them back",
        [_PERSON, ("--yes", {"action": "store_true", "help": "do not ask"})],
        _erase,
    ),
    "verify": ("look whether an erasure's receipt holds", [_FILE], _verify),
    "undo": ("take the last enrollment back", [], _asking("people_undo")),
    "provisional": ("those whom nobody has named or confirmed", [], _asking("people_provisional")),
    "unseen": (
        "those not seen for so long",
        [("days", {"type": int, "metavar": "DAYS"})],
        _asking("people_unseen", "days"),
    ),
    "keep-exemplar": ("a picture under review is right", [_EXEMPLAR], _asking("exemplar_keep", "exemplar")),
    "reject-exemplar": ("a picture under review goes", [_EXEMPLAR], _asking("exemplar_reject", "exemplar")),
    "sheet": (
        "the gallery in numbers as one HTML page, without a picture",
        [
            (
                "--out",
                {"metavar": "FILE", "type": Path, "default": Path("people.html"), "help": "people.html if not said"},
            )
        ],
        _sheet,
    ),
    "export": ("everybody into an encrypted file", [_FILE, _SECRET], _export),
    "import": (
        "everybody of an exported file",
        [_FILE, _SECRET, ("--revive", {"action": "store_true", "help": "also people who were erased here"})],
        _import,
    ),
}
