from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from edge.inference.spec import load_manifest
from edge.recognition.calibration import Ceiling
from edge.recognition.gallery import Gallery
from edge.recognition.types import Embedding, Exemplar
from tests.fakes.features import DIM, listed
from tests.fakes.probes import plda_head
from trainer.bench.calibration import album_of, calibration_rows, own_threshold, summary
from trainer.bench.commands import add_bench_commands
from trainer.bench.data import Enrollee, open_data
from trainer.bench.features import CLEAN, NIGHT, Effort, Features
from trainer.bench.growth import Album
from trainer.bench.heads import LEARNED, all_heads
from trainer.bench.tables import Scored, parts

HEAD = plda_head(dim=DIM)


def album(people: int = 12) -> Album:
    pictures = listed(people, 5, seed=3)
    enrollees = [
        Enrollee(f"3-{n}", 0, tuple(f"3-{n}/{k}.jpg" for k in range(3)), tuple(f"3-{n}/{k}.jpg" for k in (3, 4)))
        for n in range(people + 1)  # the last was not embedded
    ]
    return album_of(enrollees, pictures)


def from_the_head(count: int) -> list[Embedding | None]:
    """Strangers whom the head itself would draw, as embeddings whose norm says how good their pictures are."""
    transform = np.stack([HEAD.project(Embedding(axis, 80.0)).z for axis in np.eye(DIM, dtype=np.float32)], axis=1)
    back = np.linalg.inv(transform.astype(np.float64))
    return [
        Embedding(np.asarray(back @ p.z, np.float32), float(np.exp((3.5 + np.log(p.precision)) / 0.8)))
        for p in HEAD.strangers(count, 77)
    ]


def test_those_who_were_not_embedded_are_passed_over() -> None:
    assert [p.person for p in album().people] == [f"3-{n}" for n in range(12)]
    assert len(album().faces) == 60


def test_a_part_s_threshold_is_the_one_that_its_door_would_set() -> None:
    whole = album()
    gallery = Gallery.build(HEAD, [Exemplar(p.person, face) for p in whole.people for face in whole.shots(p, 3)])
    scored = Scored.of(whole, gallery, {"test": []})
    drawn = HEAD.scores(gallery.rows, Ceiling.of(gallery).strangers)
    for part in parts(12, 5, 2):
        table = scored.part("test", part)
        for target in (0.01, 0.001):
            assert own_threshold(drawn, gallery, table, target) == pytest.approx(table.own_threshold(target), rel=1e-6)


def test_strangers_as_the_head_draws_them_are_named_as_often_as_was_told() -> None:
    rows = list(calibration_rows({"head": "PLDA"}, HEAD, album(), {"drawn": from_the_head(6000)}, (4, 10), 2))
    found = {(row["people"], row["fpir"]): row for row in rows if row["strangers"] == "drawn"}
    for people in (4, 10):
        assert found[people, 0.01]["value"] == pytest.approx(1, abs=0.35)
    row = found[10, 0.01]
    assert isinstance(row["low"], float)
    assert isinstance(row["high"], float)
    assert row["low"] <= row["value"] <= row["high"]  # type: ignore[operator]  # cells of rows are of any kind
    assert {row["strangers"] for row in rows} == {"drawn", "enrolled elsewhere"}


def test_a_picture_without_a_face_names_nobody() -> None:
    rows = list(calibration_rows({}, HEAD, album(), {"faceless": [None] * 50}, (4,), 1))
    assert [row["value"] for row in rows if row["strangers"] == "faceless"] == [0.0, 0.0]


KINDS = ("clean", "night", "other night", "day and night")


@pytest.mark.facedata
def test_the_factory_head_names_as_many_real_strangers_as_it_was_told(facedata: Path, feature_cache: Path) -> None:
    """No real person's embedding sets the threshold, and yet real strangers are named at 0.5 to 2 times the target.

    By day and by night together, as they come to a door; those whom the head's scale was chosen on are left out.
    """
    effort = Effort(fleet=1, enrolled=40, pictures=3, strangers=None, views=1)
    data = open_data(facedata)
    features = Features.load_or_make(data, load_manifest(), "", feature_cache, effort)
    strangers: list[Embedding | None] = [
        embedding if found else None
        for kind in (CLEAN, NIGHT)
        for embedding, found in zip(
            features.strangers["test"].views(kind)[0].embeddings(), features.strangers["test"].found, strict=True
        )
    ]
    head = all_heads(features.embedder)[LEARNED]
    rows = list(
        calibration_rows({}, head, album_of(data.enrollees(), features.enrolled), {"real": strangers}, (5, 20, 40), 5)
    )
    found = {row["people"]: row["value"] for row in rows if row["strangers"] == "real" and row["fpir"] == 0.01}
    assert set(found) == {5, 20, 40}
    assert all(isinstance(value, float) and 0.5 <= value <= 2 for value in found.values()), found


@pytest.mark.facedata
def test_a_quick_run_has_every_head_and_list(facedata: Path, feature_cache: Path, tmp_path: Path) -> None:
    file, page = tmp_path / "calibration.json", tmp_path / "calibration.html"
    top = argparse.ArgumentParser()
    add_bench_commands(top.add_subparsers())
    words = ["bench", "calibration", "--data", str(facedata), "--quick", "--cache", str(feature_cache)]
    arguments = top.parse_args([*words, "--json", str(file), "--html", str(page)])
    assert arguments.run(arguments) == 0
    report = json.loads(file.read_text("utf-8"))
    low, high = (report["summary"][f"fpir_realised_over_target_{end}"] for end in ("low", "high"))
    assert 0 <= low <= high
    lists = {row["strangers"] for row in report["rows"]}
    assert lists == {
        "enrolled elsewhere",
        *(f"{name}, {kind}" for name in ("test", "calibration") for kind in KINDS),
    }
    assert len(report["rows"]) == 2 * 3 * 2 * 9 * 2  # embedders, heads, sizes, lists, targets
    assert page.read_text("utf-8").count("<svg") == 2
    assert summary(report["rows"], report["settings"]["embedder"]) == report["summary"]
