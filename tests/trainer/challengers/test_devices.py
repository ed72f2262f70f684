"""A challenger trained by several processes or devices: one head for all, and a worker that is lost is told of."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tensorflow", reason="needs the trainer extra")
pytestmark = [pytest.mark.tensorflow, pytest.mark.scenario]

ROOT = Path(__file__).resolve().parents[3]
WORKER = ROOT / "tests/fakes/challenger_worker.py"


def test_two_workers_end_with_one_head_and_one_of_them_is_the_chief(tmp_path: Path) -> None:
    hosts = [f"127.0.0.1:{port}" for port in _free_ports(2)]
    workers = [_start("workers", tmp_path / f"{n}.json", _config(hosts, n)) for n in range(2)]
    told = [_answer(worker, tmp_path / f"{n}.json") for n, worker in enumerate(workers)]
    assert told[0]["transform"] == told[1]["transform"]
    assert told[0]["id"] == told[1]["id"]
    assert told[0]["epochs"][0] > 0
    assert [answer["chief"] for answer in told] == [True, False]
    alone = _answer(_start("one", tmp_path / "one.json", ""), tmp_path / "one.json")
    assert alone["challenger_loss"] == pytest.approx(told[0]["challenger_loss"], rel=0.02)
    # Each worker saw half of every batch, so one alone comes to other numbers.
    assert alone["transform"] != told[0]["transform"]


def test_two_devices_of_one_machine_train_together(tmp_path: Path) -> None:
    told = _answer(_start("two devices", tmp_path / "a.json", ""), tmp_path / "a.json")
    alone = _answer(_start("one", tmp_path / "b.json", ""), tmp_path / "b.json")
    assert told["epochs"][0] > 0
    assert told["challenger_loss"] == pytest.approx(alone["challenger_loss"], rel=0.02)


def test_a_worker_left_alone_says_so_in_one_line(tmp_path: Path) -> None:
    hosts = [f"127.0.0.1:{port}" for port in _free_ports(2)]
    first, second = (_start("workers for long", tmp_path / f"{n}.json", _config(hosts, n)) for n in range(2))
    for line in second.stderr or ():
        if line.startswith("begun"):
            break
    second.kill()
    second.communicate()
    _, error = first.communicate(timeout=180)
    assert first.returncode == 1
    assert "a worker that TF_CONFIG names was lost" in error.splitlines()[-1]


def test_workers_without_a_configuration_end_at_once(tmp_path: Path) -> None:
    worker = _start("workers", tmp_path / "a.json", "")
    _, error = worker.communicate(timeout=60)
    assert worker.returncode == 1
    assert "several workers need TF_CONFIG" in error.splitlines()[-1]


def _start(mode: str, answer: Path, config: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "TF_CONFIG": config} if config else os.environ
    command = [sys.executable, str(WORKER), mode, str(answer)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def _answer(worker: subprocess.Popen[str], file: Path) -> dict[str, Any]:
    _, error = worker.communicate(timeout=180)
    assert worker.returncode == 0, error
    answer: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return answer


def _config(hosts: list[str], number: int) -> str:
    return json.dumps({"cluster": {"worker": hosts}, "task": {"type": "worker", "index": number}})


def _free_ports(count: int) -> list[int]:
    taken = [socket.socket() for _ in range(count)]
    for one in taken:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in taken]
    for one in taken:
        one.close()
    return ports
