"""`doorward-trainer refresh` and `gate`: learn a head from the fleet's store, and show a report again.

A process of its own, so that TensorFlow's memory comes back. Exit codes: 0 a head is ready, or there is no reason for
one; 9 the gate refused what was learned, or another refresh runs; the others as `doorward`'s.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import RefusedError, StoreError
from edge.inference.spec import load_manifest
from edge.output import printable_lines
from edge.store.durable import FileLock, make_directory
from trainer.challengers.settings import ChallengerSettings
from trainer.gate import GateReport, GateRules
from trainer.gate_report import as_html, as_text, read_report
from trainer.known import known_dimensions
from trainer.progress import Bar
from trainer.settings import GateSettings, TrainerSettings, load_trainer_settings

if TYPE_CHECKING:
    from trainer.refresh import Refreshed, RefreshRules
    from trainer.store.records import Refresh
    from trainer.store.store import FleetStore
    from trainer.trials import TrialPerson

CANDIDATES = "candidates"
_LOCK = "refresh.lock"


def add_refresh_commands(subparsers: Any) -> None:
    """Register `refresh` and `gate`."""
    again = subparsers.add_parser(
        "refresh", help="learn a head from what the fleet enrolled", description=_refresh.__doc__
    )
    again.add_argument("--settings", type=Path, metavar="FILE", help="the trainer's settings")
    again.add_argument("--dry-run", action="store_true", help="learn and judge, and leave no head behind")
    again.add_argument(
        "--current", type=Path, metavar="FILE", help="description of the head in use; without it the published"
    )
    again.add_argument("--out", type=Path, metavar="DIR", help=f"where heads are put; without it STATE/{CANDIDATES}")
    again.add_argument("--json", action="store_true", help="tell the outcome as JSON")
    again.set_defaults(run=_refresh)
    gate = subparsers.add_parser("gate", help="show a gate's report, and check its decision", description=_gate.__doc__)
    gate.add_argument("report", type=Path, metavar="REPORT", help="a gate.json that refresh wrote")
    gate.add_argument("--html", type=Path, metavar="FILE", help="write it as a page")
    gate.add_argument("--json", action="store_true", help="decision and reasons as JSON")
    gate.set_defaults(run=_gate)


def _refresh(arguments: argparse.Namespace) -> int:
    """Add up who is new, choose how much the fleet may change the factory head, export the head and judge the file."""
    from trainer.challengers.strategy import helps_a_chief
    from trainer.refresh import clear_remains

    settings = load_trainer_settings(arguments.settings)
    strategy, folder = settings.refresh.challenger, settings.store.folder or Path()
    out = arguments.out or folder / CANDIDATES
    if strategy != "off" and helps_a_chief(strategy):
        return _help(arguments, settings)
    if arguments.dry_run:
        return _learn(arguments, settings, out)
    _check_folder(out)
    with _alone(folder):
        clear_remains(out)
        return _learn(arguments, settings, out)


def _learn(arguments: argparse.Namespace, settings: TrainerSettings, out: Path) -> int:
    from trainer.refresh import Sources, refresh
    from trainer.releases.published import published_head
    from trainer.store.open import open_fleet_store
    from trainer.strangers_folder import strangers_of

    manifest = load_manifest()
    embedder = manifest.pick("embedder", settings.refresh.embedder)
    outside: list[TrialPerson] = []
    if settings.gate.data is not None:
        outside = strangers_of(settings.gate.data, manifest, embedder, Bar("embedding strangers"))
    with open_fleet_store(settings.store, dimensions=known_dimensions(manifest)) as store:
        current = arguments.current or published_head(store, settings.store.folder or Path(), embedder.sha256)
        sources = Sources.of(embedder, out, current, tuple(outside))
        done = refresh(store, sources, _rules(settings), Bar, dry_run=arguments.dry_run)
        if not arguments.dry_run:
            with store.write() as writer:
                writer.refresh(_record(done, embedder.sha256))
        try:
            _publish(done, settings, store)
        finally:  # last, since nobody may be there to read it
            _tell(done, as_json=arguments.json, dry_run=arguments.dry_run)
    refused = done.report is not None and done.report.decision == "refuse"
    return RefusedError.exit_code if refused else 0


def _help(arguments: argparse.Namespace, settings: TrainerSettings) -> int:
    """As one of several workers: the chief alone writes, and has the lock."""
    from trainer.refresh import Sources, train_along
    from trainer.store.open import open_fleet_store

    manifest = load_manifest()
    sources = Sources.of(manifest.pick("embedder", settings.refresh.embedder), Path())
    with open_fleet_store(settings.store, make=False, dimensions=known_dimensions(manifest)) as store:
        train_along(store, sources, _rules(settings))
    words = "this worker trained along; the head is written by worker 0"
    print(json.dumps({"decision": None, "reasons": [words]}) if arguments.json else words)
    return 0


def _check_folder(out: Path) -> None:
    """Before hours of work, and without making it: nothing may come of them."""
    there = next(folder for folder in (out, *out.parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise StoreError(f"{out}: heads cannot be put there, {there} is no folder that takes files; name another --out")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While no other refresh of this state folder runs."""
    make_directory(folder)
    lock = FileLock(folder / _LOCK)
    if not lock.acquire():
        raise RefusedError(f"another refresh runs already (process {lock.holder}); wait until it has ended")
    try:
        yield
    finally:
        lock.release()


