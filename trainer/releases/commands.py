"""`doorward-trainer release` and `fleet`: sign heads, let them go to doors ring by ring, and see what became of it.

TUF and the database are loaded by the commands that need them, so that help and errors come at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import RefusedError
from edge.log import setup_logging
from trainer.releases.options import ROLES, add_command, add_release, given_keys, tell
from trainer.settings import TrainerSettings, load_trainer_settings

if TYPE_CHECKING:
    from trainer.releases.keys import KeyFolders
    from trainer.releases.releaser import Releaser
    from trainer.store.release_records import Release
    from trainer.store.store import FleetStore

_WITHDRAWN = "withdrawn by an operator"


def add_release_commands(subparsers: Any) -> None:
    """Register `release` and `fleet`."""
    release = subparsers.add_parser("release", help="sign heads, and let them go to doors ring by ring")
    actions = release.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    _add_signing(actions)
    _add_steering(actions)
    fleet = add_command(subparsers, "fleet", _fleet, "each door's release, and how far it is with the next")
    fleet.add_argument("--unwell", action="store_true", help="only doors that failed, refused, or cannot take it")


def _add_signing(actions: Any) -> None:
    sign = add_command(actions, "sign", _sign, "sign a head that refresh left", keys=True)
    sign.add_argument("folder", type=Path, metavar="FOLDER", help="a candidate's folder")
    sign.add_argument("--even-refused", metavar="REASON", help="although the gate did not let it through; kept with it")
    sign.add_argument("--replaces", default="", metavar="SHA256", help="of an embedder release: the embedder that goes")
    publish = add_command(
        actions, "publish", _publish, "let the doors of the first ring have what was signed", keys=True
    )
    add_release(publish, "without it the newest that was signed")
    publish.add_argument("--rings", metavar="RINGS", help="instead of those of the settings")
    withdraw = add_command(actions, "withdraw", _withdraw, "take a release back", keys=True)
    add_release(withdraw, "without it the newest that was published")
    rollback = add_command(actions, "rollback", _rollback, "publish the release before, to all doors", keys=True)
    rollback.add_argument("--to", metavar="RELEASE", help="another than the one before")
    for one in (withdraw, rollback):
        one.add_argument("--why", default=_WITHDRAWN, metavar="TEXT", help="kept with it")
    renew = add_command(actions, "renew", _renew, "sign roles anew, so that they expire later", keys=True)
    renew.add_argument(
        "roles", nargs="*", metavar="ROLE", help="without any those that are due and whose keys are here"
    )
    for one in (sign, publish, withdraw, rollback, renew):
        one.add_argument("--dry-run", action="store_true", help="tell what would be done")


def _add_steering(actions: Any) -> None:
    promote = add_command(actions, "promote", _promote, "let a release go to its next ring now")
    promote.add_argument("--all", action="store_true", help="to all rings")
    pause = add_command(actions, "pause", _pause, "let no further ring have it")
    resume = add_command(actions, "resume", _resume, "go on with what was paused or stopped")
    for one in (promote, pause, resume):
        add_release(one, "without it the one that is under way")
    add_command(actions, "status", _status, "signatures, releases, rings, and what they wait for")


def _sign(arguments: argparse.Namespace) -> int:
    """Check a candidate against its gate's report, give it a counter and sign it. No door sees it before `publish`."""
    with _open(arguments, keys=True) as at:
        description = at.releaser.sign(
            arguments.folder,
            replaces=arguments.replaces,
            even_refused=arguments.even_refused,
            dry_run=arguments.dry_run,
        )
    from trainer.releases.text import description_json

    verb = "would be signed" if arguments.dry_run else "signed"
    line = f"{description.release}: {verb} with counter {description.counter}, {description.total:,} bytes"
    return tell(arguments, description_json(description) | {"signed": not arguments.dry_run}, line)


def _publish(arguments: argparse.Namespace) -> int:
    """Publish a signed release. The doors of its first ring are told within seconds by `ingest`."""
    with _open(arguments, keys=True) as at:
        if arguments.dry_run:
            found, plan = at.releaser.plan(arguments.release, arguments.rings)
            rings = sorted(plan.items(), key=lambda item: (item[1], item[0]))
            lines = [f"{found.id}: would be published to", *(f"  ring {ring}  {door}" for door, ring in rings)]
            return tell(arguments, {"release": found.id, "plan": dict(rings), "published": False}, *lines)
        return _tell_release(arguments, at, at.releaser.publish(arguments.release, arguments.rings))


def _promote(arguments: argparse.Namespace) -> int:
    """Open the next ring without waiting for the rules."""
    from trainer.releases.steering import promote

    with _open(arguments) as at:
        return _tell_release(arguments, at, promote(at.store, arguments.release, everybody=arguments.all))


def _pause(arguments: argparse.Namespace) -> int:
    """No further ring is opened; doors that were told go on."""
    from trainer.releases.steering import pause

    with _open(arguments) as at:
        return _tell_release(arguments, at, pause(at.store, arguments.release))


