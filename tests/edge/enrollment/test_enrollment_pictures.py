from __future__ import annotations

import itertools

import pytest

from edge.enrollment.refusals import Reason, refused_pattern
from edge.enrollment.session import Enrollment, rules_for
from edge.enrollment.steps import (
    Committed,
    Done,
    Progress,
    Refused,
    Store,
)
from tests.fakes.enrollees import Enrollee, model
from tests.fakes.enrollment_door import ADA, BO, FRAME_S, SHOTS, TIMEOUT_S, Door


def test_an_empty_doorway_is_refused_at_the_time_out_for_want_of_a_face() -> None:
    door = Door()
    door.press()
    door.empty(TIMEOUT_S)
    refused = door.last(Refused)
    assert (refused.reason, refused.timed_out) == ("no_face", True)
    assert "0 of 4" in refused.message()
    assert door.patterns[-1] == "refused_face"
    assert not door.session.active


def test_a_camera_that_gives_nothing_ends_the_session_too() -> None:
    door = Door()
    door.press()
    door.wait(TIMEOUT_S)
    assert (door.last(Refused).reason, door.last(Refused).timed_out) == ("no_picture", True)


def test_a_second_person_who_steps_in_pauses_the_session() -> None:
    door = Door()
    door.press()
    door.watch(ADA, 1.0)
    taken = door.last(Progress).shots
    for _ in range(30):
        door.frame(ADA.probe(), BO.probe())
    assert door.hints == ["several_faces"]
    assert door.base == "hint_face"
    assert max(step.shots for step in door.all(Progress)) == taken
    door.watch(ADA, 2.0)
    assert door.hints == ["several_faces", None]
    shots = door.last(Store).shots
    assert len(shots) == SHOTS
    assert min(float(shot.probe.embedding.x @ ADA.still().embedding.x) for shot in shots) > 0.8


def test_a_passer_by_far_behind_does_not_matter() -> None:
    door = Door()
    door.press()
    for _ in range(20):
        if door.session.looking:
            door.frame(ADA.probe(width_px=120), BO.probe(width_px=50))
    assert len(door.last(Store).shots) == SHOTS


def test_two_who_take_turns_are_never_mixed_in_one_set() -> None:
    door = Door()
    door.press()
    door.watch(ADA, 0.6)
    door.watch(BO, TIMEOUT_S)
    assert not door.all(Store)
    assert door.last(Refused).reason == "different_person"


def test_one_who_passed_by_in_the_dark_does_not_keep_out_who_stands_in_the_light() -> None:
    door = Door()
    door.press()
    for _ in range(10):
        door.frame(ADA.by_night())
    door.watch(BO, 2.0)
    shots = door.last(Store).shots
    assert min(float(shot.probe.embedding.x @ BO.still().embedding.x) for shot in shots) > 0.8


def test_poor_pictures_of_one_and_good_ones_of_another_enroll_neither() -> None:
    door = Door()
    door.press()
    door.frame(ADA.by_night())
    door.watch(BO, 0.3)
    for _ in range(50):
        door.frame(ADA.by_night())
    door.wait(TIMEOUT_S)
    assert not door.all(Store)
    assert door.all(Refused)


def test_somebody_turned_away_is_told_so_and_may_turn_back() -> None:
    door = Door()
    door.press()
    for _ in range(20):
        door.frame(ADA.probe(away=50.0))
    assert door.hints == ["turned_away"]
    door.watch(ADA, 2.0)
    assert door.all(Store)


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        ({"width_px": 20.0}, "too_small"),
        ({"away": 60.0}, "turned_away"),
        ({"brightness": 5.0}, "too_dark"),
        ({"brightness": 250.0}, "too_bright"),
        ({"sharpness": 1.0}, "blurred"),
        ({"norm": 10.0}, "low_quality"),
    ],
)
def test_what_is_wrong_all_the_time_is_the_reason_at_the_end(numbers: dict[str, float], reason: Reason) -> None:
    door = Door()
    door.press()
    for _ in range(round(TIMEOUT_S / FRAME_S)):
        door.frame(ADA.probe(**numbers))
    assert door.last(Refused).reason == reason
    assert door.patterns[-1] == refused_pattern(reason)
    assert not door.all(Store)


def test_the_reason_at_the_end_is_what_was_wrong_most_often() -> None:
    door = Door()
    door.press()
    door.empty(4.0)
    for _ in range(110):
        door.frame(ADA.probe(sharpness=1.0))
    door.empty(TIMEOUT_S)
    assert door.last(Refused).reason == "blurred"


def test_a_single_poor_frame_does_not_make_the_panel_flicker() -> None:
    door = Door()
    door.press()
    for number in range(12):
        door.frame(ADA.probe(sharpness=1.0) if number % 3 == 0 else ADA.probe())
    assert door.hints == []


