"""`doorward-trainer keys`: make the signing keys and the repository, and replace a key that was lost or stolen."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from trainer.releases.options import ROLES, add_command, add_passphrases, asked_passphrases, given_keys, tell
from trainer.settings import load_trainer_settings


def add_key_commands(subparsers: Any) -> None:
    """Register `keys`."""
    keys = subparsers.add_parser("keys", help="the keys that releases are signed with")
    actions = keys.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    init = add_command(actions, "init", _init, "make all keys, and the repository that doors will trust")
    init.add_argument("--offline", type=Path, metavar="DIR", help="where keys are put that are then carried away")
    init.add_argument("--dry-run", action="store_true", help="tell what would be made")
    add_passphrases(init)
    replace = add_command(actions, "replace", _replace, "put a new key in an old one's place", keys=True)
    replace.add_argument("role", choices=ROLES, metavar="ROLE", help=", ".join(ROLES))
    replace.add_argument("--key-id", default="", metavar="ID", help="the beginning of the old key's id")
    replace.add_argument("--offline", type=Path, metavar="DIR", help="where a key is put that is then carried away")


def _init(arguments: argparse.Namespace) -> int:
    """Make keys of root (3, of which 2 sign), targets, heads, snapshot and timestamp, and an empty repository."""
    from trainer.releases.assemble import Places
    from trainer.releases.ceremony import make_all, online_roles, plan_keys

    settings = load_trainer_settings(arguments.settings)
    places = Places.of(settings)
    offline = arguments.offline or places.offline
    keys = plan_keys(settings, offline)
    root = places.repository / "metadata" / "1.root.json"
    if not arguments.dry_run:
        passphrase = asked_passphrases(arguments).new(f"the keys in {offline}")
        root = make_all(settings, keys, passphrase)
    away = [str(key.file) for key in keys if key.role not in online_roles(settings)]
    here = [str(key.file) for key in keys if key.role in online_roles(settings)]
    outcome = {"root": str(root), "carry_away": away, "stay": here, "made": not arguments.dry_run}
    verb = "would be made" if arguments.dry_run else "made"
    return tell(
        arguments,
        outcome,
        f"{verb}, to be carried away, root's to three places: {', '.join(away)}",
        f"{verb}, to stay, since the trainer signs with them: {', '.join(here)}",
        f"doors trust {root}: `doorward releases trust` on each",
    )


def _replace(arguments: argparse.Namespace) -> int:
    """Make a new key for a role; doors accept it with the next look, and nothing any more that the old one signs."""
    from trainer.releases.assemble import Places, key_folders
    from trainer.releases.ceremony import online_roles, replace_key

    settings = load_trainer_settings(arguments.settings)
    places, given = Places.of(settings), given_keys(arguments)
    offline = arguments.offline or places.offline
    folder = places.online if arguments.role in online_roles(settings) else offline
    keys = key_folders(settings, given)
    made = replace_key(settings, arguments.role, arguments.key_id, folder, keys, asked_passphrases(arguments))
    outcome = {"role": made.role, "key_id": made.signer.public_key.keyid, "file": str(made.file)}
    return tell(arguments, outcome, f"{made.role}: {made.file} is in force; destroy the old one")
