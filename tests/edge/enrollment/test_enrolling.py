"""What the session decides, carried out on a real store: what is written, shown and told, in which order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from edge.contract.messages import Enrollment as EnrollmentMessage
from edge.enrollment.enrolling import Enrollers, Enrolling
from edge.enrollment.policy import UNDO_WITHIN_S, Policy, PolicyName
from edge.enrollment.session import Enrollment, rules_for
from edge.errors import RefusedError, StoreError
from edge.recognition.recognizer import ActiveModel
from edge.recognition.scoring import CentredCosine
from edge.recognition.types import Frame, Image, Probe
from edge.roster import Roster
from edge.store.templates import TemplateStore
from edge.store.types import View
from tests.fakes.door import NOW_S, SetClock, ShownPanel, failing
from tests.fakes.enrollees import DIM, Enrollee
from tests.fakes.templates import open_store

TIMEOUT_S, SHOTS = 6.0, 3
PICTURE = np.zeros((2, 2, 3), np.uint8)


class Door:
    """enrolling over a real store; everything that is told or shown is kept."""

    def __init__(self, store: TemplateStore, policy: PolicyName = "open", *, names: bool = True) -> None:
        head = CentredCosine("embedder", np.zeros(DIM, np.float32), np.eye(DIM, dtype=np.float32))
        self.store = store
        self.roster = Roster(
            store, store.load(), lambda p: ActiveModel.of(head, p.gallery("embedder"), 0.001, "factory")
        )
        self.panel, self.clock = ShownPanel(), SetClock()
        self.told: list[EnrollmentMessage] = []
        ids = count(1)
        parts = Enrollers(
            door="front",
            embedder="embedder",
            runtime="fake 1.0",
            names=names,
            views=_view,
            tell=self.told.append,
            new_session=lambda: f"s{next(ids)}",
        )
        session = Enrollment(rules_for(shots=SHOTS, timeout_s=TIMEOUT_S, min_interval_s=0.2))
        self.enrolling = Enrolling(session, Policy(policy, 30.0), self.roster, self.panel, self.clock, parts)
        self._frames = count()

    @property
    def now_s(self) -> float:
        return self.clock.now_s

    def wait(self, seconds: float) -> None:
        self.clock.now_s += seconds
        self.enrolling.tick(self.now_s)

    def watch(self, who: Enrollee, seconds: float = 4.0) -> None:
        """Somebody before the camera, eight frames a second."""
        for _ in range(round(8 * seconds)):
            self.clock.now_s += 0.125
            frame = Frame(PICTURE, self.now_s, next(self._frames))
            self.enrolling.faces(self.now_s, [who.probe()], self.roster.model, frame)

    def enroll(self, who: Enrollee, name: str | None = None) -> str:
        self.enrolling.request(self.now_s, name)
        self.watch(who)
        assert self.told[-1].state == "done"
        assert self.told[-1].person is not None
        return self.told[-1].person

    def states(self) -> list[str]:
        return [message.state for message in self.told]


def _view(_: Image, probe: Probe) -> Sequence[View]:
    return [View(probe.embedding, probe.quality)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TemplateStore]:
    with open_store(tmp_path) as opened:
        yield opened


@pytest.fixture
def door(store: TemplateStore) -> Door:
    return Door(store)


def test_done_is_said_only_when_it_is_on_the_disk(door: Door) -> None:
    at_done: list[int] = []
    tell = door.told.append

    def watch(message: EnrollmentMessage) -> None:
        at_done.extend([len(door.store.load().people)] * (message.state == "done"))
        tell(message)

    object.__setattr__(door.enrolling._parts, "tell", watch)
    person = door.enroll(Enrollee("Ada"))
    assert at_done == [1]
    assert [message.state for message in door.told if message.state != "looking"] == [
        *["shot_taken"] * SHOTS,
        "storing",
        "done",
    ]
    assert door.panel.shown[-1] == "done"
    (kept, *_) = door.store.load().people[person].exemplars
    assert len(door.store.views(kept.id)) == 1


def test_every_message_is_one_that_the_contract_takes_and_tells_the_time(door: Door) -> None:
    door.enroll(Enrollee("Ada"), "Ada")
    assert [EnrollmentMessage.from_json(message.to_json()) for message in door.told] == door.told
    assert {message.at.timestamp() for message in door.told} == {NOW_S}
    assert {message.clock_set for message in door.told} == {True}


def test_a_store_that_fails_is_a_refusal_and_nobody_is_enrolled(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door.store, "add_person", failing(door.store.add_person))
    door.enrolling.press(door.now_s)
    door.watch(Enrollee("Ada"))
    last = door.told[-1]
    assert (last.state, last.reason, last.person) == ("refused", "store_failed", None)
    assert door.panel.shown[-1] == "refused_store"
    assert not door.roster.people
    monkeypatch.undo()
    door.enroll(Enrollee("Ada"))


def test_a_store_that_takes_nothing_refuses_before_anybody_has_to_stand_there(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door.store.session, "refusal", "the disk is full: make room on it")
    with pytest.raises(StoreError, match="the disk is full"):
        door.enrolling.request(door.now_s, "Ada")
    assert door.states() == ["refused"]


def test_somebody_known_is_refused_with_their_name_in_the_message(door: Door) -> None:
    ada = Enrollee("Ada")
    person = door.enroll(ada, "Ada Lovelace")
    door.enrolling.press(door.now_s)
    door.watch(ada)
    last = door.told[-1]
    assert (last.state, last.reason, last.person, last.name) == ("refused", "already_enrolled", person, "Ada Lovelace")
    assert len(door.roster.people) == 1


def test_a_twin_is_enrolled_where_that_is_asked_for(door: Door) -> None:
    ada = Enrollee("Ada")
    door.enroll(ada, "Ada")
    door.enrolling.request(door.now_s, "Eva", anyway=True)
    door.watch(ada)
    assert door.states()[-1] == "done"
    assert sorted(person.name for person in door.roster.people.values()) == ["Ada", "Eva"]


def test_names_are_kept_back_where_the_settings_say_so(store: TemplateStore) -> None:
    door = Door(store, names=False)
    door.enroll(Enrollee("Ada"), "Ada Lovelace")
    assert {message.name for message in door.told} == {None}


def test_a_request_beside_a_session_is_refused_and_the_session_goes_on_untouched(door: Door) -> None:
    session = door.enrolling.request(door.now_s, None)
    told = len(door.told)
    with pytest.raises(RefusedError, match="another enrollment is going on"):
        door.enrolling.request(door.now_s, "Bo")
    assert len(door.told) == told
    door.watch(Enrollee("Ada"))
    assert (door.told[-1].state, door.told[-1].session) == ("done", session)
    assert door.told[-1].name == "Person 1"


def test_a_request_after_a_session_that_ran_out_unnoticed_begins_one_of_its_own(door: Door) -> None:
    first = door.enrolling.request(door.now_s, None)
    door.clock.now_s += TIMEOUT_S + 1
    second = door.enrolling.request(door.now_s, None)
    assert second != first
    assert [(message.session, message.state) for message in door.told] == [
        (first, "looking"),
        (first, "timed_out"),
        (second, "looking"),
    ]


@pytest.mark.parametrize("name", ["   ", "a\nb\0", "x" * 65])
def test_a_name_that_is_none_is_refused_before_anybody_has_to_stand_there(door: Door, name: str) -> None:
    with pytest.raises(StoreError, match="a person's name may"):
        door.enrolling.request(door.now_s, name)
    assert not door.told


def test_cancelling_tells_it_and_frees_the_door(door: Door) -> None:
    door.enrolling.press(door.now_s)
    door.watch(Enrollee("Ada"), 0.5)
    door.enrolling.cancel(door.now_s)
    assert door.states()[-1] == "cancelled"
    assert not door.enrolling.active
    door.enrolling.cancel(door.now_s)
    assert door.states().count("cancelled") == 1
    door.enroll(Enrollee("Ada"))


def test_two_holds_undo_the_last_enrollment(door: Door) -> None:
    person = door.enroll(Enrollee("Ada"))
    door.enrolling.hold(door.now_s)
    assert door.states()[-1] == "asking"
    assert door.roster.people
    door.enrolling.hold(door.now_s)
    assert (door.told[-1].state, door.told[-1].person) == ("undone", person)
    assert not door.roster.people
    assert not door.store.load().people
    door.enrolling.hold(door.now_s)
    assert (door.told[-1].state, door.told[-1].reason) == ("refused", "nothing_to_undo")


def test_an_undo_that_nobody_confirms_undoes_nothing(door: Door) -> None:
    door.enroll(Enrollee("Ada"))
    door.enrolling.hold(door.now_s)
    door.wait(11.0)
    assert door.states()[-1] == "cancelled"
    assert len(door.roster.people) == 1


def test_an_undo_that_the_disk_does_not_take_is_a_refusal(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    door.enroll(Enrollee("Ada"))
    door.enrolling.hold(door.now_s)
    monkeypatch.setattr(door.store, "undo_last_enrollment", failing(door.store.undo_last_enrollment))
    door.enrolling.hold(door.now_s)
    assert (door.told[-1].state, door.told[-1].reason) == ("refused", "store_failed")
    assert len(door.roster.people) == 1


def test_a_hold_on_a_disk_that_cannot_be_read_is_a_refusal(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door.store, "last_enrollment", failing(door.store.last_enrollment))
    door.enrolling.hold(door.now_s)
    assert (door.told[-1].state, door.told[-1].reason) == ("refused", "store_failed")


def test_a_window_lets_people_enroll_until_it_closes(store: TemplateStore) -> None:
    door = Door(store, "window")
    with pytest.raises(RefusedError, match="no window is open; an operator can open one"):
        door.enrolling.request(door.now_s, None)
    door.enrolling.open_window(door.now_s + 60)
    door.enroll(Enrollee("Ada"))
    door.wait(61)
    door.enrolling.press(door.now_s)
    assert (door.told[-1].state, door.told[-1].reason) == ("refused", "not_allowed")
    door.enrolling.hold(door.now_s)  # who has just enrolled somebody may still undo it
    assert door.states()[-1] == "asking"
    door.wait(UNDO_WITHIN_S)
    door.enrolling.hold(door.now_s)
    assert (door.told[-1].state, door.told[-1].reason) == ("refused", "not_allowed")


def test_a_sponsor_lets_people_enroll_for_a_while(store: TemplateStore) -> None:
    door = Door(store, "sponsor")
    door.enrolling.press(door.now_s)
    assert door.states() == ["refused"]
    door.enrolling.saw_verified(door.now_s, "visit-1")
    door.wait(29)
    door.enrolling.press(door.now_s)
    assert door.states()[-1] == "looking"


def test_a_sponsor_who_was_not_who_they_were_taken_for_vouches_for_nobody(store: TemplateStore) -> None:
    door = Door(store, "sponsor")
    door.enrolling.saw_verified(door.now_s, "visit-1")
    door.enrolling.saw_verified(door.now_s, "visit-2")
    door.enrolling.doubt("visit-2")
    door.enrolling.press(door.now_s)
    assert door.states()[-1] == "looking", "another one still does"
    door.enrolling.press(door.now_s)
    door.enrolling.doubt("visit-1")
    door.enrolling.press(door.now_s)
    assert (door.told[-1].state, door.told[-1].reason) == ("refused", "not_allowed")


def test_degraded_views_are_made_as_each_shot_is_taken_and_each_once(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[int, int]] = []  # shots taken by then, and the probe
    probes: set[int] = set()

    def view(_: Image, probe: Probe) -> list[View]:
        made.append((door.states().count("shot_taken"), id(probe)))
        probes.add(id(probe))
        return [View(probe.embedding, probe.quality)]

    monkeypatch.setattr(door.enrolling._views, "_make", view)
    person = door.enroll(Enrollee("Ada"))
    assert [taken for taken, _ in made] == list(range(1, SHOTS + 1)), "one for the last shot is all that is left to do"
    assert len(probes) == len(made)
    kept = door.store.load().people[person].exemplars
    assert [len(door.store.views(exemplar.id)) for exemplar in kept] == [1] * SHOTS
    assert door.enrolling._views._made == {}


def test_views_of_a_session_that_was_given_up_are_forgotten(door: Door) -> None:
    door.enrolling.request(door.now_s, None)
    door.watch(Enrollee("Ada"), 0.5)
    assert door.enrolling._views._made
    door.enrolling.cancel(door.now_s)
    door.watch(Enrollee("Ada"), 0.2)
    assert door.enrolling._views._made == {}


def test_a_clock_that_was_never_set_is_told_of(door: Door) -> None:
    door.clock.wall = -5.0
    door.enrolling.press(door.now_s)
    assert (door.told[-1].at.timestamp(), door.told[-1].clock_set) == (0.0, False)


def test_the_log_says_what_happened_and_no_name(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    ada = Enrollee("Ada")
    with caplog.at_level("DEBUG", logger="doorward"):
        person = door.enroll(ada, "Ada Lovelace")
        door.enrolling.press(door.now_s)
        door.watch(ada)
    lines = [(record.getMessage(), str(vars(record)["values"])) for record in caplog.records]
    assert any(event == "done" and person in values for event, values in lines)
    assert any(event == "refused" and "already_enrolled" in values for event, values in lines)
    assert not any("Lovelace" in event + values for event, values in lines)
