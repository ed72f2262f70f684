"""`doorward-trainer distribute`: the published repository to the doors, from the command line."""

from __future__ import annotations

import argparse
import re
from typing import Any

from edge.errors import SettingsError
from edge.log import setup_logging
from trainer.ingest.commands import add_settings_option
from trainer.settings import load_trainer_settings

_WORKER = re.compile("[A-Za-z0-9_-]{1,16}")


def add_distribute_commands(subparsers: Any) -> None:
    """Register `distribute`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "distribute", help="serve the published releases to the doors, until stopped", description=_distribute.__doc__
    )
    add_settings_option(parser)
    parser.add_argument("--worker", default="", metavar="NAME", help="this worker's name, where several run")
    parser.set_defaults(run=_distribute)


def _distribute(arguments: argparse.Namespace) -> int:
    """Serve the repository's files in pieces over the broker. Needs no key. Ends on SIGTERM and Ctrl-C."""
    from trainer.distribute.run import run_distribute

    if arguments.worker and not _WORKER.fullmatch(arguments.worker):
        raise SettingsError(f"--worker {arguments.worker!r}: must be 1 to 16 of a-z, A-Z, 0-9, _ and -")
    settings = load_trainer_settings(arguments.settings)
    setup_logging(settings.log.level, settings.log.format)
    run_distribute(settings, arguments.worker)
    return 0
