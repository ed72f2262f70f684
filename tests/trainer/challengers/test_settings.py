"""Settings of a challenger that cannot be are refused with their name, before anything is trained."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trainer.challengers.settings import ChallengerSettings
from trainer.challengers.strategy import StrategyError, check_workers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("identity_weight", -1.0),
        ("teacher_weight", float("nan")),
        ("previous_weight", float("inf")),
        ("scale", 0.0),
        ("temperature", float("nan")),
        ("learning_rate", -1e-3),
        ("margin", 1.0),
        ("whitening", 1.1),
        ("people", 1),
        ("views", 1),
        ("epochs", 0),
        ("patience", 0),
        ("seeds", 0),
        ("held_out", 0.0),
        ("held_out", 1.0),
        ("shrinkages", ()),
        ("shrinkages", (0.3, 1.5)),
        ("combine", "sum"),
        ("strategy", "cluster"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"challenger: {name} is ") as caught:
        ChallengerSettings(**{name: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"cluster": {}}',
        '{"cluster": {"worker": []}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": -1}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": "x"}}',
    ],
)
def test_workers_that_do_not_know_one_another_are_told_what_to_set(text: str) -> None:
    with pytest.raises(StrategyError, match="TF_CONFIG") as caught:
        check_workers(text)
    assert '"worker": ["HOST:PORT"' in str(caught.value)
    assert "\n" not in str(caught.value)


def test_workers_that_know_one_another_are_let_through() -> None:
    for index in (0, 1):
        task = {"type": "worker", "index": index}
        assert check_workers(json.dumps({"cluster": {"worker": ["a:1", "b:2"]}, "task": task})) == index
