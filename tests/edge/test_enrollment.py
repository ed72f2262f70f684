from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar, get_args

import numpy as np
import pytest

from edge.contract.messages import EnrollmentReason
from edge.enrollment import Enrollment, rules_for
from edge.enrollment_steps import (
    Cancelled,
    Committed,
    Done,
    Failed,
    Progress,
    Refused,
    Show,
    Step,
    Store,
    Undo,
    Undone,
    Wish,
)
from edge.panel_patterns import PATTERNS, PatternName
from edge.recognition.recognizer import ActiveModel
from edge.recognition.types import Frame, Probe
from edge.refusals import REASONS, Reason, refused_pattern
from tests.fakes.enrollees import Enrollee, model

FRAME_S = 0.1
TIMEOUT_S = 20.0
SHOTS = 4
RULES = rules_for(shots=SHOTS, timeout_s=TIMEOUT_S, min_interval_s=0.4, typical_norm=70.0)
NOBODY = model()
StepT = TypeVar("StepT")


@dataclass
class Door:
    """A session with a clock and everything that it said; stores nothing by itself."""

    session: Enrollment = field(default_factory=lambda: Enrollment(RULES))
    model: ActiveModel = NOBODY
    now_s: float = 1000.0
    said: list[Step] = field(default_factory=list)

    def press(self, wish: Wish | None = None) -> None:
        self.said += self.session.press(self.now_s, wish or Wish())

    def request(self, wish: Wish) -> None:
        self.said += self.session.request(self.now_s, wish)

    def hold(self, undoable: str | None = "ada", refusal: tuple[Reason, str] | None = None) -> None:
        self.said += self.session.hold(self.now_s, undoable, refusal)

    def frame(self, *probes: Probe, photos: Sequence[bool] = (), frame: Frame | None = None) -> None:
        self.now_s += FRAME_S
        self.said += self.session.faces(self.now_s, probes, self.model, photos, frame)

    def watch(self, who: Enrollee, seconds: float) -> None:
        """They stand there; watching ends when the session no longer looks."""
        for _ in range(round(seconds / FRAME_S)):
            if self.session.looking:
                self.frame(who.probe())

    def empty(self, seconds: float) -> None:
        """Frames without a face."""
        for _ in range(round(seconds / FRAME_S)):
            self.frame()

    def wait(self, seconds: float) -> None:
        """No frames at all."""
        self.now_s += seconds
        self.said += self.session.tick(self.now_s)

    def answer(self, answer: Committed | Failed, ticket: int | None = None) -> None:
        orders = self.all(Store) + self.all(Undo)
        self.said += self.session.answered(orders[-1].ticket if ticket is None else ticket, answer)

    def all(self, kind: type[StepT]) -> list[StepT]:
        return [step for step in self.said if isinstance(step, kind)]

    def last(self, kind: type[StepT]) -> StepT:
        return self.all(kind)[-1]

    @property
    def hints(self) -> list[Reason | None]:
        """What was told to be in the way, in order."""
        return [step.reason for step in self.all(Progress) if step.state == "looking"][1:]

    @property
    def patterns(self) -> list[PatternName]:
        return [step.pattern for step in self.all(Show)]

    @property
    def base(self) -> PatternName:
        """What the panel goes on showing."""
        return [name for name in self.patterns if PATTERNS[name].repeats][-1]


ADA, BO = Enrollee("Ada"), Enrollee("Bo")


def test_a_press_and_two_seconds_before_the_camera_enroll_a_person() -> None:
    door = Door()
    door.press()
    door.watch(ADA, 2.0)
    order = door.last(Store)
    assert len(order.shots) == SHOTS
    assert not order.provisional
    assert order.name is None
    assert [step.shots for step in door.all(Progress) if step.state == "shot_taken"] == [1, 2, 3, 4]
    assert not door.all(Done), "nothing is done before it is stored"
    door.answer(Committed("person-7"))
    assert door.all(Done) == [Done("person-7", provisional=False, renewed=False)]
    assert door.patterns[-1] == "done"
    assert door.base == "idle"
    assert not door.session.active


def test_a_name_from_the_request_goes_to_the_store() -> None:
    door = Door()
    door.request(Wish(name="Ada Lovelace"))
    door.watch(ADA, 2.0)
    assert door.last(Store).name == "Ada Lovelace"


