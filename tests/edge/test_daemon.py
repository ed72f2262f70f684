"""The daemon as a whole, with the real models, a real store and outbox, and a link without a broker."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from edge.adapters.capture import CaptureOptions, CaptureState
from edge.adapters.clock import SystemClock
from edge.adapters.fake_camera import FakeCamera
from edge.contract.codec import JsonObject
from edge.contract.messages import RecognitionEvent, Request, Response
from edge.desk.verbs import Verb
from edge.desk.work import Work
from edge.enrollment.pictures import Provenance, exemplar_of
from edge.errors import CameraError, LinkError
from edge.inbox import Acknowledged, Asked
from edge.recognition.types import Frame
from edge.recognition.visit import Visit, VisitEvent
from edge.settings.slices import CameraSettings, EnrollmentSettings
from edge.stored import open_people
from tests.fakes.door import (
    BEGIN_S,
    DOOR,
    PER_S,
    Door,
    Film,
    SetClock,
    door_in,
    failing,
    film,
    line,
    settings_in,
    walkup,
)
from tests.fakes.templates import picture
from tests.fakes.world import wait_until

FAST = CaptureOptions(queue=20, first_delay_s=0.01, longest_delay_s=0.01, give_up_after=3)
NEAR = 20  # of a walk-up's pictures: the face is some 180 px wide


@contextmanager
def running(door: Door) -> Iterator[threading.Thread]:
    """The daemon on a thread of its own, which must end when it is told to."""
    thread = threading.Thread(target=door.daemon.run)
    thread.start()
    try:
        yield thread
    finally:
        door.daemon.stop()
        thread.join(30)
        assert not thread.is_alive()


@contextmanager
def hanging(folder: Path, settings: EnrollmentSettings | None = None) -> Iterator[Door]:
    """A door whose live camera gives no frame and does not come back from its driver."""
    comes_back = threading.Event()
    slices = {} if settings is None else {"enrollment": settings}
    camera = FakeCamera([[comes_back]], SystemClock())
    with door_in(settings_in(folder, **slices), camera, clock=SystemClock()) as door:
        try:
            yield door
        finally:
            comes_back.set()


def enroll(door: Door, picture: str, name: str = "Ada") -> str:
    """From one picture of the shipped ones, as a command does it; the person's id."""
    probe = line().probes(walkup(picture)[NEAR + 2])[0]
    exemplar = exemplar_of(probe, Provenance(line().embedder_id, "test", 1.8e9))
    return door.roster.enroll(name, [exemplar], 1.8e9, verified=True).id


def states_of(door: Door) -> list[str]:
    return [step.state for step in door.enrollments()]


def near(frame: Frame, visits: tuple[Visit, ...]) -> Visit | None:
    """The visit of somebody who is in this frame, close enough to be enrolled."""
    there = (v for v in visits if v.last_seen_s == frame.time_s and v.latest.quality.width_px > 60)
    return next(there, None)


class Played:
    """What came of one film: somebody is enrolled at their first visit, a stranger comes, and the first one again."""

    def __init__(self, folder: Path) -> None:
        self.settings = settings_in(folder)
        self.seen: list[tuple[int, int, str | None]] = []  # frame, people enrolled, whom the frame's visit is of
        self.pressed = False
        with door_in(self.settings, Film(film("obama", "biden", "obama2"))) as self.door:
            self.door.on_frame = self.see
            self.door.daemon.run()
            self.events = self.door.events()
            self.enrollments = self.door.enrollments()
            self.states = self.door.states()
            self.shown = self.door.panel.shown
            self.release = self.door.roster.model.release
        self.person = self.enrollments[-1].person

    def see(self, frame: Frame, visits: tuple[Visit, ...], _: list[VisitEvent]) -> None:
        visit = near(frame, visits)
        if visit is None:
            return
        self.seen.append((frame.number, len(self.door.roster.people), visit.person))
        if not self.pressed:
            self.pressed = True
            self.door.press()

    def visits(self) -> list[list[RecognitionEvent]]:
        return [list(events) for _, events in groupby(self.events, key=lambda event: event.visit)]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return Played(tmp_path_factory.mktemp("door"))


