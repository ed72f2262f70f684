from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.recognition.gallery import Gallery
from edge.recognition.types import Exemplar
from tests.fakes.features import DIM, listed
from tests.fakes.probes import cosine_head, plda_head
from trainer.bench.choosing import Choosing, choose, dealt, learned
from trainer.bench.commands import add_bench_commands
from trainer.bench.contenders import LEARNERS, WAYS
from trainer.bench.data import Enrollee
from trainer.bench.features import CLEAN, NIGHT, OTHER_NIGHT, Faces, Features
from trainer.bench.openset_report import side_by_side, summary
from trainer.bench.resampled import Estimate, Resamples
from trainer.bench.rivals.way import HeadWay, Learner
from trainer.bench.visits import House, Searched, Trial, draws
from trainer.metrics import Searches, fnir_at_fpir

PEOPLE, PICTURES = 9, 5
HEAD = plda_head(dim=DIM)


def house(faceless: tuple[int, ...] = (), views: int = 1) -> House:
    """Everybody's first three pictures are shots, the others are what they come with."""
    pictures = listed(PEOPLE, PICTURES, seed=7, views=views, faceless=faceless)
    people = [
        Enrollee(f"7-{n}", 0, tuple(f"7-{n}/{k}.jpg" for k in range(3)), tuple(f"7-{n}/{k}.jpg" for k in (3, 4)))
        for n in range(PEOPLE)
    ]
    return House.of_enrolled(people, pictures, listed(40, 1, seed=8, views=views, faceless=(5,)))


class Everywhere:
    """A way whose scores are computed for each table anew."""

    independent = False

    def scores(self, table: Sequence[Faces], probes: Faces) -> Any:
        return HeadWay(HEAD).scores(table, probes)


