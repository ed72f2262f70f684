from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.recognition.scoring import CentredCosine
from edge.recognition.shots import (
    ALIKE_COSINE,
    SAME_PERSON_COSINE,
    SAME_PICTURE_COSINE,
    Shot,
    ShotRules,
    Shots,
    Verdict,
    best,
    enrolled_as,
    firm_gate,
    fuse,
    grade,
    main_face,
    offer,
    poor_gate,
    same_person,
)
from edge.recognition.types import Embedding, Floats, Pose, Probe
from tests.fakes.enrollees import Enrollee, model, probe_of

RULES = ShotRules(firm=firm_gate(70.0), poor=poor_gate(70.0))
HEAD = CentredCosine("embedder", np.zeros(3, np.float32), np.eye(3, dtype=np.float32))
EAST = np.array([1, 0, 0], np.float32)


def at(cosine: float, norm: float = 70.0, yaw: float = 5.0) -> Probe:
    """A face at this cosine from EAST."""
    x: Floats = np.array([cosine, np.sqrt(1 - cosine**2), 0], np.float32)
    probe = probe_of(x, 120.0, 5.0, 120.0, 200.0, norm)
    return replace(probe, face=replace(probe.face, pose=Pose(0.0, yaw, 0.0)))


def taken(probe: Probe, time_s: float = 0.0) -> Shot:
    return Shot.of(probe, HEAD if len(probe.embedding.x) == 3 else model().gallery.head, time_s)


FIRST: Shots = (taken(at(1.0)),)


def offered(probe: Probe, time_s: float, shots: Shots = FIRST) -> tuple[int, Verdict]:
    after, verdict = offer(shots, taken(probe, time_s), RULES)
    return len(after), verdict


def test_an_empty_frame_has_no_face() -> None:
    assert main_face([], 0.5) == "no_face"


def test_the_nearest_face_is_meant_when_the_others_are_far() -> None:
    near, far = Enrollee("Ada").probe(width_px=120), Enrollee("Bo").probe(width_px=59)
    assert main_face([far, near], 0.5) is near


def test_a_second_face_as_near_is_one_too_many() -> None:
    assert main_face([Enrollee("Ada").probe(width_px=120), Enrollee("Bo").probe(width_px=61)], 0.5) == "several_faces"


@pytest.mark.parametrize(
    ("numbers", "worth", "missing"),
    [
        ({}, "firm", None),
        ({"width_px": 20.0}, "unfit", "too_small"),
        ({"away": 60.0}, "unfit", "turned_away"),
        ({"brightness": 5.0}, "unfit", "too_dark"),
        ({"brightness": 250.0}, "unfit", "too_bright"),
        ({"sharpness": 1.0}, "unfit", "blurred"),
        ({"norm": 10.0}, "unfit", "low_quality"),
        ({"brightness": 30.0}, "poor", "too_dark"),
        ({"norm": 52.0}, "poor", "low_quality"),
    ],
)
def test_what_a_picture_is_worth_and_what_it_lacks(numbers: dict[str, float], worth: str, missing: str | None) -> None:
    assert grade(Enrollee("Ada").probe(**numbers), RULES) == (worth, missing)


def test_the_gate_for_poor_pictures_is_nowhere_stricter_than_the_one_for_good_ones() -> None:
    firm, poor = RULES.firm, RULES.poor
    assert poor.min_width_px <= firm.min_width_px
    assert poor.max_away >= firm.max_away
    assert poor.min_brightness <= firm.min_brightness
    assert poor.max_brightness >= firm.max_brightness
    assert poor.min_sharpness <= firm.min_sharpness
    assert poor.min_norm <= firm.min_norm


def test_the_first_picture_is_taken() -> None:
    assert offered(at(1.0), 0.0, ()) == (1, "taken")


def test_a_picture_that_differs_is_taken_after_the_interval() -> None:
    assert offered(at(ALIKE_COSINE - 0.01), RULES.min_interval_s) == (2, "taken")


def test_a_picture_that_looks_alike_waits_for_its_person_to_move() -> None:
    alike = at(ALIKE_COSINE + 0.005)
    assert offered(alike, RULES.min_interval_s) == (1, "too_alike")
    assert offered(alike, RULES.alike_after_s) == (2, "taken")


def test_a_head_that_turned_makes_a_picture_different_enough() -> None:
    assert offered(at(ALIKE_COSINE + 0.005, yaw=10.0), RULES.min_interval_s) == (2, "taken")


def test_the_very_same_picture_is_never_a_second_one() -> None:
    assert offered(at(SAME_PICTURE_COSINE + 0.001), 60.0) == (1, "too_alike")
    assert offered(at(1.0, yaw=30.0), 60.0) == (1, "too_alike")


def test_another_person_is_not_mixed_in() -> None:
    assert offered(at(SAME_PERSON_COSINE - 0.02), 1.0) == (1, "different_person")


