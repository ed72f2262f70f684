"""A door that is killed again and again while another head comes in: each start has a head that knows its people."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest

from edge import assemble
from edge.compose import force_at_start
from edge.inbox import Inbox
from edge.settings.slices import MqttSettings, ReleasesSettings
from edge.update.bundle import Bundle
from edge.update.news import News
from edge.update.place import ReleasePlace
from edge.update.slots import Slots
from tests.crash.update_door import _arm
from tests.fakes.door import SetClock, roster_in, settings_in
from tests.fakes.head_releases import drawn_people, make_bundle
from tests.fakes.release_door import StagingUpdater, noticed, until, visit
from tests.fakes.templates import memory_folder

pytestmark = pytest.mark.forks

RELEASES = ReleasesSettings(enabled=True, trial_minutes=1.0, trial_visits=3, jitter_minutes=0.0)
ENDS = ("committed", "rolled_back", "refused")


def live(folder: Path, bundle: Bundle) -> None:
    """From a start until the release has come to an end. The head of the start, and the last, answer as they should."""
    settings = settings_in(folder, mqtt=MqttSettings(), releases=RELEASES)
    force = force_at_start(settings.recognition, folder)
    with roster_in(settings, force) as roster:
        place, news = ReleasePlace.below(folder), Inbox[News]()
        updater = StagingUpdater(place.slots, news, {bundle.description.release: bundle})
        made = assemble.activation(settings, roster, news, updater, SetClock(), None, on_trial=force.trial)
        assert made is not None
        assert news.put(noticed(bundle))

        def ended() -> bool:
            made.saw(visit(roster.model, made._frame_s - 0.5, 5.0), roster.model)
            head = roster.model.gallery.head
            assert all(head.project(e).z.any() for who in drawn_people(1) for e in who.embeddings)
            return place.slots.record().step in ENDS and made._job is None

        until(made, ended)
        held = place.slots.in_force()
        assert roster.model.release == (held.release.release if held is not None else "factory")
        made.close()


def killed(folder: Path, bundle: Bundle, at: int | None) -> int:
    """Live in a process that kills itself at its so-manieth durable operation; how it ended, as `os.waitpid` says."""
    child = os.fork()
    if child == 0:
        try:
            _arm(at)
            live(folder, bundle)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]


def look(folder: Path) -> str:
    """The step at which it was killed; every head that the record relies on is whole."""
    slots = Slots(folder / "releases")
    assert slots.damage is None
    for slot in (slots.in_force(), slots.on_trial(), slots.staged()):
        assert slot is None or slot.damage() is None
    return slots.record().step


def test_a_door_that_is_killed_at_any_step_ends_with_the_new_head_all_the_same() -> None:
    """At every ninth durable operation; a life has some 190 of them."""
    with memory_folder() as scratch:
        bundle, steps = make_bundle(scratch / "supply"), set()
        for at in range(0, 200, 9):
            folder = scratch / f"door-{at}"
            folder.mkdir()
            status = killed(folder, bundle, at)
            assert status == 0 or os.WTERMSIG(status) == signal.SIGKILL
            steps.add(look(folder))
            assert killed(folder, bundle, None) == 0
            assert look(folder) == "committed"
    assert steps >= {"verifying", "staged", "self_testing", "activating", "trial", "committed"}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ten_kills_in_the_middle_always_leave_a_working_head(seed: int) -> None:
    with memory_folder() as scratch:
        bundle, folder, dice = make_bundle(scratch / "supply"), scratch / "door", random.Random(seed)
        folder.mkdir()
        killed(folder, bundle, dice.randrange(60, 160))
        for _ in range(9):
            status = killed(folder, bundle, dice.randrange(5, 40))
            assert status == 0 or os.WTERMSIG(status) == signal.SIGKILL
            look(folder)
        assert killed(folder, bundle, None) == 0
        assert look(folder) in ENDS
