"""A release is tried on: a good head passes, and one that is damaged, foreign, weak or hostile is refused with why."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.recognition.types import Embedding
from edge.update import selftest
from edge.update.forgotten import Enrolled
from edge.update.sandbox import Ended
from edge.update.selftest import misfit, self_test
from edge.update.slots import Slot, Slots
from edge.update.tryout_job import Budget, Job, pack, unpack
from tests.fakes.head_releases import (
    DIM,
    MODEL,
    SAID,
    changed_weights,
    drawn_people,
    make_bundle,
    staged,
    this_door,
    upside_down,
    write_head,
)

PEOPLE = drawn_people(6)


def release_of(folder: Path, **changes: Any) -> Slot:
    """The head in `folder/plda-1`, or the shipped one, staged."""
    return staged(Slots(folder / "releases"), make_bundle(folder, **changes))


def test_a_good_head_passes_and_says_what_was_measured(tmp_path: Path) -> None:
    verdict = self_test(release_of(tmp_path), this_door(), PEOPLE)
    assert verdict.reason is None
    assert verdict.facts["people"] == 6
    assert verdict.facts["found_after"] == verdict.facts["found_before"] == 24
    assert 0 < verdict.facts["project_ms"] < 5
    assert verdict.facts["memory_mb"] < 30
    assert verdict.facts["canary_error"] < 1e-4


def test_where_nobody_is_enrolled_a_head_is_tried_on_all_the_same(tmp_path: Path) -> None:
    verdict = self_test(release_of(tmp_path), this_door(), [])
    assert verdict.reason is None
    assert "people" not in verdict.facts
    assert "project_ms" in verdict.facts


def test_people_without_exemplars_by_this_embedder_are_passed_over(tmp_path: Path) -> None:
    verdict = self_test(release_of(tmp_path), this_door(), [*PEOPLE[:2], Enrolled("waits", ())])
    assert verdict.reason is None
    assert verdict.facts["people"] == 2


def test_a_valid_head_that_knows_nobody_apart_is_refused_with_the_ids_of_those_it_would_forget(tmp_path: Path) -> None:
    write_head(tmp_path / "plda-1", changed_weights(upside_down), honest_canaries=True)
    verdict = self_test(release_of(tmp_path), this_door(), PEOPLE)
    assert verdict.reason is not None
    assert verdict.reason.startswith("would forget 6 of 6 people: person-0, person-1, ")
    assert not verdict.again
    assert verdict.facts["lost"] == [who.person for who in PEOPLE]


def test_a_head_whose_canaries_do_not_hold_is_refused(tmp_path: Path) -> None:
    write_head(tmp_path / "plda-1", changed_weights(upside_down))
    verdict = self_test(release_of(tmp_path), this_door(), PEOPLE)
    assert verdict.reason is not None
    assert "its canaries are off by" in verdict.reason


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    write_head(tmp_path / "plda-1", changed_weights(lambda weights: weights * np.nan))
    verdict = self_test(release_of(tmp_path), this_door(), PEOPLE)
    assert verdict.reason is not None
    assert "its canaries are off by nan" in verdict.reason


def test_a_model_that_is_none_is_refused_before_any_process_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selftest, "run_apart", lambda *_: pytest.fail("a runtime would have seen it"))
    write_head(tmp_path / "plda-1", b"\x1c\0\0\0TFL3" + bytes(200))
    verdict = self_test(release_of(tmp_path), this_door(), PEOPLE)
    assert verdict.reason is not None
    assert verdict.reason.startswith(f"{SAID.model}: ")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"compatible": "0" * 64, "embedder_sha256": "0" * 64}, "plda-1: is for embedder 000000000000…, in use is"),
        ({"min_daemon": "1.0.1"}, "plda-1: needs version 1.0.1 of the program, this is 1.0.0"),
        ({"min_daemon": "2"}, "plda-1: needs version 2 of"),
        ({"kind": "embedder", "compatible": "0" * 64}, "in use is"),
        ({"dim": 128}, "is for another embedder than the release says"),
    ],
)
def test_a_release_for_another_door_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    verdict = self_test(release_of(tmp_path, **changes), this_door(), PEOPLE)
    assert words in (verdict.reason or "")


@pytest.mark.parametrize(
    ("needs", "has", "fits"),
    [
        ("1.2", "1.2.0", True),
        ("1.2", "1.10", True),
        ("1.10", "1.2", False),
        ("0.3", "0.3.dev1", True),
        ("1", "0.9", False),
    ],
)
def test_versions_are_compared_by_their_numbers(tmp_path: Path, needs: str, has: str, fits: bool) -> None:
    release = make_bundle(tmp_path, min_daemon=needs).description
    assert (misfit(release, this_door(version=has)) is None) == fits


def test_a_release_of_two_heads_or_of_none_is_refused(tmp_path: Path) -> None:
    contents = tmp_path / "plda-1"
    write_head(contents)
    shutil.copy(contents / SAID.model.replace(".tflite", ".json"), contents / "other.head.json")
    assert "has 2 files .head.json" in (self_test(release_of(tmp_path), this_door(), PEOPLE).reason or "")


def test_a_description_whose_model_is_elsewhere_is_refused(tmp_path: Path) -> None:
    description = write_head(tmp_path / "plda-1")
    description.write_bytes(replace(SAID, model="another.head.tflite").to_json())
    verdict = self_test(release_of(tmp_path), this_door(), PEOPLE)
    assert "its model another.head.tflite is not in the release" in (verdict.reason or "")


def test_a_file_that_changed_on_the_disk_is_refused(tmp_path: Path) -> None:
    slot = release_of(tmp_path)
    (slot.folder / SAID.model).write_bytes(MODEL[:-1] + b"x")
    assert self_test(slot, this_door(), PEOPLE).reason == f"{SAID.model} is damaged"


def test_a_head_that_is_too_slow_or_too_large_for_this_device_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot = release_of(tmp_path)
    monkeypatch.setattr(selftest, "_PROJECT_MS", 1e-6)
    assert "ms for one projection; at most 1e-06" in (self_test(slot, this_door(), PEOPLE).reason or "")
    monkeypatch.setattr(selftest, "_PROJECT_MS", 10.0)
    small = replace(slot, release=replace(slot.release, max_rss_mb=1))
    assert "MB of memory; at most 1 are allowed" in (self_test(small, this_door(), PEOPLE).reason or "")


def test_without_the_head_in_force_nothing_can_be_compared_and_nothing_is_put_on_trial(tmp_path: Path) -> None:
    verdict = self_test(release_of(tmp_path), this_door(current=tmp_path / "gone.head.json"), PEOPLE)
    assert "gone.head.json: no such file" in (verdict.reason or "")


def test_exemplars_of_another_dimension_are_no_fault_of_the_release(tmp_path: Path) -> None:
    strange = Enrolled("p", (Embedding(np.ones(7, np.float32), 1.0),))
    verdict = self_test(release_of(tmp_path), this_door(), [strange])
    assert verdict.again
    assert verdict.reason == "the exemplars of p are not by this door's embedder"


@pytest.mark.parametrize(
    ("ended", "words", "again"),
    [
        (Ended(({"step": "loading"},), "it crashed (SIGSEGV; no word why)"), "self-test, loading: it crashed", False),
        (Ended(({"step": "shut_in", "missing": []},), "it was killed", outside=True), "shut in: it was killed", True),
        (Ended((), "it failed (no numpy)"), "self-test, starting: it failed", False),
        (Ended(({"step": "running"},), None), "self-test, running: it ended without an answer", False),
    ],
)
def test_how_a_process_ended_is_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: Ended, words: str, again: bool
) -> None:
    monkeypatch.setattr(selftest, "run_apart", lambda *_: ended)
    verdict = self_test(release_of(tmp_path), this_door(), PEOPLE)
    assert words in (verdict.reason or "")
    assert verdict.again == again


def test_missing_layers_are_told_and_stop_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = ({"step": "shut_in", "missing": ["landlock: not in this kernel"]}, {"step": "done", "reason": None})
    monkeypatch.setattr(selftest, "run_apart", lambda *_: Ended(answer, None))
    verdict = self_test(release_of(tmp_path), this_door(), PEOPLE)
    assert (verdict.reason, verdict.missing_layers) == (None, ("landlock: not in this kernel",))


def test_people_go_over_the_pipe_as_they_are() -> None:
    denied = drawn_people(1, 1, seed=5)[0].embeddings
    people = (*PEOPLE[:3], replace(PEOPLE[3], denied=denied), Enrolled("Zoë", PEOPLE[4].embeddings[:1]))
    job = Job(
        Path("/a/b.json"), Path("/c d/e.json"), "f" * 64, 0.01, people, selftest._limits(people), Budget(1.5, 2.5)
    )
    again = unpack(pack(job))
    assert replace(again, people=()) == replace(job, people=())
    assert [who.person for who in again.people] == [who.person for who in people]
    for one, other in zip(again.people, people, strict=True):
        pairs = zip((*one.embeddings, *one.denied), (*other.embeddings, *other.denied), strict=True)
        assert all(a.norm == b.norm and (a.x == b.x).all() and len(a.x) == DIM for a, b in pairs)


def test_no_embedding_is_on_the_command_line_or_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def instead(*given: object) -> Ended:
        seen.extend(given)
        return Ended((), "not run")

    monkeypatch.setattr(selftest, "run_apart", instead)
    self_test(release_of(tmp_path), this_door(), PEOPLE)
    module, job, _ = seen
    assert module == "edge.update.tryout"
    assert isinstance(job, bytes)
    raw = PEOPLE[0].embeddings[0].x.tobytes()
    assert raw in job
    assert not any(raw in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
