"""A release gets into force on a running door, and out of it: no frame is lost, nobody is missed, scores are exact."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge import assemble
from edge.adapters.memory_link import MemoryLink
from edge.adapters.release_post import ReleasePost
from edge.compose import force_at_start
from edge.contract.messages import Request
from edge.contract.update import UpdateState
from edge.errors import RefusedError, StoreError
from edge.inbox import Inbox
from edge.inference.head import load_head
from edge.recognition.recognizer import ActiveModel
from edge.recognition.types import Floats
from edge.roster import Roster
from edge.settings.slices import MqttSettings, ReleasesSettings, Settings
from edge.store.types import NewExemplar
from edge.update import release_work
from edge.update.activation import Activation
from edge.update.bundle import Bundle
from edge.update.force import Force
from edge.update.machine import Target
from edge.update.news import News, NoNotice
from edge.update.place import ReleasePlace
from edge.update.reprojection import project_all
from edge.update.selftest import Verdict
from edge.update.slots import Slots
from tests.fakes.door import DOOR, PER_S, TOPICS, Door, Film, SetClock, door_in, film, roster_in, settings_in
from tests.fakes.head_releases import EMBEDDER, changed_weights, drawn_people, make_bundle, write_head
from tests.fakes.release_door import StagingUpdater, noticed, passed, settle, until, visit
from tests.fakes.templates import NOW, picture

RELEASES = ReleasesSettings(enabled=True, trial_minutes=1.0, trial_visits=3, jitter_minutes=0.0)
PEOPLE = drawn_people(8)


def turned(weights: Floats) -> Floats:
    """Another head that knows the same people: the shipped one with its directions a little mixed."""
    noise = np.random.default_rng(7).standard_normal(weights.shape) * 0.02 * np.abs(weights).mean()
    return np.asarray(weights + noise, np.float32)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    folder = tmp_path_factory.mktemp("trainer")
    for name in ("plda-1", "plda-2"):
        write_head(folder / name, changed_weights(turned), honest_canaries=True, id=name)
    return {name: make_bundle(folder, name, counter) for counter, name in enumerate(("plda-1", "plda-2"), 1)}


def exemplars(number: int) -> list[NewExemplar]:
    shots = enumerate(PEOPLE[number].embeddings)
    return [
        replace(picture(10 * number + n, views=0), embedding=embedding, embedder=EMBEDDER.sha256)
        for n, embedding in shots
    ]


def enroll(roster: Roster, number: int) -> str:
    return roster.enroll(f"Person {number}", exemplars(number), NOW, verified=True).id


def settings_for(folder: Path, **changes: Any) -> Settings:
    return settings_in(folder, mqtt=MqttSettings(), releases=replace(RELEASES, **changes))


class Kept:
    """Takes the states."""

    def __init__(self) -> None:
        self.states: list[UpdateState] = []

    def state(self, message: UpdateState) -> None:
        self.states.append(message)

    @property
    def steps(self) -> list[str]:
        return [state.state for state in self.states]


@dataclass
class Bench:
    """The component over a real store and real slots; `until` is its loop."""

    activation: Activation
    roster: Roster
    updater: StagingUpdater
    slots: Slots
    news: Inbox[News]
    post: Kept
    clock: SetClock

    def announce(self, bundle: Bundle, **changes: object) -> None:
        assert self.news.put(noticed(bundle, **changes))

    def step(self) -> str:
        return self.slots.record().step

    def on_trial(self, bundle: Bundle) -> float:
        """The release comes in; the time then."""
        self.announce(bundle)
        return until(self.activation, lambda: self.roster.model.release == bundle.description.release)

    def visits(self, *margins: float | None, at_s: float) -> None:
        for margin in margins:
            self.activation.saw(visit(self.roster.model, at_s, margin), self.roster.model)


@contextmanager
def bench(folder: Path, bundles: dict[str, Bundle], people: int = 3, **changes: Any) -> Iterator[Bench]:
    settings = settings_for(folder, **changes)
    force = force_at_start(settings.recognition, folder)
    with roster_in(settings, force) as roster:
        for number in range(len(roster.people), people):
            enroll(roster, number)
        slots, news, post, clock = ReleasePlace.below(folder).slots, Inbox[News](), Kept(), SetClock()
        updater = StagingUpdater(slots, news, bundles)
        made = assemble.activation(settings, roster, news, updater, clock, post, on_trial=force.trial)
        assert made is not None
        try:
            yield Bench(made, roster, updater, slots, news, post, clock)
        finally:
            made.close()


def scores(model: ActiveModel) -> dict[str, list[float]]:
    """Of everybody's pictures against everybody, by person: to the last bit, in whatever order the table is."""
    gallery = model.gallery
    seen = [gallery.head.project(embedding) for who in PEOPLE for embedding in who.embeddings]
    found = gallery.head.scores(gallery.rows, seen)
    return {person: found[:, at].tolist() for at, person in enumerate(gallery.people)}


