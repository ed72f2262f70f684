"""What the store is told of embedders."""

from __future__ import annotations

from edge.inference.embedder import Embedder
from edge.inference.spec import load_manifest
from trainer.known import known_dimensions


def test_every_shipped_embedder_has_as_many_numbers_as_it_answers_with() -> None:
    manifest = load_manifest()
    known = known_dimensions(manifest)
    embedders = [spec for spec in manifest.models.values() if spec.role == "embedder"]
    assert known == {spec.sha256: Embedder(spec).dim for spec in embedders}
    assert sorted(known.values()) == [128, 192]
