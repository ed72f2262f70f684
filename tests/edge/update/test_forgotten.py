"""Nobody forgotten: who is still found under another head, who is taken for whom, what two good heads may differ by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from edge.recognition.plda import Affine, Plda, QualityModel
from edge.recognition.recognizer import ActiveModel
from edge.recognition.types import Embedding, Exemplar, Floats
from edge.update.forgotten import Enrolled, Forgotten, Found, compare, look_for_all

DIM = 16
QUALITY = QualityModel(0.0, 0.0, 0.3, 6.0, (1.0,))
BETA = np.full(DIM, 20.0, np.float32)
FPIR = 0.01


def head(transform: Floats | None = None, beta: Floats = BETA) -> Plda:
    matrix = np.eye(DIM, dtype=np.float32) if transform is None else transform
    return Plda("a head", "embedder", Affine(np.zeros(DIM, np.float32), matrix, QUALITY), beta, QUALITY.levels)


def people(count: int, exemplars: int = 3, seed: int = 1) -> list[Enrolled]:
    random = np.random.default_rng(seed)
    found = []
    for number in range(count):
        mean = random.standard_normal(DIM) * np.sqrt(BETA)
        shown = (mean + random.standard_normal((exemplars, DIM))).astype(np.float32)
        found.append(Enrolled(f"p{number}", tuple(Embedding(x, 1.0) for x in shown)))
    return found


def names(everybody: Sequence[Enrolled]) -> list[str]:
    return [who.person for who in everybody]


def judged(now: Plda, everybody: Sequence[Enrolled], before: Plda | None = None) -> Forgotten:
    found = [look_for_all(one, everybody, FPIR) for one in (before or head(), now)]
    return compare(names(everybody), found[0], found[1])


def test_the_same_head_forgets_nobody() -> None:
    everybody = people(12)
    found = judged(head(), everybody)
    assert (found.people, found.exemplars, found.found_before) == (12, 36, 36)
    assert (found.lost, found.taken, found.missed, found.mistaken, found.reason) == ((), (), 0, 0, None)


def test_an_exemplar_that_only_itself_speaks_for_is_not_found() -> None:
    """Two pictures of two people under one name: each finds its own, and neither the other."""
    one, other = people(2, 1, seed=3)
    mixed = Enrolled("mixed", (one.embeddings[0], other.embeddings[0]))
    found = look_for_all(head(), [mixed, *people(3, 3, seed=9)], FPIR)
    assert found.found.tolist() == [False] * 2 + [True] * 9


def test_held_aside_scores_are_those_of_a_gallery_built_without_the_exemplar() -> None:
    everybody = people(5, 3)
    found = look_for_all(head(), everybody, FPIR)
    place = 0
    for who in everybody:
        for held, probe in enumerate(who.embeddings):
            rest = [
                Exemplar(o.person, e) for o in everybody for n, e in enumerate(o.embeddings) if (o, n) != (who, held)
            ]
            model = ActiveModel.of(head(), rest, FPIR, "")
            best = model.candidates(probe)[0]
            assert found.found[place] == (best.person == who.person and best.score >= found.threshold)
            place += 1
    assert place == len(found.owner) == 15


def test_somebody_with_one_exemplar_must_be_found_by_it() -> None:
    everybody = people(6, 1)
    assert look_for_all(head(), everybody, FPIR).found.all()
    assert judged(head(np.zeros((DIM, DIM), np.float32)), everybody).lost == ("p1", "p2", "p3", "p4", "p5")


def test_a_head_that_sees_nothing_loses_everybody_and_names_them() -> None:
    found = judged(head(np.zeros((DIM, DIM), np.float32)), people(6))
    assert found.lost == tuple(f"p{n}" for n in range(6))
    assert found.reason == "would forget 6 of 6 people: p0, p1, p2, p3, …"


def test_scores_that_are_no_numbers_find_nobody() -> None:
    everybody = people(4)
    found = look_for_all(head(np.full((DIM, DIM), np.nan, np.float32)), everybody, FPIR)
    assert not found.found.any()
    assert (found.taken == -1).all()


def test_a_head_that_cannot_tell_two_people_apart_is_refused_with_their_ids() -> None:
    """The one direction in which they differ is gone, so that each may be the other."""
    first = people(1, 4, seed=5)[0]
    step = np.zeros(DIM, np.float32)
    step[0] = 30
    twin = Enrolled("twin", tuple(Embedding(e.x + step, 1.0) for e in first.embeddings))
    everybody = [first, twin, *people(6, 4, seed=8)[2:]]
    blind = np.eye(DIM, dtype=np.float32)
    blind[0, 0] = 0
    found = judged(head(blind), everybody)
    assert set(found.lost) | set(found.taken) <= {"p0", "twin"}
    assert set(found.taken), found
    assert found.reason is not None
    assert "p0" in found.reason or "twin" in found.reason


def test_a_threshold_that_lets_anybody_in_is_found_by_people_as_strangers() -> None:
    """Its own strangers are hardly strangers: the door's people are all found, and any of them for any other."""
    easy = head(beta=BETA)
    easy._levels = np.array([0.01], np.float32)
    easy.fpir_scale = 0.02
    everybody = people(12)
    found = judged(easy, everybody)
    assert found.lost == ()
    assert found.strays_after > 0.3 * found.exemplars
    assert found.reason is not None
    assert "were they strangers" in found.reason