def from_scratch(bundle: Bundle, folder: Path, roster: Roster) -> ActiveModel:
    """Everybody under the release's head, as if it had always been there."""
    contents = folder / "again"
    bundle.unpack(contents)
    head = load_head(next(contents.glob("*.head.json")), EMBEDDER.sha256)
    return project_all(Force(head, bundle.description.release), dict(roster.people), 0.01)


def test_a_release_is_brought_put_on_trial_and_committed(tmp_path: Path, bundles: dict[str, Bundle]) -> None:
    with bench(tmp_path, bundles) as door:
        before = scores(door.roster.model)
        now_s = door.on_trial(bundles["plda-1"])
        assert door.slots.in_force() is None
        assert scores(door.roster.model) != before
        door.visits(5.0, 5.0, 5.0, at_s=now_s + 1)
        until(door.activation, lambda: door.step() == "committed", now_s)
        until(door.activation, lambda: door.post.steps[-1] == "committed", now_s)
        last = door.post.states[-1]
        assert (last.release, last.counter, last.target, last.missing_layers) == ("plda-1", 1, "plda-1", ("landlock",))
        assert [step for step in door.post.steps if step in ("idle", "trial", "committed")][-2:] == [
            "trial",
            "committed",
        ]
        trial = next(state for state in door.post.states if state.state == "trial")
        assert (trial.release, trial.target, trial.attempt) == ("factory", "plda-1", 1)
    with bench(tmp_path, bundles) as door:
        assert door.roster.model.release == "plda-1"
        assert door.activation.status()["release"] == "plda-1"


def test_scores_and_threshold_are_those_of_a_table_made_from_scratch(
    tmp_path: Path, bundles: dict[str, Bundle]
) -> None:
    with bench(tmp_path, bundles) as door:
        old = door.roster.model.threshold
        door.on_trial(bundles["plda-1"])
        fresh = from_scratch(bundles["plda-1"], tmp_path, door.roster)
        assert scores(door.roster.model) == scores(fresh)
        assert door.roster.model.threshold == fresh.threshold != old


