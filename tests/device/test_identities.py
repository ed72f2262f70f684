"""Other processors, Debian releases and Pythons tell the same people as this machine does, in roots of their own.

tests/device/device_root.sh build arm64 trixie ROOT       # Python 3.13, LiteRT; DOORWARD_ARM64_ROOT=ROOT
tests/device/device_root.sh build arm64 bookworm ROOT     # Python 3.11, tflite-runtime; DOORWARD_ARM64_BOOKWORM_ROOT
tests/device/device_root.sh build amd64 trixie ROOT       # Python 3.13, LiteRT; DOORWARD_AMD64_ROOT
DOORWARD_ARM64_ROOT=ROOT pytest -m device tests/device/test_identities.py -rP

Whichever are named are compared, with this machine and with one another; -rP prints by how much they differ. An
emulated one takes two to five minutes.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.fakes.identities import PROGRAM, Answer, beyond_tolerance, differences, parsed, told_across, told_here

SCRIPT = Path(__file__).with_name("device_root.sh")
ROOTS = ("DOORWARD_ARM64_ROOT", "DOORWARD_ARM64_BOOKWORM_ROOT", "DOORWARD_AMD64_ROOT")
RUNTIMES = {"ai-edge-litert": "ai_edge_litert", "tflite-runtime": "tflite_runtime"}
RUNTIME = next((name for name, module in RUNTIMES.items() if importlib.util.find_spec(module)), "")
HERE = "this machine"


def missing(variable: str) -> str:
    root = os.environ.get(variable, "")
    if not any(os.environ.get(name) for name in ROOTS):
        return f"none of {', '.join(ROOTS)} names a root; make one with tests/device/device_root.sh build"
    if not root:
        return f"{variable} names no root"
    if not (Path(root) / "opt/app/numpy").is_dir():
        return f"{root} is no root of tests/device/device_root.sh"
    if os.geteuid() != 0 or not shutil.which("unshare"):
        return "needs root and unshare, to enter the root in a mount namespace of its own"
    return ""


def places(*variables: str) -> pytest.MarkDecorator:
    reason = next((reason for variable in variables if (reason := missing(variable))), "")
    return pytest.mark.skipif(bool(reason), reason=reason)


def pairs() -> list[object]:
    """This machine with each root, and each two roots."""
    return [
        pytest.param(one, other, marks=places(*({one, other} - {HERE})), id=f"{one}-{other}".replace(" ", "-"))
        for one, other in itertools.combinations((HERE, *ROOTS), 2)
    ]


pytestmark = [pytest.mark.device, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def installed() -> None:
    """The checkout as it is now, in every root that will be asked."""
    roots = [os.environ[variable] for variable in ROOTS if not missing(variable)]
    done = subprocess.run([SCRIPT, "install", *roots], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


@cache
def told(place: str) -> Answer:
    if place == HERE:
        return told_here(RUNTIME)
    with PROGRAM.open("rb") as program:
        command = [str(SCRIPT), "run", os.environ[place], "python3", "-"]
        done = subprocess.run(command, stdin=program, capture_output=True, text=True, timeout=1500, check=False)
    assert done.returncode == 0, done.stderr
    return parsed(done.stdout)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("place", "machine", "python", "runtime"),
    [
        pytest.param("DOORWARD_ARM64_ROOT", "aarch64", "3.13", "ai-edge-litert", marks=places(ROOTS[0])),
        pytest.param("DOORWARD_ARM64_BOOKWORM_ROOT", "aarch64", "3.11", "tflite-runtime", marks=places(ROOTS[1])),
        pytest.param("DOORWARD_AMD64_ROOT", "x86_64", "3.13", "ai-edge-litert", marks=places(ROOTS[2])),
    ],
)
def test_a_root_is_of_the_kind_that_its_variable_says(place: str, machine: str, python: str, runtime: str) -> None:
    answer = told(place)
    assert answer.machine == machine
    assert answer.python.startswith(f"{python}.")
    assert answer.runtime.startswith(f"{runtime} ")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("one", "other"), pairs())
def test_every_picture_and_every_visit_is_told_alike(one: str, other: str) -> None:
    mine, theirs = told(one), told(other)
    assert mine.identities == theirs.identities
    assert sum(len(faces) for faces in mine.identities.values()) == 7
    assert mine.visits == theirs.visits == [("known", "A"), ("stranger", None)]


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("one", "other"), pairs())
def test_templates_of_one_door_serve_the_other(one: str, other: str) -> None:
    mine, theirs = told(one), told(other)
    assert told_across(mine, theirs) == told_across(theirs, mine) == mine.identities


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("one", "other"), pairs())
def test_scores_differ_within_the_stated_tolerance(one: str, other: str) -> None:
    mine, theirs = told(one), told(other)
    for answer in (mine, theirs):
        print(f"{answer.title}: {answer.took_s:.0f} s, least margin in a picture {answer.margin:.2f}")
    for kind, found in differences(mine, theirs).items():
        print(f"{kind}: {found}")
    assert beyond_tolerance(mine, theirs) == []
