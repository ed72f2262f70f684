"""The shape of the code: imports point one way, the device stays light, files are short, none tells its machine."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAX_LINES = 400

# What no process of a door may have loaded before somebody asks for it by a setting or a command.
HEAVY = (
    "tensorflow",
    "keras",
    "picamera2",
    "libcamera",
    "gpiozero",
    "lgpio",
    "RPi",
    "av",
    "cv2",
    "sqlalchemy",
    "amqtt",
    "onnx",
    "trainer",
)


def files(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found, f"{package} is gone; this test looks at nothing"
    return found


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(file: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it, also for types alone."""
    package = module_name(file).split(".") if file.name == "__init__.py" else module_name(file).split(".")[:-1]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            # `from edge import contract` names a module by its alias, `from edge.contract import Base` does not.
            yield from (_longest_module(f"{module}.{alias.name}", module) for alias in node.names)


def _longest_module(name: str, module: str) -> str:
    path = ROOT / name.replace(".", "/")
    return name if path.with_suffix(".py").exists() or path.is_dir() else module


def is_within(module: str, roots: tuple[str, ...]) -> bool:
    return any(module == root or module.startswith(f"{root}.") for root in roots)


def strays(package: str, *, own: tuple[str, ...], others: tuple[str, ...] = (), any_other: bool = False) -> list[str]:
    """Imports that leave what a package may use: the standard library, `own` of ours, `others` of other people."""
    allowed = (*own, *others, *sys.stdlib_module_names)
    found = [(file, module) for file in files(package) for module in imports(file)]
    return [
        f"{file.relative_to(ROOT)} imports {module}"
        for file, module in found
        if not is_within(module, allowed) and not (any_other and not is_within(module, ("edge", "trainer")))
    ]


def test_the_device_never_imports_the_trainer() -> None:
    assert strays("edge", own=("edge",), any_other=True) == []


def test_recognition_is_pure() -> None:
    assert strays("edge/recognition", own=("edge.recognition", "edge.errors"), others=("numpy", "PIL")) == []


def test_recognition_touches_no_file_clock_or_network() -> None:
    impure = ("os", "pathlib", "time", "datetime", "socket", "subprocess", "threading", "logging", "random")
    found = [
        f"{file.name}: {module}"
        for file in files("edge/recognition")
        for module in imports(file)
        if is_within(module, impure)
    ]
    assert found == []


def test_the_wire_contract_stands_on_the_standard_library_alone() -> None:
    assert strays("edge/contract", own=("edge.contract", "edge.errors")) == []


def test_inference_knows_recognition_and_no_adapter() -> None:
    own = ("edge.inference", "edge.recognition", "edge.contract", "edge.errors")
    assert strays("edge/inference", own=own, any_other=True) == []


def test_the_trainer_uses_of_the_device_only_what_both_must_agree_on() -> None:
    shared = ("edge.contract", "edge.recognition", "edge.inference", "edge.errors", "edge.adapters.pictures")
    # How templates are sealed, how the broker is spoken to, and the form of settings, log and output are written once.
    sealing = ("edge.store.keys", "edge.store.codec", "edge.store.durable")
    link = ("edge.ports", "edge.adapters.mqtt", "edge.adapters.mqtt_settings")
    forms = ("edge.settings", "edge.log", "edge.output")
    packing = ("edge.update.bundle",)
    found = strays("trainer", own=("trainer", *shared, *sealing, *link, *forms, *packing), any_other=True)
    assert [stray for stray in found if not stray.endswith(" imports edge")] == []  # its version


def test_one_module_alone_imports_a_tflite_runtime() -> None:
    runtimes = ("ai_edge_litert", "tflite_runtime")
    found = {module_name(file) for file in files("edge") if any(is_within(m, runtimes) for m in imports(file))}
    text = (ROOT / "edge/inference/tflite.py").read_text(encoding="utf-8")
    assert found <= {"edge.inference.tflite"}
    assert all(name in text for name in runtimes)


def test_what_decides_knows_no_adapter() -> None:
    inner = ("recognition", "inference", "contract", "settings", "enrollment", "sharing", "sync", "events", "ports")
    roots = tuple(f"edge.{name}" for name in inner)
    deciding = [file for file in files("edge") if is_within(module_name(file), roots)]
    assert len(deciding) > 20
    found = [
        f"{module_name(file)} imports {module}"
        for file in deciding
        for module in imports(file)
        if is_within(module, ("edge.adapters", "edge.cli", "edge.commands"))
    ]
    assert found == []


def test_importing_the_whole_device_loads_nothing_heavy() -> None:
    names = [module_name(file) for file in files("edge") if file.name != "__main__.py"]
    code = "\n".join(
        [
            "import importlib, json, sys",
            f"for name in {names!r}: importlib.import_module(name)",
            "print(json.dumps(sorted(sys.modules)))",
        ]
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    assert "edge" in loaded
    assert [name for name in loaded if is_within(name, HEAVY)] == []
    assert [name for name in loaded if is_within(name, ("ai_edge_litert", "tflite_runtime"))] == []


@pytest.mark.parametrize("package", ["edge", "trainer"])
def test_every_module_says_what_it_does(package: str) -> None:
    silent = [
        str(file.relative_to(ROOT))
        for file in files(package)
        if (tree := ast.parse(file.read_text(encoding="utf-8"))).body and not ast.get_docstring(tree)
    ]
    assert silent == []


@pytest.mark.parametrize("package", ["edge", "trainer"])
def test_no_file_is_longer_than_one_reads_at_a_time(package: str) -> None:
    lengths = {
        str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines()) for file in files(package)
    }
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def test_no_file_tells_the_machine_that_it_was_made_on() -> None:
    # Letters in brackets, so that this file does not tell either.
    usual = (
        r"/w[o]rk/|/r[o]ot/|/h[o]me/(runner|user|ubuntu|build|builder|dev)\b|/U[s]ers/|/pri[v]ate/tmp|site-p[a]ckages/"
    )
    here = "" if str(ROOT).startswith(("/opt/", "/usr/", "/srv/")) else f"|{re.escape(str(ROOT))}\\b"
    machine = re.compile((usual + here).encode())
    matches = [(file, machine.search(file.read_bytes())) for file in tracked()]
    assert [f"{file.relative_to(ROOT)}: {match[0].decode()}" for file, match in matches if match] == []


def tracked() -> list[Path]:
    """The files of the repository, those not yet added among them; without git, all that is no environment or cache."""
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
        found = [ROOT / name for name in listed if name]
    except (OSError, subprocess.CalledProcessError):
        found = list(_walked(ROOT))
    existing = [file for file in found if file.is_file()]
    assert len(existing) > 50, "the repository's files were not found"
    return existing


def _walked(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        passed_over = entry.name in ("__pycache__", "build", "dist", "var") or entry.name.endswith(".egg-info")
        if entry.is_dir() and not passed_over and (not entry.name.startswith(".") or entry.name == ".ci"):
            yield from _walked(entry)
        elif entry.is_file():
            yield entry