def test_whoever_changes_while_everybody_is_projected_is_in_the_new_table(
    tmp_path: Path, bundles: dict[str, Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slowly(*arguments: Any) -> ActiveModel:
        begun.set()
        assert go_on.wait(30)
        return project_all(*arguments)

    with bench(tmp_path, bundles, people=4) as door:
        monkeypatch.setattr(release_work, "project_all", slowly)
        door.announce(bundles["plda-1"])
        now_s = 1000.0
        while not begun.is_set():
            now_s += 1.0
            door.activation.frame(now_s)
            door.activation.turn(now_s)
            time.sleep(0.005)
        longest_s = 0.0
        people = list(door.roster.people)
        new = enroll(door.roster, 5)
        door.roster.add_exemplars(people[0], exemplars(6), NOW)
        door.roster.erase(people[1], NOW)
        for _ in range(50):  # frames go on meanwhile, under the head before
            began_s = time.monotonic()
            door.activation.turn(now_s)
            longest_s = max(longest_s, time.monotonic() - began_s)
            assert door.roster.model.release == "factory"
        assert longest_s < 0.05
        go_on.set()
        until(door.activation, lambda: door.roster.model.release == "plda-1", now_s)
        fresh = from_scratch(bundles["plda-1"], tmp_path, door.roster)
        assert scores(door.roster.model) == scores(fresh)
        assert door.roster.model.threshold == fresh.threshold
        assert new in door.roster.model.gallery
        assert people[1] not in door.roster.model.gallery


def test_more_changes_than_a_frame_may_wait_for_are_projected_beside_it_too(
    tmp_path: Path, bundles: dict[str, Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when an export is taken in at that moment."""
    with bench(tmp_path, bundles, people=1) as door:

        def and_enroll(*arguments: Any) -> ActiveModel:
            made = project_all(*arguments)
            asked.set()
            assert enrolled.wait(30)
            return made

        asked, enrolled = threading.Event(), threading.Event()
        monkeypatch.setattr(release_work, "project_all", and_enroll)
        door.announce(bundles["plda-1"])
        now_s = 1000.0
        while not asked.is_set():
            now_s += 1.0
            door.activation.frame(now_s)
            door.activation.turn(now_s)
            time.sleep(0.005)
        for number in range(1, 8):
            enroll(door.roster, number)
        enrolled.set()
        until(door.activation, lambda: door.roster.model.release == "plda-1", now_s)
        fresh = from_scratch(bundles["plda-1"], tmp_path, door.roster)
        assert len(fresh.gallery) == 8
        assert scores(door.roster.model) == scores(fresh)
        assert door.roster.model.threshold == fresh.threshold


def test_a_head_under_which_the_usual_visitors_are_strangers_is_rolled_back_to_the_bit(
    tmp_path: Path, bundles: dict[str, Bundle]
) -> None:
    with bench(tmp_path, bundles) as door:
        before = door.roster.model
        door.visits(*(4.0,) * 20, at_s=1.0)
        now_s = door.on_trial(bundles["plda-1"])
        late = enroll(door.roster, 4)
        door.visits(*(None,) * 5, at_s=now_s + 1)
        until(door.activation, lambda: door.roster.model.release == "factory", now_s)
        assert door.step() == "rolled_back"
        now = scores(door.roster.model)
        assert now.pop(late)
        assert now == scores(before)
        until(door.activation, lambda: door.post.steps[-1] == "rolled_back", now_s)
        said = door.post.states[-1]
        assert (said.target, said.release) == ("plda-1", "factory")
        assert said.reason == "of 5 visitors 0% were known, 100% of 20 before"
        again = len(door.updater.started)
        door.announce(bundles["plda-1"], spread_s=1)
        passed(door.activation, 10, now_s)
        assert len(door.updater.started) == again  # not tried again by itself


def test_visits_that_began_under_the_head_before_say_nothing_of_the_trial(
    tmp_path: Path, bundles: dict[str, Bundle]
) -> None:
    with bench(tmp_path, bundles) as door:
        door.visits(*(4.0,) * 20, at_s=1.0)
        now_s = door.on_trial(bundles["plda-1"])
        door.visits(*(None,) * 20, at_s=now_s - 2)
        assert door.activation.status()["trial_visits"] == 0
        door.visits(None, at_s=now_s + 1)
        assert door.activation.status()["trial_visits"] == 1


def test_what_the_visitors_before_were_like_is_known_after_a_restart_in_the_trial(
    tmp_path: Path, bundles: dict[str, Bundle]
) -> None:
    with bench(tmp_path, bundles) as door:
        door.visits(*(4.0,) * 20, at_s=1.0)
        door.on_trial(bundles["plda-1"])
    with bench(tmp_path, bundles) as door:
        assert door.roster.model.release == "plda-1"
        assert door.slots.record().attempts_left == 1
        now_s = until(door.activation, lambda: door.activation.status()["trial_visits"] == 0)
        door.visits(*(None,) * 5, at_s=now_s + 1)
        until(door.activation, lambda: door.roster.model.release == "factory", now_s)
        assert door.step() == "rolled_back"


def test_starts_that_end_in_the_trial_use_its_attempts_up(tmp_path: Path, bundles: dict[str, Bundle]) -> None:
    with bench(tmp_path, bundles) as door:
        door.on_trial(bundles["plda-1"])
    found = [force_at_start(settings_for(tmp_path).recognition, tmp_path) for _ in range(4)]
    assert [force.release for force in found] == ["plda-1", "plda-1", "factory", "factory"]
    assert found[2].found == ("3 attempts to run it ended before it was found healthy",)


@pytest.mark.parametrize("suffix", ["tflite", "json"])
def test_a_head_in_force_that_does_not_load_is_rolled_back_for_the_one_before(
    tmp_path: Path, bundles: dict[str, Bundle], suffix: str
) -> None:
    with bench(tmp_path, bundles) as door:
        now_s = door.on_trial(bundles["plda-1"])
        door.visits(5.0, 5.0, 5.0, at_s=now_s + 1)
        now_s = until(door.activation, lambda: door.step() == "committed", now_s)
        slot = door.slots.in_force()
        assert slot is not None
        file = next(slot.folder.glob(f"*.{suffix}"))
        file.write_bytes(file.read_bytes()[:-1])
    force = force_at_start(settings_for(tmp_path).recognition, tmp_path)
    assert force.release == "factory"
    assert force.found[0].startswith("plda-1: ")
    assert door.slots.record().step == "rolled_back"


def test_a_staged_head_that_is_damaged_since_costs_its_trial_and_nothing_else(
    tmp_path: Path, bundles: dict[str, Bundle]
) -> None:
    with bench(tmp_path, bundles, enabled=False) as door:
        door.announce(bundles["plda-1"])
        until(door.activation, lambda: door.activation.status()["announced"] == "plda-1")
        assert door.updater.started == []
        door.updater.start(noticed_target(bundles["plda-1"]))
        slot = door.slots.staged()
        assert slot is not None
        model = next(slot.folder.glob("*.tflite"))
        model.write_bytes(b"\0" * model.stat().st_size)
        before = door.roster.model
        until(door.activation, lambda: door.step() == "rolled_back")
        assert door.roster.model is before
        reason = f"plda-1: {model.name} is damaged"
        until(door.activation, lambda: door.activation.status()["reason"] == reason)


def noticed_target(bundle: Bundle) -> Target:
    return Target.of(bundle.description)


def test_a_full_disk_leaves_the_head_in_force_and_the_trial_for_later(
    tmp_path: Path, bundles: dict[str, Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    with bench(tmp_path, bundles) as door, monkeypatch.context() as full:

        def refuse(_: Slots) -> int:
            raise StoreError("releases: no space left on device; make room on its disk")

        full.setattr(Slots, "start_attempt", refuse)
        door.announce(bundles["plda-1"])
        now_s = until(door.activation, lambda: door.activation._problem is not None)
        assert door.roster.model.release == "factory"
        full.undo()
        until(door.activation, lambda: door.roster.model.release == "plda-1", now_s, most=400)


def test_a_trial_that_cannot_be_recorded_as_ended_is_ended_and_not_begun_again(
    tmp_path: Path, bundles: dict[str, Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    with bench(tmp_path, bundles) as door, monkeypatch.context() as full:
        now_s = door.on_trial(bundles["plda-1"])

        def refuse(*_: object) -> None:
            raise StoreError("releases: no space left on device; make room on its disk")

        full.setattr(Slots, "roll_back", refuse)
        door.activation.roll_back("an operator went back")
        now_s = until(door.activation, lambda: door.roster.model.release == "factory", now_s)
        assert now_s < door.activation._work_due_s
        assert door.step() == "trial"
        full.undo()
        until(door.activation, lambda: door.step() == "rolled_back", now_s, most=400)
        assert door.roster.model.release == "factory"


def test_an_updater_that_fails_is_begun_again_later_and_later(tmp_path: Path, bundles: dict[str, Bundle]) -> None:
    with bench(tmp_path, bundles) as door:
        door.updater.problem = "the broker cannot be reached"
        door.announce(bundles["plda-1"])
        now_s = until(door.activation, lambda: len(door.updater.started) == 3, most=1500)
        passed(door.activation, 10, now_s)
        assert door.post.states[-1].state == "failed"
        assert door.post.states[-1].reason == "the broker cannot be reached"
        door.updater.problem = None
        until(door.activation, lambda: door.roster.model.release == "plda-1", 5000.0, most=3000)


def test_a_refused_release_is_not_asked_for_again_and_the_next_one_is(
    tmp_path: Path, bundles: dict[str, Bundle]
) -> None:
    with bench(tmp_path, bundles) as door:
        door.updater.verdict = Verdict("would forget 2 of 3 people")
        door.announce(bundles["plda-1"])
        now_s = until(door.activation, lambda: door.step() == "refused")
        now_s = until(door.activation, lambda: door.post.steps[-1] == "refused", now_s)
        door.updater.verdict = Verdict(None)
        door.on_trial(bundles["plda-2"])
        assert door.updater.started == ["plda-1", "plda-2"]


def test_what_is_withdrawn_on_trial_goes_and_what_is_committed_stays(
    tmp_path: Path, bundles: dict[str, Bundle]
) -> None:
    with bench(tmp_path, bundles) as door:
        now_s = door.on_trial(bundles["plda-1"])
        door.visits(5.0, 5.0, 5.0, at_s=now_s + 1)
        now_s = until(door.activation, lambda: door.step() == "committed", now_s)
        door.announce(bundles["plda-1"], withdrawn=True)
        now_s = until(door.activation, lambda: door.activation.status()["announced"] is None, now_s)
        now_s = passed(door.activation, 10, now_s)
        assert door.roster.model.release == "plda-1"
        door.announce(bundles["plda-2"])
        now_s = until(door.activation, lambda: door.roster.model.release == "plda-2", now_s)
        door.announce(bundles["plda-2"], withdrawn=True)
        until(door.activation, lambda: door.roster.model.release == "plda-1", now_s)
        assert door.slots.record().reason == "it was withdrawn"


def test_a_release_that_is_announced_during_a_trial_is_taken_after_it(
    tmp_path: Path, bundles: dict[str, Bundle]
) -> None:
    with bench(tmp_path, bundles) as door:
        now_s = door.on_trial(bundles["plda-1"])
        door.announce(bundles["plda-2"])
        until(door.activation, lambda: door.activation.status()["announced"] == "plda-2", now_s)
        assert door.updater.started == ["plda-1"]
        door.visits(5.0, 5.0, 5.0, at_s=now_s + 1)
        until(door.activation, lambda: door.roster.model.release == "plda-2", now_s)
        slot = door.slots.in_force()
        assert slot is not None
        assert slot.release.release == "plda-1"


def test_a_door_waits_its_own_time_before_it_asks(tmp_path: Path, bundles: dict[str, Bundle]) -> None:
    with bench(tmp_path, bundles) as door:
        door.activation._bringing._chance = lambda: 0.5
        door.announce(bundles["plda-1"], spread_s=100)
        now_s = until(door.activation, lambda: door.updater.started == ["plda-1"])
        assert 1050 <= now_s <= 1056


def test_a_door_that_takes_none_by_itself_takes_one_that_is_asked_for(
    tmp_path: Path, bundles: dict[str, Bundle]
) -> None:
    with bench(tmp_path, bundles, enabled=False) as door:
        door.announce(bundles["plda-1"])
        now_s = until(door.activation, lambda: door.activation.status()["announced"] == "plda-1")
        assert door.activation.install(None, now_s) == "plda-1"
        until(door.activation, lambda: door.roster.model.release == "plda-1", now_s)
        with pytest.raises(RefusedError, match="plda-1 is on trial"):
            door.activation.install("plda-2", now_s)


def test_a_release_that_was_rolled_back_is_taken_again_where_an_operator_wants_it(
    tmp_path: Path, bundles: dict[str, Bundle]
) -> None:
    with bench(tmp_path, bundles) as door:
        now_s = door.on_trial(bundles["plda-1"])
        assert door.activation.roll_back("an operator went back") == "plda-1"
        now_s = until(door.activation, lambda: door.roster.model.release == "factory", now_s)
        with pytest.raises(RefusedError, match="nothing to roll back"):
            door.activation.roll_back("an operator went back")
        assert door.activation.install("plda-1", now_s) == "plda-1"
        until(door.activation, lambda: door.roster.model.release == "plda-1", now_s)


def test_a_pinned_door_stays_over_a_restart_until_it_is_unpinned(tmp_path: Path, bundles: dict[str, Bundle]) -> None:
    with bench(tmp_path, bundles) as door:
        assert door.activation.pin(None) == "factory"
    with bench(tmp_path, bundles) as door:
        door.announce(bundles["plda-1"])
        now_s = until(door.activation, lambda: door.post.steps[-1:] == ["paused"])
        assert door.post.states[-1].reason == "the door is pinned to factory"
        with pytest.raises(RefusedError, match="pinned to factory"):
            door.activation.install("plda-1", now_s)
        door.activation.unpin(now_s)
        until(door.activation, lambda: door.roster.model.release == "plda-1", now_s)


def test_a_pin_ends_the_trial_of_another_release(tmp_path: Path, bundles: dict[str, Bundle]) -> None:
    with bench(tmp_path, bundles) as door:
        now_s = door.on_trial(bundles["plda-1"])
        assert door.activation.pin(None) == "factory"
        until(door.activation, lambda: door.roster.model.release == "factory", now_s)
        assert door.slots.record().reason == "the door is pinned to factory"


def test_a_pin_of_the_settings_is_not_lifted_by_a_command(tmp_path: Path, bundles: dict[str, Bundle]) -> None:
    with bench(tmp_path, bundles, pin="plda-2") as door:
        door.announce(bundles["plda-1"])
        until(door.activation, lambda: door.post.steps[-1:] == ["paused"])
        with pytest.raises(RefusedError, match="the settings pin plda-2"):
            door.activation.unpin(1.0)
        door.announce(bundles["plda-2"])
        until(door.activation, lambda: door.roster.model.release == "plda-2")


def test_a_notice_that_is_taken_back_leaves_nothing_wanted(tmp_path: Path, bundles: dict[str, Bundle]) -> None:
    with bench(tmp_path, bundles) as door:
        door.activation._bringing._chance = lambda: 1.0
        door.announce(bundles["plda-1"], spread_s=100)
        now_s = until(door.activation, lambda: door.activation.status()["announced"] == "plda-1")
        assert door.news.put(NoNotice())
        now_s = until(door.activation, lambda: door.activation.status()["announced"] is None, now_s)
        passed(door.activation, 200, now_s)
        assert door.updater.started == []


class Played:
    """A film of two visitors and a stranger, in the middle of which a release comes in, over the link."""

    def __init__(self, folder: Path, bundles: dict[str, Bundle]) -> None:
        settings = settings_for(folder)
        self.frames = film("obama", "biden", "obama2")
        self.seen: list[tuple[int, str]] = []
        self.bundle = bundles["plda-1"]
        slots = ReleasePlace.below(folder).slots

        def updater(news: Inbox[News]) -> StagingUpdater:
            return StagingUpdater(slots, news, bundles)

        with door_in(settings, Film(self.frames), updater=updater) as self.door:
            self.door.on_frame = self.see
            self.door.daemon.run()
            self.events = self.door.events()
            self.states = self.door.states()
            self.now = self.door.daemon._parts.state.compose()
            self.updates = [
                UpdateState.from_json(message.payload)
                for message in self.door.link.published
                if message.topic == TOPICS.name("update_state", DOOR)
            ]

    def see(self, frame: Any, visits: Any, _: Any) -> None:
        self.seen.append((frame.number, self.door.roster.model.release))
        near = any(v.last_seen_s == frame.time_s and v.latest.quality.width_px > 60 for v in visits)
        if near and not self.door.roster.people and not self.door.daemon._parts.enrolling.active:
            self.door.press()
        if self.door.roster.people and len(self.seen) == round(PER_S * 6):
            self.door.link.receive(TOPICS.name("update_notice", DOOR), noticed(self.bundle).notice.to_json())
        assert self.door.releases is not None
        settle(self.door.releases)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, bundles: dict[str, Bundle]) -> Played:
    return Played(tmp_path_factory.mktemp("door"), bundles)


def test_no_frame_is_lost_over_the_swap(played: Played) -> None:
    assert [number for number, _ in played.seen] == [frame.number for frame in played.frames]
    releases = [release for _, release in played.seen]
    at = releases.index("plda-1")
    assert 0 < at < len(releases) - 1
    assert releases == ["factory"] * at + ["plda-1"] * (len(releases) - at)


def test_whoever_was_enrolled_before_the_swap_is_known_after_it(played: Played) -> None:
    person = next(iter(played.door.roster.labels), None)
    after = [event for event in played.events if event.release == "plda-1" and event.phase == "ended"]
    assert [event.outcome for event in after] == ["stranger", "known"]
    assert after[-1].person == person
    assert {event.release for event in played.events} == {"factory", "plda-1"}


def test_the_door_says_which_release_it_is_and_how_far(played: Played) -> None:
    assert played.states[0].release == "factory"
    assert played.now.release == "plda-1"
    assert played.updates[-1].state == "trial"
    assert played.updates[-1].target == "plda-1"
    assert any(message.topic.endswith("update/notice") for message in played.door.link.acknowledged)


def test_an_operator_asks_at_the_desk(tmp_path: Path, bundles: dict[str, Bundle]) -> None:
    def updater(news: Inbox[News]) -> StagingUpdater:
        return StagingUpdater(ReleasePlace.below(tmp_path).slots, news, bundles)

    with door_in(settings_for(tmp_path), Film(film()), updater=updater) as door:
        assert ask(door, "releases_status")["release"] == "factory"
        assert ask(door, "releases_pin") == {"pin": "factory"}
        assert ask(door, "releases_unpin") == {"pin": None}
        assert ask(door, "releases_install", release="plda-2") == {"installing": "plda-2"}
        refused = door.desk.answer(Request(verb="releases_rollback", data={}), local=False)
        assert refused.error is not None
        assert refused.error.startswith("unknown verb")


def ask(door: Door, verb: str, **data: Any) -> Any:
    response = door.desk.answer(Request(verb=verb, data=data), local=True)
    assert response.error is None, response.error
    return response.data


def test_a_notice_that_is_none_is_taken_off_the_line_and_passed_over() -> None:
    link, news = MemoryLink(), Inbox[News]()
    link.start(ReleasePost(TOPICS, DOOR, link, news.put))
    for payload in (b"{}", b"\xff", b""):
        link.receive(TOPICS.name("update_notice", DOOR), payload)
    assert news.drain() == [NoNotice()]
    assert len(link.acknowledged) == 3
