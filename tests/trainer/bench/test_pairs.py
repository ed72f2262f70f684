from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from edge.errors import DoorwardError, ModelError
from edge.inference.spec import SHIPPED, load_manifest
from trainer.bench.commands import add_bench_commands
from trainer.bench.originals import float_originals
from trainer.embedder.catalogue import EMBEDDERS
from trainer.embedder.sources import default_cache


def parse(*words: str) -> argparse.Namespace:
    top = argparse.ArgumentParser()
    add_bench_commands(top.add_subparsers())
    return top.parse_args(["bench", *words])


def run(*words: str) -> int:
    arguments = parse(*words)
    code: int = arguments.run(arguments)
    return code


@pytest.mark.facedata
def test_a_quick_run_has_a_cell_for_every_embedder_and_list(facedata: Path, tmp_path: Path) -> None:
    file = tmp_path / "pairs.json"
    assert run("pairs", "--data", str(facedata), "--quick", "--int8-only", "--json", str(file)) == 0
    report: dict[str, Any] = json.loads(file.read_text("utf-8"))
    manifest = load_manifest()
    embedders = {name for name, spec in manifest.models.items() if spec.role == "embedder"}
    cells = {(r["embedder"], r["measure"], r.get("list")): r for r in report["rows"]}
    for embedder in embedders:
        for pairs in ("balanced", "official"):
            accuracy = cells[embedder, "acc", pairs]
            assert accuracy["n"] == 80
            assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
            assert accuracy["value"] > 0.85
        assert cells[embedder, "embed_ms", None]["value"] > 0
    default = manifest.defaults["embedder"]
    summary = report["summary"]
    assert summary["int8_acc"] == cells[default, "acc", "balanced"]["value"]
    assert summary["embed_int8_ms"] == cells[default, "embed_ms", None]["value"]
    assert summary["xnnpack_partitions"] == 1
    assert "float_acc" not in summary


def test_data_without_a_list_ends_with_the_list_s_name(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    with pytest.raises(DoorwardError, match=r"lfw_dev_pairs_balanced\.tsv: no such list"):
        run("pairs", "--data", str(tmp_path), "--int8-only")


def test_a_float_original_in_the_cache_is_taken_as_it_is(tmp_path: Path) -> None:
    manifest = load_manifest()
    folder = tmp_path / "originals"
    folder.mkdir()
    for shipped in EMBEDDERS:
        # Any model of the right form does: what counts is that nothing is fetched or converted.
        name = shipped.description.name
        shutil.copy(manifest.models[name].path, folder / f"{name}_{shipped.sources[0].sha256[:12]}.tflite")
    found = float_originals(manifest, tmp_path)
    assert set(found) == {shipped.description.name for shipped in EMBEDDERS}
    assert all(spec.path.parent == folder for spec in found.values())


def test_an_operator_s_own_embedder_has_no_original_and_needs_none(tmp_path: Path) -> None:
    raw = json.loads((SHIPPED / "models.json").read_text("utf-8"))
    ours = raw["defaults"]["embedder"]
    raw["models"] = {("brought" if name == ours else name): model for name, model in raw["models"].items()}
    raw["models"] = {n: m for n, m in raw["models"].items() if n == "brought" or m["role"] != "embedder"}
    (tmp_path / "models.json").write_text(json.dumps(raw))
    assert float_originals(load_manifest(tmp_path), tmp_path) == {}


def test_a_cache_that_cannot_be_written_or_filled_is_an_error_of_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no npm, no network
    with pytest.raises(ModelError) as caught:
        float_originals(load_manifest(), tmp_path / "cache")
    assert "\n" not in str(caught.value)


@pytest.mark.tensorflow
def test_a_float_original_is_built_once_and_then_kept(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    manifest = load_manifest()
    packages = default_cache()
    if not any(packages.rglob("*.tgz")):
        pytest.skip(f"no packages in {packages}; `doorward-trainer models build` fetches them")
    for file in packages.rglob("*.tgz"):
        (tmp_path / file.name).symlink_to(file)
    found = float_originals(manifest, tmp_path)
    for name, spec in found.items():
        assert spec.inputs[0].dtype == "float32"
        assert spec.outputs[0].shape == manifest.models[name].outputs[0].shape
    times = {spec.path: spec.path.stat().st_mtime_ns for spec in found.values()}
    float_originals(manifest, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in times} == times
