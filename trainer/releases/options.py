"""Options that the commands about releases share, and what they say of keys. Loads nothing of TUF."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.releases.passphrases import Passphrases, at_terminal, read_descriptor, read_passphrase

if TYPE_CHECKING:
    from trainer.releases.assemble import GivenKeys

ROLES = ("root", "targets", "heads", "snapshot", "timestamp")


def add_command(subparsers: Any, name: str, run: Any, words: str, *, keys: bool = False) -> argparse.ArgumentParser:
    """A command with `--settings` and `--json`; with keys also where those are found."""
    parser: argparse.ArgumentParser = subparsers.add_parser(name, help=words, description=run.__doc__)
    parser.add_argument("--settings", type=Path, metavar="FILE", help="the trainer's settings")
    parser.add_argument("--json", action="store_true", help="tell the outcome as JSON")
    if keys:
        parser.add_argument(
            "--keys",
            type=Path,
            action="append",
            default=[],
            metavar="DIR",
            help="a folder with keys; as often as needed",
        )
        add_passphrases(parser)
    parser.set_defaults(run=run)
    return parser


def add_passphrases(parser: argparse.ArgumentParser) -> None:
    """Where passphrases come from; without either they are asked for at the terminal."""
    parser.add_argument(
        "--passphrase-file", type=Path, action="append", default=[], metavar="FILE", help="its first line opens keys"
    )
    parser.add_argument(
        "--passphrase-fd", type=int, action="append", default=[], metavar="N", help="an open descriptor gives one"
    )


def add_release(parser: argparse.ArgumentParser, words: str) -> None:
    """RELEASE, which may be left out."""
    parser.add_argument("release", nargs="?", metavar="RELEASE", help=words)


def given_passphrases(arguments: argparse.Namespace) -> list[bytes]:
    """Those of files and descriptors. Raises: SettingsError."""
    read = [read_passphrase(file) for file in arguments.passphrase_file]
    return read + [read_descriptor(number) for number in arguments.passphrase_fd]


def asked_passphrases(arguments: argparse.Namespace) -> Passphrases:
    """For keys that are to be made. Raises: SettingsError."""
    return Passphrases(given_passphrases(arguments), at_terminal())


def given_keys(arguments: argparse.Namespace) -> GivenKeys:
    """What was named on the command line. Raises: SettingsError."""
    from trainer.releases.assemble import GivenKeys

    return GivenKeys(tuple(arguments.keys), tuple(given_passphrases(arguments)), at_terminal())


def tell(arguments: argparse.Namespace, outcome: dict[str, Any], *lines: str) -> int:
    """Print one or the other; exit code 0."""
    print(json.dumps(outcome, indent=1) if arguments.json else "\n".join(lines))
    return 0