def test_a_press_enrolls_whoever_stands_there(played: Played) -> None:
    states = [step.state for step in played.enrollments]
    assert states[0] == "looking"
    assert states.count("shot_taken") == 3
    assert states[-2:] == ["storing", "done"]
    assert {step.session for step in played.enrollments} == {played.enrollments[0].session}
    assert (played.enrollments[-1].name, played.enrollments[-1].door) == ("Person 1", DOOR)


def test_the_very_frame_that_completes_the_enrollment_knows_the_person(played: Played) -> None:
    before = [entry for entry in played.seen if entry[1] == 0]
    first = next(entry for entry in played.seen if entry[1] == 1)
    assert {person for _, _, person in before} == {None}
    assert (first[0], first[2]) == (before[-1][0] + 1, played.person)


def test_each_visit_starts_once_and_ends_once_in_order(played: Played) -> None:
    visits = played.visits()
    assert len(visits) == len({event.visit for event in played.events}) == 3
    for visit in visits:
        phases = [event.phase for event in visit]
        assert (phases[0], phases[-1]) == ("started", "ended")
        assert set(phases[1:-1]) <= {"updated"}
        assert len({event.started_at for event in visit}) == 1
    assert len({event.event for event in played.events}) == len(played.events)


def test_the_stranger_becomes_the_person_and_is_known_when_they_return(played: Played) -> None:
    enrolled, stranger, returned = played.visits()
    assert (enrolled[0].outcome, enrolled[0].person) == ("stranger", None)
    assert (enrolled[-1].outcome, enrolled[-1].person, enrolled[-1].stranger) == ("known", played.person, None)
    assert {event.outcome for event in stranger} == {"stranger"}
    assert stranger[-1].stranger is not None
    assert {(event.outcome, event.person) for event in returned} == {("known", played.person)}


def test_a_person_who_was_only_enrolled_by_the_button_is_not_verified(played: Played) -> None:
    assert {event.verified for event in played.events} == {False}


def test_events_say_which_head_and_runtime_told_them_and_that_no_photo_was_looked_for(played: Played) -> None:
    assert {event.release for event in played.events} == {played.release}
    assert all(event.runtime.split()[0] in {"ai-edge-litert", "tflite-runtime"} for event in played.events)
    assert {event.liveness for event in played.events} == {"not_checked"}


def test_who_is_done_is_on_the_disk(played: Played) -> None:
    (person,) = open_people(played.settings.store).people.values()
    assert person.id == played.person
    assert [exemplar.embedder for exemplar in person.exemplars] == [line().embedder_id] * 3
    assert person.seen_s == SetClock().wall_s()


def test_the_panel_tells_the_steps(played: Played) -> None:
    told = [pattern for pattern in played.shown if pattern in ("shot_taken", "done") or pattern.startswith("refused")]
    assert told == ["shot_taken", "shot_taken", "shot_taken", "done"]
    assert played.shown[0] == "idle"
    assert "looking" in played.shown[: played.shown.index("shot_taken")]


def test_the_state_is_well_and_names_the_embedder(played: Played) -> None:
    assert {(state.degraded, state.door, state.embedder_sha256) for state in played.states} == {
        ((), DOOR, line().embedder_id)
    }


def test_a_second_start_knows_the_person_at_once(played: Played) -> None:
    with door_in(played.settings, Film(film("obama2"))) as door:
        door.daemon.run()
        assert {(event.outcome, event.person) for event in door.events()} == {("known", played.person)}


