"""Two hundred mutants of a signed head do no harm; `python tests/fuzz/fuzz_head.py` tries five thousand."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("ai_edge_litert.schema_py_generated", reason="mutants are made with LiteRT's schema")

from tests.fuzz.fuzz_head import Tally, fuzz

pytestmark = pytest.mark.forks


def test_no_mutant_of_a_signed_head_crashes_or_hangs_anything_but_the_process_that_tries_it_on(tmp_path: Path) -> None:
    tally = Tally()
    fuzz(200, 7, tmp_path, tally)
    print(tally)
    assert tally.ends.total() == 200
    # All three ways were gone: refused without a runtime, refused by what they answer, as good as before.
    assert tally.ends["refused by a look"] > 60
    assert tally.ends["refused by the self-test"] > 10
    assert tally.ends["passed as good as the head"] > 0
