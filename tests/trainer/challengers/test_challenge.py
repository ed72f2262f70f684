"""A challenger that cannot be trained is refused before TensorFlow is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.fleets import closed_form, fleet
from trainer.challengers.challenge import train_challenger
from trainer.challengers.settings import ChallengerSettings

ROOT = Path(__file__).resolve().parents[3]
SHORT = ChallengerSettings(people=12, seeds=1, epochs=8, learning_rate=1e-2)


def test_importing_loads_no_tensorflow() -> None:
    names = [f"trainer.challengers.{file.stem}" for file in (ROOT / "trainer/challengers").glob("*.py")]
    assert len(names) > 8
    code = f"import importlib, sys\nfor n in {names!r}: importlib.import_module(n)\nprint('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("teacher", "words"),
    [(np.zeros((3, 4), np.float32), "one embedding"), (np.full((360, 4), np.inf, np.float32), "finite numbers")],
)
def test_a_teacher_that_does_not_fit_is_refused(
    teacher: np.ndarray[tuple[int, ...], np.dtype[np.float32]], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        train_challenger(fleet(), closed_form(fleet()), teacher, SHORT)


def test_a_head_of_another_dimension_is_refused() -> None:
    with pytest.raises(ValueError, match="takes 16 dimensions, the fleet has 8"):
        train_challenger(fleet(dim=8), closed_form(fleet()), None, SHORT)
