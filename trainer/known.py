"""What this installation knows of embedders, for the store, which knows of none."""

from __future__ import annotations

from edge.inference.spec import Manifest


def known_dimensions(manifest: Manifest) -> dict[str, int]:
    """How many numbers an embedding of each embedder has, by its sha256."""
    embedders = (spec for spec in manifest.models.values() if spec.role == "embedder")
    return {spec.sha256: spec.outputs[0].shape[-1] for spec in embedders}