def test_shots_keep_the_frame_they_were_taken_from() -> None:
    door = Door()
    door.press()
    frames = []
    for number in range(40):
        if door.session.looking:
            frames.append(Frame(np.zeros((1, 1, 3), np.uint8), door.now_s, number))
            door.frame(ADA.probe(), frame=frames[-1])
    assert [shot.frame in frames for shot in door.last(Store).shots] == [True] * SHOTS


def test_pressing_again_cancels_and_stores_nothing() -> None:
    door = Door()
    door.press()
    door.watch(ADA, 0.5)
    door.press()
    door.watch(ADA, 5.0)
    assert door.all(Cancelled) == [Cancelled("enrollment")]
    assert not door.all(Store)
    assert door.patterns[-1] == "cancelled"
    assert door.base == "idle"


def test_after_a_cancelled_session_a_press_begins_with_no_shots() -> None:
    door = Door()
    door.press()
    door.watch(ADA, 1.0)
    door.press()
    door.press()
    door.watch(BO, 5.0)
    shots = door.last(Store).shots
    assert min(float(shot.probe.embedding.x @ BO.still().embedding.x) for shot in shots) > 0.8


def test_a_request_waits_its_turn_and_cancels_nobody() -> None:
    door = Door()
    door.press()
    door.watch(ADA, 0.5)
    door.request(Wish(name="Bo"))
    assert door.last(Refused).reason == "busy"
    door.watch(ADA, 2.0)
    assert door.last(Store).name is None


def test_nobody_is_told_done_when_the_store_fails() -> None:
    door = Door()
    door.press()
    door.watch(ADA, 2.0)
    door.answer(Failed("the disk is full"))
    assert not door.all(Done)
    refused = door.last(Refused)
    assert refused.reason == "store_failed"
    assert "the disk is full" in refused.message()
    assert door.patterns[-1] == "refused_store"
    assert not door.session.active


def test_a_store_that_never_answers_is_told_as_a_failure() -> None:
    door = Door()
    door.press()
    door.watch(ADA, 2.0)
    door.wait(RULES.answer_within_s)
    assert door.last(Refused).reason == "store_failed"
    assert not door.session.active


def test_an_answer_that_comes_late_is_told_and_leaves_the_next_session_alone() -> None:
    door = Door()
    door.press()
    door.watch(ADA, 2.0)
    ticket = door.last(Store).ticket
    door.wait(RULES.answer_within_s)
    door.press()
    door.watch(BO, 0.5)
    door.answer(Committed("person-7"), ticket)
    assert door.last(Done).person == "person-7"
    assert door.session.looking
    assert door.base == "looking"


@pytest.mark.parametrize("ticket", [0, 1, 99])
def test_an_answer_to_no_order_is_nothing(ticket: int) -> None:
    door = Door()
    door.press()
    door.answer(Committed("person-7"), ticket)
    assert not door.all(Done)
    assert door.session.looking


def test_an_answer_that_comes_twice_is_told_once() -> None:
    door = Door()
    door.press()
    door.watch(ADA, 2.0)
    door.answer(Committed("person-7"))
    door.answer(Committed("person-7"))
    assert len(door.all(Done)) == 1


def test_a_press_while_the_templates_are_written_changes_nothing() -> None:
    door = Door()
    door.press()
    door.watch(ADA, 2.0)
    door.press()
    door.hold()
    assert not door.all(Cancelled)
    door.answer(Committed("person-7"))
    assert len(door.all(Done)) == 1


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


def test_two_who_alternate_by_night_are_never_mixed_in_one_set() -> None:
    door = Door()
    door.press()
    for number in range(round(TIMEOUT_S / FRAME_S)):
        if door.session.looking:
            door.frame(ADA.by_night() if number % 2 else BO.probe())
    for order in door.all(Store):
        faces = [shot.probe.embedding.x for shot in order.shots]
        assert min(float(one @ two) for one in faces for two in faces) > 0.5


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


def test_somebody_enrolled_already_is_refused_with_their_id() -> None:
    door = Door(model=model(ADA, BO))
    door.press()
    door.watch(BO, 2.0)
    refused = door.last(Refused)
    assert (refused.reason, refused.person) == ("already_enrolled", "Bo")
    assert refused.message("Bo B.") == "this person is enrolled already as Bo B."
    assert door.patterns[-1] == "refused_known"
    assert not door.all(Store)