def test_a_camera_that_hangs_on_one_picture_enrolls_nobody() -> None:
    door = Door()
    door.press()
    for _ in range(round(TIMEOUT_S / FRAME_S)):
        door.frame(ADA.still())
    assert not door.all(Store)
    assert door.last(Refused).reason == "too_alike"


def test_somebody_who_holds_still_is_enrolled_in_a_second_a_shot() -> None:
    door = Door()
    door.press()
    door.watch(Enrollee("Cy", stillness=0.99), TIMEOUT_S / 2)
    times = [shot.time_s for shot in door.last(Store).shots]
    assert all(later - earlier >= 0.9 for earlier, later in itertools.pairwise(times))
    assert times[-1] - times[0] < SHOTS


def test_what_looks_like_a_photograph_is_not_taken() -> None:
    door = Door()
    door.press()
    for _ in range(round(TIMEOUT_S / FRAME_S)):
        door.frame(ADA.probe(), photos=[True])
    assert door.last(Refused).reason == "looks_like_photo"
    assert not door.all(Store)


def test_a_print_that_is_found_out_in_most_pictures_does_not_get_in_by_the_others() -> None:
    door = Door()
    door.press()
    for number in range(round(TIMEOUT_S / FRAME_S)):
        if door.session.looking:
            door.frame(ADA.probe(), photos=[number % 3 != 0])
    assert door.last(Refused).reason == "looks_like_photo"
    assert not door.all(Store)


def test_a_person_who_is_taken_for_a_print_now_and_then_gets_in() -> None:
    door = Door()
    door.press()
    for number in range(60):
        if door.session.looking:
            door.frame(ADA.probe(), photos=[number % 5 == 0])
    assert len(door.last(Store).shots) == SHOTS


def test_a_photo_on_the_wall_behind_does_not_matter() -> None:
    door = Door()
    door.press()
    for _ in range(20):
        if door.session.looking:
            door.frame(ADA.probe(width_px=120), BO.probe(width_px=50), photos=[False, True])
    assert door.all(Store)


def test_by_night_an_enrollment_is_provisional_after_half_the_time() -> None:
    door = Door()
    door.press()
    while door.session.looking:
        door.frame(ADA.by_night())
    order = door.last(Store)
    assert order.provisional
    assert len(order.shots) == SHOTS
    assert door.now_s - 1000.0 == pytest.approx(TIMEOUT_S / 2, abs=FRAME_S)
    assert door.hints[0] == "too_dark"
    door.answer(Committed("person-7"))
    assert door.last(Done).provisional


def test_where_night_pictures_are_refused_the_darkness_is_the_reason() -> None:
    rules = rules_for(shots=SHOTS, timeout_s=TIMEOUT_S, min_interval_s=0.4, typical_norm=70.0, poor_will_do=False)
    door = Door(Enrollment(rules))
    door.press()
    for _ in range(round(TIMEOUT_S / FRAME_S)):
        door.frame(ADA.by_night())
    assert door.last(Refused).reason == "too_dark"
    assert not door.all(Store)


def test_a_lamp_that_is_turned_on_makes_it_a_good_enrollment() -> None:
    door = Door()
    door.press()
    for _ in range(60):
        door.frame(ADA.by_night())
    door.watch(ADA, 3.0)
    assert not door.last(Store).provisional
    assert all(shot.probe.quality.brightness > 100 for shot in door.last(Store).shots)


def test_some_good_pictures_among_poor_ones_make_it_provisional_at_the_end_only() -> None:
    door = Door()
    door.press()
    door.frame(ADA.probe())
    while door.session.looking:
        door.frame(ADA.by_night())
    assert door.last(Store).provisional
    assert door.now_s - 1000.0 == pytest.approx(TIMEOUT_S, abs=FRAME_S)
    assert any(shot.probe.quality.brightness > 100 for shot in door.last(Store).shots)


def test_poor_pictures_count_also_where_the_camera_stops_before_the_time_is_up() -> None:
    door = Door()
    door.press()
    door.frame(ADA.probe())
    for _ in range(40):
        door.frame(ADA.by_night())
    door.wait(TIMEOUT_S)
    assert door.last(Store).provisional


def test_a_long_night_does_not_fill_the_memory() -> None:
    rules = rules_for(shots=3, timeout_s=120.0, min_interval_s=0.1, typical_norm=70.0)
    door = Door(Enrollment(rules))
    door.press()
    while door.session.looking:
        door.frame(ADA.by_night())
    assert len(door.last(Store).shots) == 3


def test_another_embedder_in_the_middle_of_a_session_begins_the_shots_anew() -> None:
    door = Door()
    door.press()
    door.watch(ADA, 0.9)
    door.model = model(embedder="another")
    before_s = door.now_s
    door.watch(ADA, 5.0)
    assert min(shot.time_s for shot in door.last(Store).shots) > before_s
