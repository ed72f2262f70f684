"""Two hundred mutants of a signed head do no harm; `python tests/fuzz/fuzz_head.py` tries five thousand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ai_edge_litert.schema_py_generated", reason="mutants are made with LiteRT's schema")

PROGRAM = Path(__file__).with_name("fuzz_head.py")


def test_no_mutant_of_a_signed_head_crashes_or_hangs_anything_but_the_process_that_tries_it_on() -> None:
    command = [sys.executable, str(PROGRAM), "--mutants", "200", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    ends = {end: int(count) for count, end in re.findall(r"(\d+) ([a-z ]+)", done.stdout.splitlines()[-1])}
    assert ends["mutants"] == 200
    # All three ways were gone: refused without a runtime, refused by what they answer, as good as before.
    assert ends["refused by a look"] > 60
    assert ends["refused by the self"] > 10
    assert ends["passed as good as the head"] > 0