def test_a_newcomer_among_others_is_no_duplicate() -> None:
    door = Door(model=model(*(Enrollee(f"person {number}") for number in range(20))))
    door.press()
    door.watch(ADA, 2.0)
    assert door.last(Store).renews is None


def test_a_provisional_enrollment_can_be_made_good_by_day() -> None:
    door = Door(model=model(ADA, BO))
    door.press(Wish(renewable=frozenset({"Ada"})))
    door.watch(ADA, 2.0)
    assert door.last(Store).renews == "Ada"
    door.answer(Committed("Ada"))
    assert door.last(Done) == Done("Ada", provisional=False, renewed=True)


def test_a_twin_can_be_enrolled_anyway() -> None:
    door = Door(model=model(ADA))
    door.request(Wish(name="Ada's twin", anyway=True))
    door.watch(ADA, 2.0)
    assert door.last(Store).renews is None


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


@pytest.mark.parametrize(
    ("refusal", "pattern"),
    [
        (("not_allowed", "no window is open"), "refused_policy"),
        (("store_failed", "the disk is full"), "refused_store"),
    ],
)
def test_what_forbids_an_enrollment_is_told_at_the_press(refusal: tuple[Reason, str], pattern: PatternName) -> None:
    door = Door()
    door.press(Wish(refusal=refusal))
    assert not door.session.active
    assert refusal[1] in door.last(Refused).message()
    assert door.patterns[-1] == pattern


def test_a_window_that_closes_does_not_keep_anybody_from_cancelling() -> None:
    door = Door()
    door.press()
    door.press(Wish(refusal=("not_allowed", "no window is open")))
    assert door.all(Cancelled)


def test_a_hold_asks_and_a_second_hold_undoes() -> None:
    door = Door()
    door.hold("ada")
    assert door.patterns == ["ask_undo"]
    assert not door.all(Undo)
    door.wait(2.0)
    door.hold("ada")
    assert door.last(Undo).person == "ada"
    assert not door.all(Undone)
    door.answer(Committed("ada"))
    assert door.all(Undone) == [Undone("ada")]
    assert door.patterns[-1] == "undone"
    assert door.base == "idle"


def test_an_undo_that_nobody_confirms_is_forgotten() -> None:
    door = Door()
    door.hold("ada")
    door.wait(RULES.confirm_within_s)
    assert door.all(Cancelled) == [Cancelled("undo")]
    door.hold("ada")
    assert not door.all(Undo)


def test_a_press_leaves_the_question_and_enrolls_nobody() -> None:
    door = Door()
    door.hold("ada")
    door.press()
    assert door.all(Cancelled) == [Cancelled("undo")]
    assert not door.session.active


def test_nobody_undoes_somebody_they_were_not_asked_about() -> None:
    door = Door()
    door.hold("ada")
    door.hold("bo")
    assert not door.all(Undo)
    door.hold("bo")
    assert door.last(Undo).person == "bo"


def test_with_nothing_to_undo_the_hold_says_so() -> None:
    door = Door()
    door.hold(None)
    assert door.last(Refused).reason == "nothing_to_undo"
    assert not door.session.active


def test_a_policy_holds_for_the_undo_too() -> None:
    door = Door()
    door.hold("ada")
    door.hold("ada", ("not_allowed", "no window is open"))
    assert not door.all(Undo)
    assert door.last(Refused).reason == "not_allowed"


def test_who_holds_too_long_while_enrolling_cancels_and_undoes_nobody() -> None:
    door = Door()
    door.press()
    door.watch(ADA, 0.5)
    door.hold("bo")
    assert door.all(Cancelled) == [Cancelled("enrollment")]
    door.hold("bo")
    assert not door.all(Undo)


def test_an_undo_that_fails_is_told_with_its_reason() -> None:
    door = Door()
    door.hold()
    door.hold()
    door.answer(Failed("the disk is full"))
    assert door.last(Refused).reason == "store_failed"
    assert not door.all(Undone)


def test_frames_without_a_session_are_nothing() -> None:
    door = Door()
    door.watch(ADA, 1.0)
    door.frame(ADA.probe())
    assert door.said == []


def test_the_reasons_are_those_of_the_wire() -> None:
    assert set(REASONS) == set(get_args(EnrollmentReason))