def test_what_was_wrong_before_does_not_count_against_the_other_head() -> None:
    everybody = people(8)
    blind = head(np.zeros((DIM, DIM), np.float32))
    assert judged(blind, everybody, before=blind).reason is None
    assert judged(head(), everybody, before=blind).missed < 0


def test_a_denied_picture_does_not_make_its_person_lost() -> None:
    everybody = people(5)
    stranger = people(1, 1, seed=77)[0].embeddings
    denying = [replace(everybody[0], denied=stranger), *everybody[1:]]
    assert look_for_all(head(), denying, FPIR).found.all()


def test_pictures_like_a_denied_one_are_not_theirs() -> None:
    everybody = people(5)
    denied = everybody[0].embeddings[:1]
    found = look_for_all(head(), [replace(everybody[0], denied=denied), *everybody[1:]], FPIR)
    assert not found.found[0]
    assert found.found[3:].all()


def as_found(owner: list[int], found: list[int], taken: list[int] | None = None, stray: int = 0) -> Found:
    strays = np.arange(len(owner)) < stray
    return Found(np.array(owner), np.array(found, bool), np.array(taken or [-1] * len(owner)), strays, 0.0)


OWNER = [person for person in range(20) for _ in range(4)]
ALL = [1] * 80


def without(*places: int) -> list[int]:
    return [0 if place in places else 1 for place in range(80)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda: as_found(OWNER, without(0, 4, 8, 12)), None),
        (lambda: as_found(OWNER, without(0, 4, 8, 12, 16)), "5 more are no longer found; 4 may be"),
        (lambda: as_found(OWNER, without(0, 1)), None),
        (lambda: as_found(OWNER, without(0, 1, 2)), "would forget 1 of 20 people: p0"),
        (lambda: as_found(OWNER, ALL, [5, 5] + [-1] * 78), None),
        (lambda: as_found(OWNER, ALL, [5, 5, 5] + [-1] * 77), "would take 1 of 20 people for others: p0"),
        (lambda: as_found(OWNER, ALL, [5, -1, -1, -1] * 3 + [-1] * 68), "3 more are taken for somebody else; 2 may be"),
        (lambda: as_found(OWNER, ALL, stray=24), None),
        (lambda: as_found(OWNER, ALL, stray=25), "25 more would be taken for somebody"),
    ],
)
def test_what_two_good_heads_may_differ_by(change: Callable[[], Found], words: str | None) -> None:
    found = compare([f"p{n}" for n in range(20)], as_found(OWNER, ALL), change())
    assert (found.reason is None) == (words is None)
    assert (words or "") in (found.reason or "")


def test_somebody_found_by_a_few_exemplars_is_not_lost_while_one_is() -> None:
    before, after = as_found([0] * 4, [1, 1, 1, 0]), as_found([0] * 4, [1, 0, 0, 0])
    assert compare(["p0"], before, after).lost == ()
    assert compare(["p0"], before, as_found([0] * 4, [0] * 4)).lost == ("p0",)
