"""The head that doors were shipped with, found by its embedder. Loads the models' manifest alone."""

from __future__ import annotations

from pathlib import Path

from edge.errors import RefusedError
from edge.inference.head import head_path
from edge.inference.spec import load_manifest


def shipped_head(embedder_sha256: str) -> Path:
    """Its description. Raises: RefusedError: the embedder is none of those that are shipped."""
    specs = load_manifest().models.values()
    found = next((one for one in specs if one.role == "embedder" and one.sha256 == embedder_sha256), None)
    if found is None:
        raise RefusedError(f"embedder {embedder_sha256[:12]}: is none of those that doors are shipped with")
    return head_path(found)
