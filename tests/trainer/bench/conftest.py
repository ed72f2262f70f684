"""Embeddings of the research pictures, which several benches measure on: made once for all tests of a run."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def feature_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for `--cache`."""
    return tmp_path_factory.mktemp("features")