def test_scores_are_those_of_a_door_s_own_table() -> None:
    its = house()
    trial = Searched(HeadWay(HEAD), its, 3).trial(draws(PEOPLE, PEOPLE, 1, 1)[0], "clean", NIGHT)
    clean = its.pictures.views(CLEAN)[0].embeddings()
    table = Gallery.build(HEAD, [Exemplar(str(n), clean[5 * n + k]) for n in range(PEOPLE) for k in range(3)])
    come = [HEAD.project(clean[5 * n + k]) for n in range(PEOPLE) for k in (3, 4)]
    scores = HEAD.scores(table.rows, come)
    assert trial.top == pytest.approx(scores.max(axis=1), rel=1e-6)
    assert trial.right.tolist() == (scores.argmax(axis=1) == np.arange(18) // 2).tolist()
    assert trial.person.tolist() == (np.arange(18) // 2).tolist()


@pytest.mark.parametrize("side", ["clean", "door", "mix"])
def test_a_small_table_is_the_same_whether_computed_anew_or_from_the_whole(side: str) -> None:
    its = house(faceless=(4, 10, 11, 12))  # one probe, and all shots of one person
    for draw in draws(PEOPLE, 4, 2, 1):
        one = Searched(HeadWay(HEAD), its, 3).trial(draw, side, OTHER_NIGHT)
        other = Searched(Everywhere(), its, 3).trial(draw, side, OTHER_NIGHT)
        for name in Trial.__slots__:
            assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-6), name
        assert len(one.strangers) == (80 if side == "mix" else 40)
        assert len(one.top) == 8 * (2 if side == "mix" else 1)


def test_who_cannot_be_enrolled_is_missed_and_a_picture_without_a_face_names_nobody() -> None:
    its = house(faceless=(4, 10, 11, 12))
    trial = Searched(HeadWay(HEAD), its, 3).trial(draws(PEOPLE, PEOPLE, 1, 1)[0], "clean", NIGHT)
    assert not trial.right[trial.person == 2].any()
    assert trial.top[1] == -np.inf
    assert trial.norms[1] == 0
    assert trial.strangers[5] == -np.inf


def test_as_many_shots_are_enrolled_as_were_asked_for() -> None:
    its = house(faceless=(1,))
    assert [len(its.enrolled_from(0, shots)) for shots in (1, 2, 3)] == [1, 1, 2]
    assert [len(its.enrolled_from(1, shots)) for shots in (1, 2, 3)] == [1, 2, 3]


def test_looking_again_leaves_out_the_worst_faces_by_norm_and_strangers_below_it() -> None:
    norms = np.array([0.0, 10, 20, 30, 40])
    trial = Trial(
        np.arange(5.0),
        np.ones(5, np.bool_),
        np.arange(5),
        norms,
        np.arange(4.0),
        np.arange(4),
        np.array([0.0, 12, 18, 50]),
    )
    left = trial.looked_at_again(0.25)
    assert left.norms.tolist() == [0, 20, 30, 40]  # a picture without a face stays, and misses
    assert left.person.tolist() == [0, 2, 3, 4]
    assert left.who.tolist() == [0, 2, 3]


def test_every_seed_uses_every_night_view_in_turn() -> None:
    drawn = draws(9, 4, seeds=4, views=2)
    assert [draw.view for draw in drawn] == [0, 0, 1, 1, 0, 0, 1, 1]
    assert not set(drawn[0].people) & set(drawn[1].people)
    assert [len(draw.people) for draw in draws(9, 100, 1, 2)] == [9]


def random_trial(seed: int, people: int = 6, strangers: int = 30) -> Trial:
    random = np.random.default_rng(seed)
    count = 4 * people
    return Trial(
        np.round(random.standard_normal(count), 1),
        random.random(count) < 0.8,
        np.repeat(np.arange(people), 4),
        np.ones(count),
        np.round(random.standard_normal(2 * strangers), 1),
        np.tile(np.arange(strangers), 2),
        np.ones(2 * strangers),
    )


@given(st.integers(0, 2**16), st.sampled_from([0.001, 0.01, 0.1, 0.5]))
def test_a_resample_that_draws_everybody_once_gives_the_figure_itself(seed: int, fpir: float) -> None:
    trial = random_trial(seed)
    everybody = Resamples(np.ones((1, 6)), np.ones((1, 30)))
    estimate = everybody.fnir([trial], fpir)
    expected, _ = fnir_at_fpir(Searches(trial.top, trial.right, trial.person), trial.strangers, fpir)
    assert estimate.value == pytest.approx(expected)
    assert estimate.resampled[0] == pytest.approx(expected)


@given(st.integers(0, 2**16))
def test_a_resample_is_what_those_people_and_strangers_alone_would_give(seed: int) -> None:
    trial, random = random_trial(seed), np.random.default_rng(seed)
    people, strangers = random.multinomial(6, np.full(6, 1 / 6)), random.multinomial(30, np.full(30, 1 / 30))
    drawn = Resamples(people[None].astype(float), strangers[None].astype(float)).fnir([trial], 0.1)
    again = np.repeat(np.arange(24), people[trial.person])
    strange = np.repeat(trial.strangers, strangers[trial.who])
    expected, _ = fnir_at_fpir(Searches(trial.top[again], trial.right[again], trial.person[again]), strange, 0.1)
    assert drawn.resampled[0] == pytest.approx(expected)


def test_an_interval_holds_the_value_and_narrows_with_more_people() -> None:
    widths = []
    for people in (6, 96):
        trial = random_trial(1, people, 10 * people)
        low, high = Resamples.draw(people, 10 * people).fnir([trial], 0.1).interval
        widths.append(high - low)
        value = Resamples.draw(people, 10 * people).fnir([trial], 0.1).value
        assert low <= value <= high
    assert widths[1] < widths[0] / 2


def test_figures_are_compared_draw_by_draw_and_never_divided_by_nothing() -> None:
    one, two = Estimate(0.2, np.array([0.1, 0.3])), Estimate(0.4, np.array([0.2, 0.6]))
    ratio = one.over(two)
    assert ratio is not None
    assert (ratio.value, ratio.interval) == (0.5, (0.5, 0.5))
    assert one.less(two).resampled == pytest.approx([-0.1, -0.3])
    part = one.over(Estimate(0.4, np.array([0.0, 0.6])))
    assert part is not None
    assert part.resampled.tolist() == [0.5]
    assert one.over(Estimate(0.4, np.array([0.0, 0.0]))) is None
    assert one.over(Estimate(0.0, np.array([0.1, 0.6]))) is None


def synthetic_features() -> Features:
    fleet = listed(60, 4, seed=1)
    return Features(None, fleet, house().pictures, {"calibration": listed(60, 1, seed=2)})  # type: ignore[arg-type]  # no model is asked


def test_settings_are_chosen_on_the_fleet_and_the_better_of_two_is_taken() -> None:
    seen: list[int] = []

    def learn(faces: Faces, owners: Any, how: str) -> Any:
        seen.append(len(np.unique(owners)))
        return (
            HeadWay(cosine_head(dim=DIM)) if how == "good" else HeadWay(_Blind("embedder", np.zeros(DIM), np.eye(DIM)))
        )

    assert choose(Learner(("bad", "good"), learn), synthetic_features(), Choosing(3, 10)) == "good"
    assert seen == [40] * 6  # two candidates, three parts, each learned from the other two parts


class _Blind(type(cosine_head())):  # type: ignore[misc]  # its class is what the fake makes
    """Sees everybody alike."""

    def scores(self, rows: Any, probes: Any) -> Any:
        return np.zeros((len(probes), len(rows)), np.float32)


def test_nobody_is_learned_from_and_tried_at_once() -> None:
    people = [str(n) for n in range(20)]
    parts = dealt(people, 3)
    assert all(not set(others) & set(held) and len(others) + len(held) == 20 for others, held in parts)
    assert sorted(p for _, held in parts for p in held) == sorted(people)


def test_learning_from_two_lists_takes_their_people_apart() -> None:
    told: list[Any] = []

    def learn(faces: Faces, owners: Any, _: Any) -> Any:
        told.append((len(faces), owners.tolist()))
        return HeadWay(HEAD)

    learned(Learner((None,), learn), None, listed(2, 2, seed=1), listed(1, 2, seed=2))
    assert told == [(12, [0, 0, 1, 1] * 2 + [2, 2] * 2)]


def parse(*words: str) -> argparse.Namespace:
    top = argparse.ArgumentParser()
    add_bench_commands(top.add_subparsers())
    return top.parse_args(["bench", "openset", *words])


@pytest.mark.facedata
def test_a_quick_run_has_every_cell(
    facedata: Path, feature_cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, page = tmp_path / "openset.json", tmp_path / "openset.html"
    words = (
        "--data",
        str(facedata),
        "--quick",
        "--cache",
        str(feature_cache),
        "--json",
        str(file),
        "--html",
        str(page),
    )
    arguments = parse(*words)
    assert arguments.run(arguments) == 0
    report = json.loads(file.read_text("utf-8"))
    rows = report["rows"]
    keys = {f"{way}_{side}_k3" for way in ("raw", "centred", "head") for side in ("clean", "mix")}
    assert keys | {"head_mix_k3_look_again_25pct"} <= set(report["summary"])
    assert all(0 <= report["summary"][key] < 0.5 for key in keys)
    fnir = [row for row in rows if row["measure"] == "fnir"]
    cells = {
        tuple(row[n] for n in ("embedder", "way", "seen", "people", "k", "side", "camera", "fpir")) for row in fnir
    }
    # Two embedders; all ways unseen, all but those that ship or learn from nobody seen; sizes, shots, sides, targets.
    assert len(cells) == len(fnir) == 2 * (len(WAYS) + len(LEARNERS) - 1) * 2 * 3 * 5 * 2
    assert all(row["low"] <= row["value"] <= row["high"] for row in fnir)
    assert any(row["measure"].startswith("fnir over") for row in rows)
    assert page.read_text("utf-8").count("<svg") == 8
    assert len(capsys.readouterr().out.splitlines()) < 100
    assert summary(rows, report["settings"]["embedder"]) == report["summary"]
    assert len(side_by_side(rows)) == 2 * (len(WAYS) + len(LEARNERS) - 1 + 3 * 5)
