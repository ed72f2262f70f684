from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.errors import DoorwardError
from edge.inference import machine
from edge.inference.machine import commit, memory_mb, this_machine


def test_this_process_has_memory_and_its_most_is_no_less_than_what_it_has_now() -> None:
    now, most = memory_mb(), memory_mb("VmHWM")
    assert 1 < now <= most
    assert memory_mb(process=os.getpid()) == pytest.approx(now, rel=0.2)


def test_a_process_that_is_gone_is_named() -> None:
    with pytest.raises(DoorwardError, match="/proc/4194305/status"):  # above the largest process id that Linux gives
        memory_mb(process=4194305)


def test_the_machine_names_its_processor_and_the_runtime_it_was_told() -> None:
    found = this_machine("some-runtime 1.0")
    assert found["runtime"] == "some-runtime 1.0"
    assert found["cpu"]
    assert int(found["cores"]) >= 1


def test_sources_outside_a_checkout_have_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_SOURCES", tmp_path)
    assert commit() == "unknown"