def test_enrolling_a_second_person_changes_nobody_else_s_score(tmp_path: Path) -> None:
    probe = line().probes(walkup("obama")[NEAR])[0].embedding
    scores: list[float] = []
    with door_in(settings_in(tmp_path), Film(film("biden"))) as door:
        first = enroll(door, "obama2")

        def see(frame: Frame, visits: tuple[Visit, ...], _: list[VisitEvent]) -> None:
            if near(frame, visits) and not door.enrollments():
                door.press()
            scores.extend(c.score for c in door.roster.model.candidates(probe) if c.person == first)

        door.on_frame = see
        door.daemon.run()
        assert states_of(door)[-1] == "done"
        assert len(door.roster.people) == 2
    assert len(scores) == len(film("biden"))
    assert len(set(scores)) == 1


def test_a_second_press_gives_it_up(tmp_path: Path) -> None:
    with hanging(tmp_path) as door, running(door):
        door.press()
        wait_until(lambda: states_of(door) == ["looking"], "the press was felt although no frame came")
        door.press()
        wait_until(lambda: states_of(door) == ["looking", "cancelled"], "and the second")


def test_an_enrollment_without_frames_times_out(tmp_path: Path) -> None:
    shortest = EnrollmentSettings(shots=3, timeout_s=1.0, min_interval_s=0.1)
    with hanging(tmp_path, shortest) as door, running(door):
        door.press()
        wait_until(lambda: states_of(door) == ["looking", "timed_out"], "the time is up")
        assert door.enrollments()[-1].reason == "no_picture"


def test_a_camera_that_fails_for_good_ends_the_daemon_where_the_rules_say_so(tmp_path: Path) -> None:
    with door_in(settings_in(tmp_path), broken_camera(), clock=SystemClock(), options=FAST) as door:
        with pytest.raises(CameraError, match="camera fake: gone; plug it in"):
            door.daemon.run()
        assert door.panel.shown[-1] == "camera_lost"


def test_a_visit_that_is_open_when_the_camera_fails_is_told_to_have_ended(tmp_path: Path) -> None:
    camera = FakeCamera([walkup("obama")[16:24]], SystemClock())
    with door_in(settings_in(tmp_path), camera, clock=SystemClock(), options=FAST) as door:
        with pytest.raises(CameraError, match="camera fake: gone for good"):
            door.daemon.run()
        phases = [event.phase for event in door.events()]
        assert (phases[0], phases[-1]) == ("started", "ended")


def test_a_camera_that_fails_for_good_is_waited_for_where_the_rules_say_so(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, camera=CameraSettings(reopen_failures_before_exit=0))
    with (
        door_in(settings, broken_camera(), clock=SystemClock(), options=FAST) as door,
        running(door) as thread,
    ):
        wait_until(lambda: door.capture.state is CaptureState.FAILED, "given up")
        wait_until(lambda: bool(door.states()) and door.states()[-1].camera == "lost", "told")
        assert door.states()[-1].degraded == ("camera: camera fake: gone; plug it in",)
        assert thread.is_alive()


def test_a_film_that_breaks_ends_the_daemon_even_then(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, camera=CameraSettings(reopen_failures_before_exit=0))
    damaged = CameraError("camera file: damaged; use another")
    camera = FakeCamera([[walkup("")[0], damaged]], SystemClock(), live=False)
    with door_in(settings, camera) as door, pytest.raises(CameraError, match="camera file: damaged"):
        door.daemon.run()


