"""Training a challenger: it learns, repeats itself exactly, says when it gained nothing, and refuses nonsense."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from edge.recognition.types import Floats
from tests.fakes.fleets import DIM, closed_form, fleet, poor_head
from trainer.challengers.challenge import train_challenger
from trainer.challengers.fleet import Fleet
from trainer.challengers.settings import ChallengerSettings
from trainer.challengers.strategy import make_strategy
from trainer.challengers.train import Lesson, Run, train

pytest.importorskip("tensorflow", reason="needs the trainer extra")
pytestmark = pytest.mark.tensorflow

SHORT = ChallengerSettings(people=12, seeds=1, epochs=8, learning_rate=1e-2)


def test_a_challenger_learns_what_a_poor_head_did_not_know(capfd: pytest.CaptureFixture[str]) -> None:
    of = fleet(people=100, old=50)
    settings = replace(SHORT, seeds=2, previous_weight=0.0, whitening=1.0, shrinkages=(1.0,))
    head, report = train_challenger(of, poor_head(of), None, settings)
    assert not report.previous_knew_them
    assert report.challenger_loss < report.previous_loss
    assert min(report.epochs) > 0
    assert (report.people, report.views, report.taught, report.chief) == (100, 600, 0, True)
    assert head.transform.shape == (DIM, DIM)
    assert head.embedder_id == "embedder"
    assert (head.beta > 0).all()
    assert capfd.readouterr().err.count("challenger ") == 2


def test_the_same_seed_gives_the_same_head_to_the_last_bit() -> None:
    of = fleet(people=100, old=50)
    heads = [train_challenger(of, closed_form(of), None, SHORT)[0] for _ in range(2)]
    assert heads[0].id == heads[1].id
    assert heads[0].transform.tobytes() == heads[1].transform.tobytes()


def test_a_map_comes_to_see_people_as_its_teacher_does() -> None:
    of = fleet(people=40)
    clearer = of.x * np.linspace(3, 0.3, DIM, dtype=np.float32)
    settings = replace(SHORT, identity_weight=0.0, previous_weight=0.0, teacher_weight=20.0, epochs=30)
    run = learned(lesson(of, teacher=clearer), settings)
    assert _unlike(of.x @ run.matrix.T, clearer) < 0.5 * _unlike(of.x, clearer)


def test_without_anything_asked_for_the_map_stays_the_identity() -> None:
    settings = replace(SHORT, identity_weight=0.0, previous_weight=0.0)
    assert learned(lesson(fleet(people=40)), settings).matrix.tolist() == np.eye(DIM).tolist()


def test_a_teacher_with_nothing_to_say_changes_nothing() -> None:
    of = fleet(people=100, old=50)
    silent = np.zeros((600, 24), np.float32)
    heads = [train_challenger(of, closed_form(of), teacher, SHORT)[0] for teacher in (None, silent)]
    np.testing.assert_allclose(heads[0].transform, heads[1].transform, rtol=1e-3, atol=1e-3)


def test_old_people_are_seen_as_before_the_more_it_is_worth() -> None:
    of = fleet(people=40)
    away = []
    for weight in (0.0, 1.0, 100.0):
        run = learned(lesson(of), replace(SHORT, identity_weight=1.0, previous_weight=weight))
        away.append(_unlike(of.x @ run.matrix.T, of.x))
    assert away[0] > 1.2 * away[1] > 1.2 * away[2]


def test_new_people_need_not_be_seen_as_before() -> None:
    of = fleet(people=40)
    strict = replace(SHORT, identity_weight=1.0, previous_weight=100.0)
    nobody_old = replace(lesson(of), old=np.zeros(len(of.x), np.bool_))
    bound, free = learned(lesson(of), strict).matrix, learned(nobody_old, strict).matrix
    assert _unlike(of.x @ free.T, of.x) > 1.5 * _unlike(of.x @ bound.T, of.x)


def test_training_ends_when_held_out_people_gain_no_more_and_keeps_what_was_best() -> None:
    losses = iter([0.9, 0.8, 0.5, 0.7, 0.6, 0.6, 0.4])
    seen: list[list[float]] = []

    def judge(matrix: Floats) -> float:
        seen.append(matrix.ravel().tolist())
        return next(losses)

    run = train(lesson(fleet(people=40)), judge, replace(SHORT, patience=3), make_strategy("one"), 0)
    assert run.losses == pytest.approx((0.9, 0.8, 0.5, 0.7, 0.6, 0.6))
    assert run.epoch == 2
    assert run.matrix.ravel().tolist() == seen[2]


def test_a_batch_that_cannot_be_shared_out_is_refused() -> None:
    class ThreeDevices:
        num_replicas_in_sync = 3

    with pytest.raises(ValueError, match="people is 10, expected a multiple of the 3 devices"):
        train(lesson(fleet(people=40)), lambda _: 0.0, replace(SHORT, people=10), ThreeDevices(), 0)


def test_a_head_that_knew_those_held_out_is_not_asked_to_be_bettered() -> None:
    of = fleet(people=40)
    _, report = train_challenger(of, closed_form(of), None, SHORT)
    assert report.previous_knew_them
    assert report.better == (report.challenger_loss < report.closed_form_loss)


def test_the_best_run_may_be_taken_instead_of_the_mean() -> None:
    of = fleet(people=100, old=50)
    heads = [
        train_challenger(of, closed_form(of), None, replace(SHORT, seeds=2, combine=how))[0]
        for how in ("average", "best")
    ]
    assert heads[0].id != heads[1].id


def test_all_pictures_alike_make_no_head() -> None:
    of = fleet(people=20)
    alike = Fleet(np.repeat(of.x[::6], 6, axis=0), of.norms, of.owners)
    with pytest.raises(ValueError, match="alike"):
        train_challenger(alike, closed_form(of), None, SHORT)


def test_training_that_runs_away_makes_no_head() -> None:
    with pytest.raises(ValueError, match="training ran away; learning_rate is 1e\\+38, expected a smaller one"):
        learned(lesson(fleet(people=40)), replace(SHORT, learning_rate=1e38))


def lesson(of: Fleet, teacher: Floats | None = None) -> Lesson:
    """Everybody is old, and the map begins where embeddings are."""
    return Lesson(of.x, of.owners.astype(np.int32), np.ones(len(of.x), np.bool_), of.x, teacher)


def learned(what: Lesson, settings: ChallengerSettings) -> Run:
    """To the last epoch, whoever is held out."""
    better = itertools.count(0, -1)
    return train(what, lambda _: next(better), settings, make_strategy("one"), 0)


def _unlike(one: Floats, other: Floats) -> float:
    """How differently the same pictures are seen: mean difference of cosines."""
    seen = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (one, other)]
    return float(np.abs(seen[0] @ seen[0].T - seen[1] @ seen[1].T).mean())
