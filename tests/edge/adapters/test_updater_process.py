"""The updater's process as the daemon has it: its lines come as news, its end always does, and it can be ended."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from edge.adapters.updater_process import UpdaterProcess, told_of
from edge.inbox import Inbox
from edge.update.machine import Target
from edge.update.news import ChildEnded, ChildTold, News
from edge.update.updater import Told
from tests.fakes.world import wait_until

TARGET = Target(release="plda-1", kind="head", counter=3)


class Saying(UpdaterProcess):
    """Runs a few lines of Python in place of the updater."""

    code = ""

    def _command(self, target: Target) -> list[str]:
        return [sys.executable, "-c", self.code]


def news_of(code: str, *, settings: Path | None = None) -> list[News]:
    inbox: Inbox[News] = Inbox()
    process = Saying(settings, inbox.put)
    process.code = code
    process.start(TARGET)
    wait_until(lambda: not process.running, "ended")
    return inbox.drain()


def test_each_line_is_news_and_so_is_the_end() -> None:
    lines = [{"step": "downloading", "release": "plda-1", "progress": 0.5}, {"step": "refused", "release": "plda-1"}]
    code = "\n".join(f"print({json.dumps(line)!r}, flush=True)" for line in lines)
    assert news_of(code) == [
        ChildTold(Told("downloading", "plda-1", 0.5)),
        ChildTold(Told("refused", "plda-1")),
        ChildEnded(None),
    ]


def test_what_it_complained_of_last_is_why_it_ended() -> None:
    code = "import sys; print('first\\nno root is trusted', file=sys.stderr); sys.exit(6)"
    assert news_of(code) == [ChildEnded("no root is trusted")]


def test_an_end_without_a_word_has_its_code() -> None:
    assert news_of("import os; os.abort()") == [ChildEnded("the updater ended with code -6 and without a word")]


def test_one_that_cannot_be_started_is_news_too() -> None:
    class Missing(Saying):
        def _command(self, target: Target) -> list[str]:
            return ["/nowhere/python"]

    inbox: Inbox[News] = Inbox()
    process = Missing(None, inbox.put)
    process.start(TARGET)
    wait_until(lambda: not process.running, "ended")
    (ended,) = inbox.drain()
    assert isinstance(ended, ChildEnded)
    assert ended.problem is not None
    assert ended.problem.startswith("the updater could not be run (FileNotFoundError")


def test_one_at_a_time_and_it_ends_when_it_is_told_to() -> None:
    inbox: Inbox[News] = Inbox()
    process = Saying(None, inbox.put)
    process.code = 'import time; print(\'{"step": "verifying", "release": "plda-1"}\', flush=True); time.sleep(60)'
    process.start(TARGET)
    told: list[News] = []

    def spoke() -> bool:
        told.extend(inbox.drain())
        return bool(told)

    wait_until(spoke, "it speaks")
    process.start(TARGET)
    process.close()
    assert not process.running
    assert [*told, *inbox.drain()] == [ChildTold(Told("verifying", "plda-1")), ChildEnded("it was stopped")]


def test_the_updater_itself_is_what_is_run(tmp_path: Path) -> None:
    """With settings that it cannot use, so that it ends at once with its own line."""
    settings = tmp_path / "doorward.toml"
    settings.write_text("[mqtt]\nenabled = false\n")
    inbox: Inbox[News] = Inbox()
    process = UpdaterProcess(settings, inbox.put)
    process.start(TARGET)
    wait_until(lambda: not process.running, "ended")
    assert inbox.drain() == [ChildEnded("releases come over MQTT: set [mqtt] enabled = true")]


@pytest.mark.parametrize(
    "line",
    ["", "nonsense", "[]", '{"step": "flying"}', '{"step": "idle", "progress": "much"}', '{"step": []}', "{" * 9999],
)
def test_a_line_that_says_nothing_is_passed_over(line: str) -> None:
    assert told_of(line) is None


def test_what_a_line_says_is_bounded() -> None:
    body: dict[str, Any] = {
        "step": "failed",
        "release": "plda-1",
        "progress": 7.0,
        "reason": "a\nb" * 500,
        "missing_layers": ["x" * 100] * 20,
    }
    told = told_of(json.dumps(body))
    assert told is not None
    assert told.progress == 1.0
    assert told.reason is not None
    assert len(told.reason) == 300
    assert "\n" not in told.reason
    assert told.missing_layers == ("x" * 64,) * 8
