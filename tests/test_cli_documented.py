"""docs/commands.md tells of every command, every option and every exit code, and its examples can be typed."""

from __future__ import annotations

import argparse
import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import edge.errors
from edge.cli import _COMMANDS, parser
from edge.errors import DoorwardError

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
CODES = {int(code): words for code, words in re.findall(r"^\| (\d+) \| (.+) \|$", TEXT, re.MULTILINE)}
SECTIONS = {part.split(maxsplit=1)[0]: part for part in TEXT.split("\n## doorward ")[1:]}


def subcommands(of: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def words_of(command: argparse.ArgumentParser) -> Iterator[str]:
    """What a reader would have to type: options, subcommands, fixed words and placeholders."""
    for name, inner in subcommands(command).items():
        yield name
        yield from words_of(inner)
    for action in command._actions:
        if isinstance(action, argparse._HelpAction | argparse._SubParsersAction):
            continue
        yield from action.option_strings
        yield from action.choices or ()
        if action.metavar is not None and not action.choices:
            yield str(action.metavar)


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_is_told_with_all_that_it_takes(command: str) -> None:
    missing = {
        word for word in words_of(subcommands(parser())[command]) if not re.search(rf"{word}\b", SECTIONS[command])
    }
    assert not missing


def test_no_command_is_told_that_there_is_not() -> None:
    assert set(SECTIONS) == set(_COMMANDS) == set(subcommands(parser()))


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_option_that_is_told_is_there(command: str) -> None:
    told = set(re.findall(r"--[a-z][a-z-]*", SECTIONS[command]))
    assert told <= set(words_of(subcommands(parser())[command]))


@pytest.mark.parametrize("command", _COMMANDS)
def test_each_has_an_example_that_can_be_typed(command: str) -> None:
    examples = re.findall(r"^    doorward (.+)$", SECTIONS[command], re.MULTILINE)
    assert len(examples) == 1
    typed = parser().parse_args(shlex.split(examples[0]))
    assert typed.command == command
    assert callable(typed.run)


def test_every_exit_code_is_told_and_no_other() -> None:
    errors = [kind for _, kind in inspect.getmembers(edge.errors, inspect.isclass) if issubclass(kind, DoorwardError)]
    assert len(errors) > 5
    assert set(CODES) == {0, 130} | {kind.exit_code for kind in errors}


def test_the_help_tells_the_same_codes() -> None:
    told = re.findall(r"(\d+) [a-z]", parser().format_help().partition("Exit codes: ")[2])
    assert [int(code) for code in told] == sorted(CODES)


def test_what_every_command_takes_is_told_once() -> None:
    head = TEXT.partition("\n## ")[0]
    assert all(word in head for word in ("--settings FILE", "--help", "--version", "DOORWARD_DEBUG=1"))