def _resume(arguments: argparse.Namespace) -> int:
    """Go on with a rollout that was paused or stopped; doors that failed until now do not count any more."""
    from trainer.releases.steering import resume

    with _open(arguments) as at:
        return _tell_release(arguments, at, resume(at.store, arguments.release))


def _withdraw(arguments: argparse.Namespace) -> int:
    """Sign that a release is withdrawn; doors that are not done with it go back to what they had."""
    with _open(arguments, keys=True) as at:
        if arguments.dry_run:
            found = at.releaser.published(arguments.release)
            return tell(arguments, {"release": found.id, "withdrawn": False}, f"{found.id}: would be withdrawn")
        return _tell_release(arguments, at, at.releaser.withdraw(arguments.release, arguments.why))


def _rollback(arguments: argparse.Namespace) -> int:
    """Withdraw the newest release and publish the one before it, or the shipped head, to every door at once."""
    from trainer.releases.shipped import shipped_head

    with _open(arguments, keys=True) as at:
        newest = at.releaser.published(None, even_withdrawn=True)
        factory = shipped_head(newest.description.compatible)
        if arguments.dry_run:
            head = at.releaser.former(newest, factory, arguments.to).head
            told = {"withdraw": newest.id, "publish": head, "published": False}
            return tell(arguments, told, f"{newest.id}: would be withdrawn, and {head} published to every door")
        return _tell_release(arguments, at, at.releaser.roll_back(factory, arguments.why, arguments.to))


def _renew(arguments: argparse.Namespace) -> int:
    """Sign roles anew. Those whose keys the server has are renewed by `ingest` as well, by itself."""
    if unknown := [role for role in arguments.roles if role not in ROLES]:
        raise RefusedError(f"{unknown[0]}: is no role; there are {', '.join(ROLES)}")
    with _open(arguments, keys=True) as at:
        roles = list(arguments.roles) or [role for role in at.releaser.due() if role in at.keys.roles()]
        if not arguments.dry_run:
            at.releaser.renew(roles)
        words = ", ".join(roles) or "nothing is due whose keys are here"
        verb = "would be renewed" if arguments.dry_run else "renewed"
        return tell(arguments, {"roles": roles, "renewed": not arguments.dry_run}, f"{verb}: {words}")


def _status(arguments: argparse.Namespace) -> int:
    """Signatures and how long they hold, releases, their rings, and what each waits for."""
    from trainer.releases.assemble import Places, now, rollout_rules
    from trainer.releases.repository import Repository
    from trainer.releases.steering import standings
    from trainer.releases.text import role_lines, roles_json, standing_json, standing_lines

    with _open(arguments) as at:
        trusted = Repository(Places.of(at.settings).repository).read()
        found, due, time = standings(at.store, rollout_rules(at.settings.releases)), at.releaser.due(), now()
    outcome = {"roles": roles_json(trusted, time), "due": due, "releases": [standing_json(one) for one in found]}
    lines = [line for one in found for line in standing_lines(one)] or ["nothing was signed yet"]
    return tell(arguments, outcome, "signatures", *role_lines(trusted, due, time), *lines)


def _fleet(arguments: argparse.Namespace) -> int:
    """Each door: the release in force, the one that it is to have, its ring, state, attempt, and its reason."""
    from trainer.releases.steering import fleet_rows
    from trainer.releases.text import fleet_json, fleet_lines
    from trainer.store.open import open_fleet_store

    setup_logging("warning")
    with open_fleet_store(load_trainer_settings(arguments.settings).store, make=False) as store:
        rows = fleet_rows(store)
    if arguments.unwell:
        rows = [row for row in rows if row.unwell]
    lines = fleet_lines(rows) if rows else ["no door to show"]
    return tell(arguments, {"doors": [fleet_json(row) for row in rows]}, *lines)


@dataclass(frozen=True, slots=True)
class _Opened:
    """What a command works with."""

    settings: TrainerSettings
    store: FleetStore
    releaser: Releaser
    keys: KeyFolders


@contextmanager
def _open(arguments: argparse.Namespace, *, keys: bool = False) -> Iterator[_Opened]:
    """keys: those that the command line names are wanted, too."""
    from trainer.releases.assemble import Places, key_folders, releaser_of
    from trainer.releases.repository import Repository
    from trainer.store.open import open_fleet_store

    setup_logging("warning")
    settings = load_trainer_settings(arguments.settings)
    places = Places.of(settings)
    if not Repository(places.repository).exists:
        raise RefusedError(f"{places.repository}: no repository is there yet; `doorward-trainer keys init` makes it")
    found = key_folders(settings, given_keys(arguments) if keys else None)
    with open_fleet_store(settings.store) as store:
        yield _Opened(settings, store, releaser_of(settings, store, found), found)


def _tell_release(arguments: argparse.Namespace, at: _Opened, release: Release) -> int:
    from trainer.releases.assemble import rollout_rules
    from trainer.releases.steering import standings
    from trainer.releases.text import standing_json, standing_lines

    rules = rollout_rules(at.settings.releases)
    standing = next(one for one in standings(at.store, rules) if one.release.id == release.id)
    return tell(arguments, standing_json(standing), *standing_lines(standing))
