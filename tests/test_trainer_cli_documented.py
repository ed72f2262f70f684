"""docs/trainer-commands.md tells of every command and option of the trainer, and its examples can be typed."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainer.cli import parser

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "trainer-commands.md").read_text(encoding="utf-8")
SECTIONS = {part.split(maxsplit=1)[0]: part for part in TEXT.split("\n## doorward-trainer ")[1:]}
EXAMPLES = re.findall(r"^    doorward-trainer (.+)$", TEXT, re.MULTILINE)


def subcommands(of: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def words_of(command: argparse.ArgumentParser) -> Iterator[str]:
    for name, inner in subcommands(command).items():
        yield name
        yield from words_of(inner)
    for action in command._actions:
        if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction):
            yield from action.option_strings


@pytest.mark.parametrize("command", subcommands(parser()))
def test_every_command_is_told_with_all_that_it_takes(command: str) -> None:
    missing = {word for word in words_of(subcommands(parser())[command]) if not re.search(rf"{word}\b", TEXT)}
    assert command in SECTIONS
    assert not missing


def test_no_command_and_no_option_is_told_that_there_is_not() -> None:
    commands = subcommands(parser())
    assert set(SECTIONS) == set(commands)
    known = {word for command in commands.values() for word in words_of(command)} | {"--help", "--version"}
    assert set(re.findall(r"--[a-z][a-z0-9-]*", TEXT)) <= known


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_can_be_typed(example: str) -> None:
    assert callable(parser().parse_args(shlex.split(example)).run)