def test_a_disk_that_takes_nothing_keeps_nobody_from_being_recognized(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with door_in(settings_in(tmp_path), Film(film("obama"))) as door:
        known = enroll(door, "obama2")
        for name in ("flush_seen", "finish_erasures", "snapshot", "last_enrollment"):
            monkeypatch.setattr(door.roster._store, name, failing(getattr(door.roster._store, name)))
        door.press("hold")
        door.daemon.run()
        assert {event.person for event in door.events()} == {known}
        (refused,) = door.enrollments()
        assert (refused.state, refused.reason) == ("refused", "store_failed")


def test_requests_are_answered_between_two_frames_and_the_broker_is_told_after(tmp_path: Path) -> None:
    with door_in(settings_in(tmp_path), Film(film())) as door:
        door.ask("people_list")
        door.ask("status", b'{"transaction": "t"}')
        assert not door.link.acknowledged
        door.daemon.run()
        assert [response.data["people"] for response in door.responses("people_list")] == [[]]
        (status,) = door.responses("status")
        assert (status.transaction, status.data["camera"], status.data["people"]) == ("t", "ok", 0)
        assert len(door.link.acknowledged) == 2


def test_a_request_to_enroll_under_a_name_makes_a_verified_person(tmp_path: Path) -> None:
    with door_in(settings_in(tmp_path), Film(film("obama"))) as door:

        def ask_when_near(frame: Frame, visits: tuple[Visit, ...], _: list[VisitEvent]) -> None:
            if near(frame, visits) and not door.responses("enroll"):
                door.ask("enroll", b'{"data": {"name": "Ada"}}')

        door.on_frame = ask_when_near
        door.daemon.run()
        last = door.events()[-1]
        assert (last.outcome, last.name, last.verified) == ("known", "Ada", True)
        assert {response.data["session"] for response in door.responses("enroll") if not response.error} == {
            door.enrollments()[0].session
        }


def test_names_stay_out_of_messages_where_the_settings_say_so(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    object.__setattr__(settings.mqtt, "publish_names", False)
    with door_in(settings, Film(film("obama"))) as door:
        known = enroll(door, "obama2", "Barack Obama")
        door.daemon.run()
        assert {(event.person, event.name) for event in door.events()} == {(known, None)}
        assert not any(b"Barack" in message.payload for message in door.link.published)


def test_quit_ends_the_daemon(tmp_path: Path) -> None:
    with hanging(tmp_path) as door:
        door.press("quit")
        door.daemon.run()


def test_a_sponsor_who_has_stood_there_for_long_may_still_vouch(tmp_path: Path) -> None:
    policy = EnrollmentSettings(policy="sponsor", sponsor_within_s=5.0, shots=3, timeout_s=5.0, min_interval_s=0.3)
    pictures = [walkup("obama")[NEAR + number % 4] for number in range(round(12 * PER_S))]
    frames = [Frame(pixels, BEGIN_S + number / PER_S, number) for number, pixels in enumerate(pictures)]
    with door_in(settings_in(tmp_path, enrollment=policy), Film(frames)) as door:
        enroll(door, "obama")
        last = len(frames) - 8
        door.on_frame = lambda frame, _visits, _events: door.press() if frame.number == last else None
        door.daemon.run()
        assert states_of(door)[0] == "looking"


def test_a_visit_of_which_an_event_is_rejected_goes_on_as_a_stranger_s_and_vouches_for_nobody(tmp_path: Path) -> None:
    policy = EnrollmentSettings(policy="sponsor", sponsor_within_s=30.0)
    pictures = [walkup("obama")[NEAR + number % 4] for number in range(round(6 * PER_S))]
    frames = [Frame(pixels, BEGIN_S + number / PER_S, number) for number, pixels in enumerate(pictures)]
    with door_in(settings_in(tmp_path, enrollment=policy), Film(frames)) as door:
        enroll(door, "obama")
        rejected = len(frames) // 2

        def see(frame: Frame, _visits: tuple[Visit, ...], _events: list[VisitEvent]) -> None:
            if frame.number == rejected:
                told = str(door.events()[0].event).upper()
                door.ask("event_reject", b'{"data": {"event": "%s"}}' % told.encode())
            elif frame.number == rejected + 4:
                door.press()

        door.on_frame = see
        door.daemon.run()
        (response,) = door.responses("event_reject")
        assert response.error is None, response.error
        outcomes = [event.outcome for event in door.events()]
        assert (outcomes[0], outcomes[-2:]) == ("known", ["stranger", "stranger"])
        assert {event.visit for event in door.events()} == {door.events()[0].visit}
        assert [(step.state, step.reason) for step in door.enrollments()] == [("refused", "not_allowed")]


def test_a_long_request_is_worked_at_between_frames_and_others_are_answered_meanwhile(tmp_path: Path) -> None:
    seen: list[int] = []
    with door_in(settings_in(tmp_path), Film(film("biden"))) as door:

        def work(_: JsonObject) -> Work[dict[str, Any]]:
            for number in range(5):
                seen.append(len(frames))
                yield f"{number} of 5"
            return {"worked": True}

        frames: list[int] = []
        progress: list[str] = []
        answers: list[Response] = []
        door.desk.verbs["work"] = Verb(work)
        door.on_frame = lambda frame, _visits, _events: frames.append(frame.number)
        request = Request(verb="work", data={})
        door.inbox.put(Asked(request, answers.append, local=True, progress=progress.append))
        door.ask("status")
        door.daemon.run()
        assert [answer.data for answer in answers] == [{"worked": True}]
        assert progress == [f"{number} of 5" for number in range(5)]
        assert len(set(seen)) >= 3, "frames came in between"
        assert len(door.responses("status")) == 1


def test_a_long_request_that_the_door_s_end_cuts_short_is_told_so(tmp_path: Path) -> None:
    closed: list[bool] = []

    def endless(_: JsonObject) -> Work[dict[str, Any]]:
        try:
            while True:
                yield None
        finally:
            closed.append(True)

    with door_in(settings_in(tmp_path), Film(film()[:5])) as door:
        answers: list[Response] = []
        door.desk.verbs["work"] = Verb(endless)
        door.inbox.put(Asked(Request(verb="work", data={}), answers.append, local=True))
        door.daemon.run()
        (answer,) = answers
        assert answer.error == "work was cut short, since the door stops; what is done so far stays: ask again later"
        assert answer.code == LinkError.exit_code
        assert closed == [True]


def test_a_snapshot_waits_for_the_end_of_a_long_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tended: list[bool] = []
    with door_in(settings_in(tmp_path), Film(film())) as door:
        working = [True]
        monkeypatch.setattr(door.roster, "tend", lambda: tended.append(working[0]))

        def work(_: JsonObject) -> Work[dict[str, Any]]:
            for seed in range(6):
                door.roster.enroll(None, [picture(seed)], 1.8e9, verified=False)
                yield None
            working[0] = False
            return {}

        door.desk.verbs["work"] = Verb(work)
        answers: list[Response] = []
        door.inbox.put(Asked(Request(verb="work", data={}), answers.append, local=True))
        door.daemon.run()
        assert tended[0]  # that of the start, which is due
        assert set(tended[1:]) == {False}


def test_without_a_sponsor_a_press_is_refused(tmp_path: Path) -> None:
    policy = EnrollmentSettings(policy="sponsor", sponsor_within_s=5.0)
    with door_in(settings_in(tmp_path, enrollment=policy), Film(film())) as door:
        door.press()
        door.daemon.run()
        assert [(step.state, step.reason) for step in door.enrollments()] == [("refused", "not_allowed")]


def test_no_name_and_no_embedding_gets_into_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="doorward"), door_in(settings_in(tmp_path), Film(film("obama"))) as door:
        enroll(door, "obama2", "Barack Obama")
        door.ask("people_show", b'{"data": {"person": "Barack Obama"}}')
        door.press()
        door.daemon.run()
        assert {event.name for event in door.events()} == {"Barack Obama"}
    told = [f"{record.getMessage()} {vars(record).get('values')}" for record in caplog.records]
    assert any(line.startswith("visit ") for line in told)
    assert any("already_enrolled" in line for line in told)
    assert not [line for line in told if "Barack" in line or "array(" in line]


def broken_camera() -> FakeCamera:
    return FakeCamera([CameraError("camera fake: gone; plug it in")] * 1000, SystemClock())


def test_a_late_answer_of_a_trainer_is_taken_off_the_broker_by_a_door_that_shares_nothing(tmp_path: Path) -> None:
    done: list[str] = []
    with door_in(settings_in(tmp_path), Film(film())) as door:
        door.inbox.put(Acknowledged((uuid4(),), lambda: done.append("done")))
        door.daemon.run()
    assert done == ["done"]