def test_all_shots_must_be_the_same_person_and_not_only_the_last() -> None:
    shots = (taken(at(1.0)), taken(at(0.8), 1.0))
    far = at(SAME_PERSON_COSINE - 0.02)
    assert same_person(shots[1:], taken(far))
    assert not same_person(shots, taken(far))


def test_an_embedder_whose_raw_embeddings_are_all_alike_tells_people_apart_by_what_the_head_sees() -> None:
    mean = np.array([0.96, 0.2, 0], np.float32)
    head = CentredCosine("embedder", mean, np.eye(3, dtype=np.float32))
    ada, bo = (Shot.of(at(1.0), head, 0.0), Shot.of(at(0.92), head, 5.0))
    assert float(ada.probe.embedding.x @ bo.probe.embedding.x) > 0.9
    assert offer((ada,), bo, RULES)[1] == "different_person"


def test_soon_after_a_shot_a_better_picture_takes_its_place() -> None:
    better = at(0.99, norm=80.0)
    shots, verdict = offer(FIRST, taken(better, 0.2), RULES)
    assert verdict == "better"
    assert [shot.probe for shot in shots] == [better]
    assert (shots[0].time_s, shots[0].slot_s) == (0.2, 0.0)


def test_a_worse_picture_soon_after_changes_nothing() -> None:
    assert offer(FIRST, taken(at(0.99, norm=60.0), 0.2), RULES) == (FIRST, "too_soon")


def test_ever_better_pictures_do_not_put_the_next_shot_off_for_ever() -> None:
    shots: Shots = FIRST
    for tenth in range(1, 30):
        probe = at(float(np.cos(np.radians(7 * tenth % 40))), norm=70.0 + tenth)
        shots, _ = offer(shots, taken(probe, tenth / 10), RULES)
    assert len(shots) >= 3


def test_a_better_picture_does_not_take_a_place_where_it_would_be_like_an_earlier_shot() -> None:
    shots = (*FIRST, taken(at(0.9), 1.0))
    assert offer(shots, taken(at(0.999, norm=90.0), 1.2), RULES) == (shots, "too_soon")


def test_the_best_shots_are_those_with_the_largest_norms_in_order_of_time() -> None:
    shots = tuple(taken(at(1.0, norm=norm), time_s) for time_s, norm in enumerate([50, 80, 60, 90]))
    assert [shot.probe.embedding.norm for shot in best(shots, 3)] == [80, 60, 90]


def test_fused_shots_lean_to_the_better_picture() -> None:
    fused = fuse([at(1.0, norm=90.0).embedding, at(0.0, norm=30.0).embedding])
    assert fused.norm == 60.0
    assert np.linalg.norm(fused.x) == pytest.approx(1, abs=1e-6)
    assert fused.x[0] == pytest.approx(3 * fused.x[1], rel=1e-5)


def test_somebody_enrolled_is_found_by_their_shots_and_a_newcomer_is_not() -> None:
    ada, bo = Enrollee("Ada"), Enrollee("Bo")
    table = model(ada)
    found = enrolled_as([ada.probe().embedding for _ in range(4)], table)
    assert found is not None
    assert found.person == "Ada"
    assert enrolled_as([bo.probe().embedding for _ in range(4)], table) is None


def test_a_newcomer_who_only_looks_like_somebody_when_all_shots_are_fused_is_no_duplicate() -> None:
    table = model(Enrollee("Ada", stillness=1.0))
    ada = Enrollee("Ada").still().embedding.x
    random = np.random.default_rng(3)
    shots = []
    for _ in range(4):
        noise = random.standard_normal(len(ada))
        noise -= (noise @ ada) * ada
        near = table.threshold - 0.02
        x = near * ada + np.sqrt(1 - near**2) * noise / np.linalg.norm(noise)
        shots.append(Embedding(x.astype(np.float32), 70.0))
    fused = table.candidates(fuse(shots))[0]
    assert fused.score > table.threshold
    assert enrolled_as(shots, table) is None


def test_in_an_empty_table_nobody_is_found() -> None:
    assert enrolled_as([Enrollee("Ada").probe().embedding], model()) is None


COSINES = st.lists(st.tuples(st.floats(-1, 1), st.floats(20, 90), st.floats(0, 40)), max_size=60)


@given(COSINES, st.floats(0.02, 2.0))
def test_whatever_is_offered_the_set_keeps_its_promises(
    pictures: list[tuple[float, float, float]], every_s: float
) -> None:
    shots: Shots = ()
    for number, (cosine, norm, yaw) in enumerate(pictures):
        before = shots
        shots, verdict = offer(shots, taken(at(cosine, norm, yaw), number * every_s), RULES)
        assert len(shots) == len(before) + (verdict == "taken")
        assert verdict in ("taken", "better") or shots is before
    for one, two in itertools.pairwise(shots):
        assert two.time_s - one.time_s >= RULES.min_interval_s
    for index, shot in enumerate(shots):
        for other in shots[:index]:
            cosine = float(shot.probe.embedding.x @ other.probe.embedding.x)
            assert SAME_PERSON_COSINE - 1e-6 <= cosine <= SAME_PICTURE_COSINE + 1e-6