def _publish(done: Refreshed, settings: TrainerSettings, store: FleetStore) -> None:
    """In mode auto, what the gate lets through."""
    if settings.releases.mode != "auto" or done.folder is None or done.report is None:
        return
    if done.report.decision == "replace":
        from trainer.releases.automatic import publish_by_itself

        print(publish_by_itself(settings, store, done.folder), file=sys.stderr)


def _gate(arguments: argparse.Namespace) -> int:
    """Read a report, see that its decision follows from its figures, and show it. Exit code 9 if it refuses."""
    report, about = read_report(arguments.report)
    if arguments.html is not None:
        arguments.html.write_text(as_html(report, about), "utf-8", "backslashreplace")
    print(json.dumps(_decided(report)) if arguments.json else printable_lines(as_text(report)))
    return RefusedError.exit_code if report.decision == "refuse" else 0


def _rules(settings: TrainerSettings) -> RefreshRules:
    from trainer.refresh import RefreshRules

    target, strategy = settings.refresh.target_fpir, settings.refresh.challenger
    challenger = None if strategy == "off" else ChallengerSettings(strategy=strategy)
    return RefreshRules(target_fpir=target, challenger=challenger, gate=replace(gate_rules(settings.gate), fpir=target))


def gate_rules(settings: GateSettings) -> GateRules:
    """What the settings ask of a candidate."""
    return GateRules(
        clean_worse=settings.clean_worse,
        realised_fpir=settings.realised_fpir,
        realised_most=2 * settings.realised_fpir,
        flips=settings.flips,
        bytes=settings.max_kib * 1024,
    )


def _record(done: Refreshed, embedder: str) -> Refresh:
    from trainer.store.records import Refresh

    decision = done.report.decision if done.report is not None else "keep"
    report = str(done.folder / "gate.json") if done.folder is not None else None
    counts: dict[str, float] = {"people": done.people, "new": done.new, "chosen by": done.choice.people}
    return Refresh(time.time(), embedder, decision, done.candidate, report, counts)


def _decided(report: GateReport) -> dict[str, Any]:
    return {"decision": report.decision, "reasons": list(report.reasons)}


def _tell(done: Refreshed, *, as_json: bool, dry_run: bool) -> None:
    if as_json:
        print(json.dumps(_outcome(done)))
        return
    print(f"{done.people} people, {done.new} of them new")
    if done.report is None:
        print(done.words)
        return
    print(printable_lines(f"candidate {done.candidate}\n{as_text(done.report)}"))
    if done.folder is not None and done.report.decision == "replace":
        print(f"\nready to sign: {done.folder}")
    elif done.folder is not None:
        print(f"\nkept for a look: {done.folder}")
    elif dry_run:
        print("\ndry run: nothing was kept")


def _outcome(done: Refreshed) -> Mapping[str, Any]:
    folder = None if done.folder is None else str(done.folder)
    told = {"people": done.people, "new": done.new, "candidate": done.candidate, "folder": folder}
    return told | ({"decision": "keep", "reasons": [done.words]} if done.report is None else _decided(done.report))
