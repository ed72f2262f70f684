"""`doorward-trainer head build`: learns from a fleet list what doors score with, and writes it beside the embedder.

Parses, embeds and prints; the learning is `distill.py`'s.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from edge.errors import ModelError
from edge.inference.embedder import Embedder
from edge.inference.spec import SHIPPED, Manifest, load_manifest
from trainer.calibrate import public_scale
from trainer.distill import distill
from trainer.export import export
from trainer.fleet_faces import STRANGERS_LIST, PersonViews, embed_people, fleet_files
from trainer.head_files import write_cohort
from trainer.progress import Bar
from trainer.settle import settle, statistics_of, trial_of
from trainer.trials import TrialPerson

_NIGHT_VIEWS = 2
# What doors are told unless an operator says otherwise, and a table of the size that benches report.
_TARGET_FPIR, _TABLE = 0.01, 20
_TRIED = 100  # people whose pictures the exported file is compared on


def add_head_commands(subparsers: Any) -> None:
    """Register `head` and what is below it."""
    head = subparsers.add_parser("head", help="learn what doors score with")
    actions = head.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    build = actions.add_parser("build", help="learn head and cohort from a fleet list", description=_build.__doc__)
    build.add_argument("--data", type=Path, required=True, metavar="DIR", help="a folder with lists/ and lfw/")
    build.add_argument("--models", type=Path, default=SHIPPED, metavar="DIR", help="where the embedder is")
    build.add_argument("--embedder", default="", metavar="NAME", help="another than the default")
    build.set_defaults(run=_build)


def _build(arguments: argparse.Namespace) -> int:
    """Embed the fleet list's pictures, clean and as seen at night, and write head and cohort beside the embedder."""
    manifest = load_manifest(arguments.models)
    spec = manifest.pick("embedder", arguments.embedder)
    people = fleet_files(arguments.data)
    embedder = Embedder(spec)
    bar = Bar("embedding people")
    done = list(
        embed_people(
            people.values(),
            manifest,
            embedder,
            night_views=_NIGHT_VIEWS,
            progress=lambda number: bar(number, len(people)),
        )
    )
    try:
        settled = settle(done, spec.sha256, progress=Bar("trying how to learn"))
        head = distill(statistics_of(done), spec.sha256, settled.settings)
        strangers = _strangers(arguments.data, manifest, embedder)
        if strangers:
            trials = [trial_of(str(number), views) for number, views in enumerate(done)]
            head = public_scale(head, trials, strangers, _TARGET_FPIR, _TABLE)
        exported = export(head, spec.path.parent, spec.name, [view for views in done[:_TRIED] for view in views.clean])
        cohort = write_cohort(spec, [e.x for views in done for e in views.clean])
    except ValueError as error:
        raise ModelError(f"{arguments.data}: {error}") from error
    print(f"{spec.name}: {head.id} learned from {len(done)} people, {_pictures(done)} pictures")
    for settings, cost in settled.costs:
        print(f"  cost {cost:.3f} of {settings}{'  (taken)' if settings == settled.settings else ''}")
    print(f"  strangers: the target is divided by {head.fpir_scale:.2f}{'' if strangers else ' (nobody to count)'}")
    for parity in exported.tried:
        print(f"  {parity}{'' if parity.weights == exported.weights else '  (not used)'}")
    print("written: " + ", ".join(str(file) for file in (exported.description, exported.model, cohort)))
    return 0


def _strangers(data: Path, manifest: Manifest, embedder: Embedder) -> list[TrialPerson]:
    """The list of strangers that is there to calibrate by, clean and by night; nobody where there is no such list."""
    file = data / "lists" / STRANGERS_LIST
    if not file.is_file():
        return []
    pictures = [[data / "lfw" / line] for line in file.read_text("utf-8").splitlines() if line and line[0] != "#"]
    bar = Bar("embedding strangers")
    seen = embed_people(pictures, manifest, embedder, night_views=1, progress=lambda number: bar(number, len(pictures)))
    return [TrialPerson(str(number), (), views.clean, views.night) for number, views in enumerate(seen)]


def _pictures(done: list[PersonViews]) -> int:
    return sum(len(views.clean) for views in done)
