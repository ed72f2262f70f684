"""What a process that tries a release on cannot do, and how it ends when it tries to use up what there is."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from edge.update.confine import own_files
from edge.update.sandbox import Ended, run_apart
from edge.update.seccomp import assemble
from edge.update.syscalls import calls_of, machine_here

PRISONER = "tests.fakes.prisoner"
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """A folder that may be read, and beside it a file that may not."""
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "given.txt").write_text("given")
    (tmp_path / "secret.key").write_text("secret")
    return {"secret": str(tmp_path / "secret.key"), "shared": str(shared)}


def imprisoned(places: dict[str, str], do: str, wall_s: float = 60.0, **limits: object) -> Ended:
    return run_apart(PRISONER, json.dumps({**places, **limits, "do": do}).encode(), wall_s)


def landlock_here() -> bool:
    return bool(ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), ctypes.c_uint32(1)) >= 1)


def test_this_kernel_has_every_layer(places: dict[str, str]) -> None:
    if not landlock_here():
        pytest.skip("no Landlock in this kernel")
    assert imprisoned(places, "return").said[0] == {"missing": []}


def test_nothing_gets_out(places: dict[str, str]) -> None:
    if not landlock_here():
        pytest.skip("no Landlock in this kernel")
    ended = imprisoned(places, "escape")
    assert ended.problem is None
    tried = ended.said[1]
    assert len(tried) > 25
    assert {name: how for name, how in tried.items() if how not in ("EPERM", "EACCES", "EAGAIN", "ENOSYS")} == {}
    assert Path(places["secret"]).read_text() == "secret"
    assert sorted(path.name for path in Path(places["shared"]).iterdir()) == ["given.txt"]
    assert Path(places["shared"], "given.txt").read_text() == "given"


def test_without_landlock_only_reading_is_left_and_its_lack_is_told(places: dict[str, str]) -> None:
    ended = imprisoned(places, "escape", without="landlock")
    assert ended.said[0]["missing"] == ["landlock: switched off"]
    done = {name for name, how in ended.said[1].items() if how == "done"}
    assert done <= {"read the secret", "list the secret's folder", "read passwords", "read the parent's environment"}


def test_without_seccomp_files_are_safe_and_its_lack_is_told(places: dict[str, str]) -> None:
    if not landlock_here():
        pytest.skip("no Landlock in this kernel")
    ended = imprisoned(places, "escape from files", without="seccomp")
    assert ended.said[0]["missing"] == ["seccomp: switched off"]
    files = {name: how for name, how in ended.said[1].items() if name.startswith(("read", "write", "make", "remove"))}
    assert len(files) > 8
    assert "done" not in files.values()


def test_what_a_runtime_needs_works(places: dict[str, str]) -> None:
    ended = imprisoned(places, "allowed")
    assert set(ended.said[1].values()) == {"done"}


@pytest.mark.parametrize("do", ["eat", "eat natively"])
def test_a_memory_bomb_ends_by_itself(places: dict[str, str], do: str) -> None:
    began_s = time.monotonic()
    ended = imprisoned(places, do)
    assert ended.problem is not None
    assert not ended.outside
    assert "MemoryError" in ended.problem or "SIGABRT" in ended.problem
    assert time.monotonic() - began_s < 30


def test_an_endless_loop_ends_by_its_processor_time(places: dict[str, str]) -> None:
    ended = imprisoned(places, "loop", cpu_s=1)
    assert (ended.problem, ended.outside) == ("it took more processor time than it may", False)


def test_an_endless_sleep_is_ended_from_outside(places: dict[str, str]) -> None:
    ended = imprisoned(places, "sleep", wall_s=1.5)
    assert (ended.problem, ended.outside) == ("it took too long and was ended", True)


def test_endless_talk_is_cut_off(places: dict[str, str]) -> None:
    ended = imprisoned(places, "talk", cpu_s=30)
    assert ended.problem == "it said more than 1048576 bytes and was ended"
    assert ended.said == ()


def test_a_crash_is_told_by_its_signal(places: dict[str, str]) -> None:
    ended = imprisoned(places, "crash")
    assert ended.problem is not None
    assert ended.problem.startswith("it crashed (SIGSEGV")
    assert not ended.outside
    assert ended.said == ({"missing": list(ended.said[0]["missing"])},)


def test_what_killed_it_may_lie_outside(places: dict[str, str]) -> None:
    ended = imprisoned(places, "be killed")
    assert (ended.problem, ended.outside) == ("it was killed", True)


def test_an_answer_that_is_none_is_a_problem(places: dict[str, str]) -> None:
    assert imprisoned(places, "babble").problem == "it answered what is no JSON"
    assert imprisoned(places, "leave").problem == "it failed (no more of this)"


def test_a_module_that_is_not_there_is_told_in_a_line() -> None:
    ended = run_apart("edge.update.nowhere", b"", 30)
    assert ended.problem is not None
    assert "No module named" in ended.problem
    assert "\n" not in ended.problem


def test_it_ends_with_whoever_started_it(places: dict[str, str]) -> None:
    """The updater is killed while its self-test hangs."""
    job = json.dumps({**places, "do": "sleep"})
    code = f"from edge.update.sandbox import run_apart; run_apart({PRISONER!r}, {job!r}.encode(), 600)"
    updater = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    child = wait_for(lambda: children(updater.pid))
    # By then it has read its job and asked to be killed with its parent.
    wait_for(lambda: "Seccomp:\t2" in status(child[0]))
    updater.kill()
    updater.wait()
    assert wait_for(lambda: "State:\tZ" in status(child[0]) or not status(child[0]))


def children(process: int) -> list[int]:
    told = Path(f"/proc/{process}/task/{process}/children")
    return [int(number) for number in told.read_text().split()] if told.exists() else []


def status(process: int) -> str:
    try:
        return Path(f"/proc/{process}/status").read_text()
    except OSError:
        return ""


def wait_for(condition: Any, most_s: float = 20.0) -> Any:
    until_s = time.monotonic() + most_s
    while not (found := condition()):
        assert time.monotonic() < until_s, "waited in vain"
        time.sleep(0.02)
    return found


def test_a_secret_in_the_environment_is_not_handed_on(places: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOORWARD_MQTT_PASSWORD", "secret")
    updater = run_apart("tests.fakes.environment", b"", 30)
    assert "DOORWARD_MQTT_PASSWORD" not in updater.said[0]["names"]
    assert "PYTHONPATH" in updater.said[0]["names"]


@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "arm"])
def test_the_filter_of_every_machine_fits(machine: Any) -> None:
    calls = calls_of(machine)
    assert len(assemble(calls, 4711)) % 8 == 0
    assert {"socket", "execve", "ptrace", "mount", "clone3", "io_uring_setup"} <= set(calls.denied)
    assert len(set(calls.denied.values())) == len(calls.denied)
    assert not set(calls.denied.values()) & set(calls.looked_at.values())


def test_numbers_of_this_machine_are_those_of_its_own_headers() -> None:
    """By the one list of them that every Python on Linux x86-64 can find where a compiler is installed."""
    header = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
    if machine_here() != "x86_64" or not header.exists():
        pytest.skip("needs x86-64 with the kernel's headers")
    words = [line.split() for line in header.read_text().splitlines() if line.startswith("#define __NR_")]
    numbers = {word[1].removeprefix("__NR_"): int(word[2]) for word in words}
    calls = calls_of("x86_64")
    ours = {**calls.denied, **calls.looked_at}
    assert {name: n for name, n in ours.items() if name in numbers and numbers[name] != n} == {}
    assert len(set(ours) & set(numbers)) > 100


def test_modules_can_be_read_but_for_a_folder_that_holds_the_state_too(tmp_path: Path) -> None:
    package, state = ROOT / "edge", ROOT / "var" / "releases" / "A-1"
    assert ROOT in own_files([tmp_path, package / "models"])
    assert ROOT not in own_files([state, package / "models"])
    assert package in own_files([state])
    assert all(folder.is_absolute() for folder in own_files([state]))
