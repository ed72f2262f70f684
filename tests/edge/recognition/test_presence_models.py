"""What becomes of open visits when somebody is enrolled or erased, or another head or embedder comes into force."""

from __future__ import annotations

from edge.recognition.recognizer import ActiveModel
from tests.fakes.probes import Actor, Door, active_model, cosine_head, outline, plda_head

ADA, BOB, EVE = Actor("ada"), Actor("bob"), Actor("eve")
HOUSE = active_model(ADA, BOB)


def at_the_door() -> Door:
    return Door(HOUSE)


def test_a_stranger_who_is_enrolled_becomes_known_within_the_visit() -> None:
    door = at_the_door()
    door.frames(10, (EVE, 320))
    enrolled = [exemplar.embedding for exemplar in EVE.exemplars()]
    door.model = HOUSE.with_gallery(HOUSE.gallery.with_person("eve", enrolled))
    told = door.frames(1, (EVE, 320))
    assert outline(told) == [("updated", "eve")]
    door.empty(4)
    assert door.told == [("started", "stranger-1"), ("updated", "eve"), ("ended", "eve")]
    assert all(event.stranger is None for event in door.events[1:])


def test_a_stranger_who_is_enrolled_and_has_just_left_is_still_put_right() -> None:
    door = at_the_door()
    door.frames(10, (EVE, 320))
    door.model = HOUSE.with_gallery(HOUSE.gallery.with_person("eve", [e.embedding for e in EVE.exemplars()]))
    assert outline(door.frame()) == [("updated", "eve")]


def test_a_person_who_is_erased_is_not_told_any_more() -> None:
    door = at_the_door()
    door.frames(10, (ADA, 320))
    door.model = HOUSE.with_gallery(HOUSE.gallery.without("ada"))
    door.empty(4)
    assert door.told == [("started", "ada"), ("updated", "stranger-1"), ("ended", "stranger-1")]


def test_a_new_head_is_put_in_force_in_the_middle_of_a_visit() -> None:
    people = [exemplar for who in (ADA, BOB) for exemplar in who.exemplars()]
    door = at_the_door()
    door.frames(5, (ADA, 320), (EVE, 100))
    door.model = ActiveModel.of(plda_head(), people, 0.001, "release-2")
    door.frames(5, (ADA, 320), (EVE, 100))
    door.empty(4)
    assert sorted(door.told) == [
        ("ended", "ada"),
        ("ended", "stranger-1"),
        ("started", "ada"),
        ("started", "stranger-1"),
    ]


def test_a_new_embedder_ends_all_visits_and_forgets_the_strangers() -> None:
    """What the old embedder saw cannot be compared with what the new one sees, nor has it as many dimensions."""
    door = at_the_door()
    door.frames(5, (ADA, 320), (EVE, 100))
    door.model = ActiveModel.of(cosine_head("another embedder"), ADA.exemplars(), 0.001, "release-3")
    assert sorted(outline(door.frame(ADA.at(320), EVE.at(100)))) == [("ended", "ada"), ("ended", "stranger-1")]
    door.frames(3, (ADA, 320), (EVE, 100))
    assert sorted(door.told[-2:]) == [("started", "ada"), ("started", "stranger-2")]


def test_an_empty_house_has_strangers_only() -> None:
    door = Door(active_model())
    door.frames(5, (ADA, 320), (BOB, 100))
    assert sorted(door.told) == [("started", "stranger-1"), ("started", "stranger-2")]
