"""What is handed to operators is what the program says of itself."""

from __future__ import annotations

import re
from pathlib import Path

from edge.settings.load import parse_settings
from edge.settings.text import example_toml
from trainer.settings import parse_trainer_settings, trainer_example_toml

DEPLOY = Path(__file__).parents[1] / "deploy"


def test_the_example_settings_are_current() -> None:
    assert (DEPLOY / "doorward.toml").read_text("utf-8") == example_toml()
    assert (DEPLOY / "trainer.toml").read_text("utf-8") == trainer_example_toml()


def test_the_example_settings_are_good_with_every_key_taken_in() -> None:
    text = re.sub(r"^#(?! )", "", (DEPLOY / "doorward.toml").read_text("utf-8"), flags=re.MULTILINE)
    settings = parse_settings(text, DEPLOY / "doorward.toml")
    assert settings.source == DEPLOY / "doorward.toml"


def test_the_trainer_s_example_is_good_with_every_key_taken_in() -> None:
    text = re.sub(r"^#(?! )", "", (DEPLOY / "trainer.toml").read_text("utf-8"), flags=re.MULTILINE)
    settings = parse_trainer_settings(text, DEPLOY / "trainer.toml")
    assert settings.source == DEPLOY / "trainer.toml"
