from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge.recognition.types import Embedding, Known, LookAgain, Stranger
from edge.recognition.visit import Visit
from tests.fakes.probes import Actor, active_model

ADA, BOB, EVE = Actor("ada"), Actor("bob"), Actor("eve")
MODEL = active_model(ADA, BOB)
FIRM = 3


def visit(first: Actor = ADA) -> Visit:
    probe = first.at(300)
    return Visit("visit-1", 10.0, 10.0, best=probe, latest=probe)


def seen(who: Actor, good: int) -> Visit:
    begun = visit(who)
    for number in range(good):
        begun.see(who.at(300), None, 10.0 + number)
        begun.decide(MODEL, FIRM)
    return begun


def test_before_any_good_picture_it_is_unclear_for_the_latest_reason() -> None:
    begun = visit()
    begun.see(ADA.at(300), "turned_away", 10.0)
    begun.see(ADA.at(300), "blurred", 10.1)
    begun.decide(MODEL, FIRM)
    assert begun.decision == LookAgain("blurred")
    assert begun.identity is None
    assert begun.fused is None
    assert (begun.frames, begun.good_frames) == (2, 0)


def test_a_good_picture_decides_and_a_poor_one_after_it_changes_nothing() -> None:
    begun = seen(ADA, 1)
    assert isinstance(begun.decision, Known)
    before = (begun.decision, begun.fused.x.tolist() if begun.fused else None)
    begun.see(EVE.at(300), "too_dark", 11.0)
    begun.decide(MODEL, FIRM)
    assert before == (begun.decision, begun.fused.x.tolist() if begun.fused else None)
    assert begun.last_seen_s == 11.0


def test_pictures_are_fused_by_the_weight_of_their_norms() -> None:
    strong, weak = ADA.at(300), BOB.at(300)
    strong = replace(strong, embedding=Embedding(strong.embedding.x, 90.0))
    weak = replace(weak, embedding=Embedding(weak.embedding.x, 30.0))
    begun = visit()
    begun.see(strong, None, 10.0)
    begun.see(weak, None, 10.1)
    fused = begun.fused
    assert fused is not None
    wanted = 90 * strong.embedding.x + 30 * weak.embedding.x
    assert fused.x == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-6)
    assert fused.norm == 60


def test_more_pictures_make_the_score_firmer() -> None:
    scores = [decision.score for n in (1, 12) if isinstance(decision := seen(ADA, n).decision, Known)]
    assert scores[1] > scores[0]


def test_the_best_picture_is_the_good_one_with_the_largest_norm() -> None:
    begun = visit()
    pictures = [ADA.at(300, norm=norm) for norm in (50.0, 80.0, 60.0)]
    for picture in pictures:
        begun.see(picture, None, 10.0)
    begun.see(ADA.at(300, norm=99.0), "blurred", 10.0)
    assert begun.best is pictures[1]


def test_without_a_good_picture_the_best_of_the_poor_ones_stands_for_the_visit() -> None:
    pictures = [ADA.at(300, norm=norm) for norm in (20.0, 40.0, 30.0)]
    begun = Visit("visit-1", 10.0, 10.0, best=pictures[0], latest=pictures[0])
    for picture in pictures:
        begun.see(picture, "blurred", 10.0)
    assert begun.best is pictures[1]


def test_the_first_good_picture_takes_the_place_of_a_poor_one_with_a_larger_norm() -> None:
    begun = visit()
    begun.see(ADA.at(300, norm=90.0), "turned_away", 10.0)
    good = ADA.at(300, norm=60.0)
    begun.see(good, None, 10.1)
    assert begun.best is good


def test_before_it_is_firm_a_known_person_may_turn_out_a_stranger() -> None:
    begun = seen(ADA, 1)
    for _ in range(2):
        begun.see(EVE.at(300, norm=200.0), None, 11.0)
        begun.decide(MODEL, FIRM)
    assert isinstance(begun.decision, Stranger)


def test_once_firm_a_known_person_does_not_become_a_stranger() -> None:
    begun = seen(ADA, FIRM + 1)
    for _ in range(20):
        begun.see(EVE.at(300, norm=200.0), None, 11.0)
        begun.decide(MODEL, FIRM)
    assert begun.person == "ada"


def test_once_firm_another_person_may_still_take_the_name_away() -> None:
    begun = seen(ADA, FIRM + 1)
    for _ in range(20):
        begun.see(BOB.at(300), None, 11.0)
        begun.decide(MODEL, FIRM)
    assert begun.person == "bob"


def test_a_firmly_known_person_who_is_erased_is_a_stranger() -> None:
    begun = seen(ADA, FIRM + 1)
    begun.decide(MODEL.with_gallery(MODEL.gallery.without("ada")), FIRM)
    assert isinstance(begun.decision, Stranger)
    assert begun.person is None


def test_a_person_who_stands_beside_it_cannot_be_it() -> None:
    begun = seen(ADA, FIRM + 1)
    begun.decide(MODEL, FIRM, taken={"ada"})
    assert isinstance(begun.decision, Stranger)


def test_how_alike_it_is_to_anybody_is_nothing_before_a_good_picture_and_in_an_empty_table() -> None:
    assert visit().best_score(MODEL) == -np.inf
    assert seen(ADA, 1).best_score(active_model()) == -np.inf
    assert seen(ADA, 1).best_score(MODEL) > 0.5


def test_a_visit_that_goes_on_has_the_pictures_of_both() -> None:
    first, second = seen(ADA, 3), seen(ADA, 2)
    both = visit()
    for part in (first, second):
        assert part.fused is not None
    second.see(ADA.at(400, norm=95.0), None, 99.0)
    wanted = [first.frames + second.frames, first.good_frames + second.good_frames]
    first.absorb(second)
    assert [first.frames, first.good_frames] == wanted
    assert (first.last_seen_s, first.box, first.best) == (99.0, second.box, second.best)
    assert (first.id, first.started_s) == (both.id, 10.0)


def test_when_a_visit_came_near_is_when_it_was_first_large_enough() -> None:
    begun = visit()
    begun.see(ADA.at(300, 20), "too_small", 10.0)
    assert begun.near_s is None
    begun.see(ADA.at(300, 60), "blurred", 12.0)
    begun.see(ADA.at(300, 60), None, 13.0)
    assert begun.near_s == 12.0


def test_an_event_says_what_is_known_at_its_time() -> None:
    begun = seen(EVE, 2)
    begun.stranger = "stranger-7"
    event = begun.event("started", provisional=True)
    assert (event.phase, event.visit, event.stranger, event.provisional) == ("started", "visit-1", "stranger-7", True)
    assert (event.started_s, event.last_seen_s, event.frames, event.good_frames) == (10.0, 11.0, 2, 2)
    begun.see(EVE.at(300), None, 50.0)
    assert event.last_seen_s == 11.0


def test_a_person_is_never_told_with_a_strangers_id() -> None:
    begun = seen(ADA, 3)
    begun.stranger = "stranger-7"
    assert begun.event("updated", provisional=False).stranger is None
