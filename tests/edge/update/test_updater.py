"""One release from being heard of to waiting for its trial: each end has a step and a reason; the old head stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from edge.errors import StoreError
from edge.update.bundle import Bundle
from edge.update.forgotten import Enrolled
from edge.update.machine import Target
from edge.update.problems import Code, Refusal
from edge.update.selftest import ThisDoor, Verdict
from edge.update.slots import Slot, Slots
from edge.update.updater import Told, Updater
from tests.fakes.head_releases import (
    FolderFetcher,
    FolderOffer,
    changed_weights,
    drawn_people,
    make_bundle,
    this_door,
    upside_down,
    write_head,
)
from tests.fakes.small_disk import fill, small_disk_below

PEOPLE = drawn_people(4)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    yield from small_disk_below(tmp_path)


PASSED = Verdict(None, missing_layers=("landlock: not here",), facts={"people": 4})


class Door:
    """A door's updater with its slots; what it tells is kept."""

    def __init__(self, folder: Path, *bundles: Bundle, verdict: Verdict | None = PASSED) -> None:
        self.slots = Slots(folder / "releases")
        self.fetcher = FolderFetcher(bundles)
        self.told: list[Told] = []
        self.tested: list[Sequence[Enrolled]] = []
        self.verdict = verdict
        given = {} if verdict is None else {"try_on": self._try_on}
        self.updater = Updater(self.slots, self.fetcher, this_door(), lambda: PEOPLE, self.told.append, **given)

    def _try_on(self, _slot: Slot, _door: ThisDoor, people: Sequence[Enrolled]) -> Verdict:
        self.tested.append(people)
        assert self.verdict is not None
        return self.verdict

    def run(self, release: str = "plda-1", counter: int = 1) -> Told:
        told = self.updater.run(Target(release=release, kind="head", counter=counter))
        assert told == self.told[-1]
        return told

    @property
    def steps(self) -> list[str]:
        return [told.step for told in self.told]


def put_in_force(door: Door) -> None:
    door.slots.begin_trial()
    door.slots.start_attempt()
    door.slots.commit()


def test_a_release_comes_to_wait_for_its_trial(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path)
    door = Door(tmp_path, bundle)
    told = door.run()
    assert door.steps == ["downloading", "verifying", "staged", "self_testing", "activating"]
    assert told == Told("activating", "plda-1", 1.0, None, ("landlock: not here",), {"people": 4})
    assert door.fetcher.asked == ("look head plda-1", "fetch plda-1")
    assert door.tested == [PEOPLE]
    slot = door.slots.staged()
    assert slot is not None
    assert slot.damage() is None
    assert door.slots.in_force() is None
    assert not bundle.path.exists()


def test_the_real_self_test_passes_a_good_head_and_refuses_a_weak_one(tmp_path: Path) -> None:
    write_head(tmp_path / "weak", changed_weights(upside_down), honest_canaries=True)
    door = Door(tmp_path, make_bundle(tmp_path, "good"), make_bundle(tmp_path, "weak", 2), verdict=None)
    assert door.run("good").step == "activating"
    put_in_force(door)
    told = door.run("weak", 2)
    assert told.step == "refused"
    assert told.reason is not None
    assert told.reason.startswith("would forget 4 of 4 people: person-0")
    slot = door.slots.in_force()
    assert slot is not None
    assert slot.release.release == "good"


def test_a_release_that_was_refused_is_not_fetched_again(tmp_path: Path) -> None:
    door = Door(tmp_path, make_bundle(tmp_path), verdict=Verdict("too weak"))
    assert (door.run().step, door.run().step) == ("refused", "refused")
    assert door.told[-1].reason == "plda-1 was refused or rolled back before"
    assert len(door.fetcher.asked) == 2


def test_a_release_in_force_or_ready_or_on_trial_is_left_alone(tmp_path: Path) -> None:
    door = Door(tmp_path, make_bundle(tmp_path))
    door.run()
    assert door.run() == Told("activating", "plda-1")
    door.slots.begin_trial()
    assert door.run().step == "trial"
    door.slots.start_attempt()
    door.slots.commit()
    assert door.run() == Told("committed", "plda-1", reason="plda-1 is in force")
    assert len(door.fetcher.asked) == 2


@pytest.mark.parametrize(
    ("code", "step"),
    [("away", "failed"), ("disk", "failed"), ("untrusted", "failed"), ("clock", "paused"), ("expired", "paused"),
     ("no_root", "paused"), ("counter", "refused"), ("unfit", "refused")],
)  # fmt: skip
@pytest.mark.parametrize("when", ["look_refusal", "fetch_refusal"])
def test_what_cannot_be_fetched_has_its_step_and_its_reason(tmp_path: Path, code: Code, step: str, when: str) -> None:
    door = Door(tmp_path, make_bundle(tmp_path))
    setattr(door.fetcher, when, Refusal(code, "this is why"))
    told = door.run()
    assert (told.step, told.reason) == (step, "this is why")
    assert (door.slots.record().step, door.slots.record().reason) == (step, "this is why")
    setattr(door.fetcher, when, None)
    assert door.run().step == ("refused" if step == "refused" else "activating")


def test_a_release_for_another_embedder_is_refused_before_it_is_downloaded(tmp_path: Path) -> None:
    door = Door(tmp_path, make_bundle(tmp_path, compatible="0" * 64, embedder_sha256="0" * 64))
    assert door.run().step == "refused"
    assert door.fetcher.asked == ("look head plda-1",)


def test_what_was_signed_counts_and_not_what_a_notice_said(tmp_path: Path) -> None:
    door = Door(tmp_path, make_bundle(tmp_path, counter=7))
    door.run(counter=3)
    target = door.slots.record().target
    assert target is not None
    assert target.counter == 7


def test_an_interrupted_self_test_goes_on_from_what_is_staged(tmp_path: Path) -> None:
    door = Door(tmp_path, make_bundle(tmp_path))
    door.verdict = Verdict("it was killed", again=True)
    told = door.run()
    assert (told.step, told.reason) == ("failed", "it was killed")
    assert door.slots.record().step == "self_testing"
    door.verdict = PASSED
    assert door.run().step == "activating"
    assert len(door.fetcher.asked) == 2


def test_self_tests_that_never_answer_end_in_a_refusal(tmp_path: Path) -> None:
    door = Door(tmp_path, make_bundle(tmp_path), verdict=Verdict("it was killed", again=True))
    assert [door.run().step for _ in range(4)] == ["failed", "failed", "failed", "refused"]
    assert door.slots.record().reason == "the self-test was begun 3 times and gave no answer"


def test_a_staged_release_that_was_damaged_meanwhile_is_fetched_anew(tmp_path: Path) -> None:
    door = Door(tmp_path, make_bundle(tmp_path), verdict=Verdict("it was killed", again=True))
    door.run()
    slot = door.slots.candidate()
    assert slot is not None
    (slot.folder / slot.release.files[0].name).write_bytes(b"")
    door.fetcher.bundles = [make_bundle(tmp_path)]
    door.verdict = PASSED
    assert door.run().step == "activating"
    assert len(door.fetcher.asked) == 4


def test_another_release_takes_the_place_of_one_that_waits(tmp_path: Path) -> None:
    door = Door(tmp_path, make_bundle(tmp_path), make_bundle(tmp_path, "plda-2", 2))
    door.run()
    assert door.run("plda-2", 2).step == "activating"
    slot = door.slots.staged()
    assert slot is not None
    assert slot.release.release == "plda-2"


def test_people_who_cannot_be_read_are_a_reason_and_no_fault_of_the_release(tmp_path: Path) -> None:
    door = Door(tmp_path, make_bundle(tmp_path))

    def unreadable() -> Sequence[Enrolled]:
        raise StoreError("the store's key is not there")

    door.updater._people = unreadable
    told = door.run()
    assert (told.step, told.reason) == ("failed", "the store's key is not there")
    assert door.slots.record().wants(Target(release="plda-1", kind="head", counter=1)) is None


def test_progress_is_told_while_it_downloads_and_not_too_often(tmp_path: Path) -> None:
    door = Door(tmp_path, make_bundle(tmp_path))
    fetch = door.fetcher.fetch

    def slowly(offer: FolderOffer) -> Bundle | Refusal:
        for share in range(101):
            door.updater.on_progress(share / 100)
        return fetch(offer)

    door.fetcher.fetch = slowly  # type: ignore[method-assign]  # a fetcher of this test's own
    door.run()
    shares = [told.progress for told in door.told if told.step == "downloading"]
    assert shares[0] == 0.0
    assert shares[-1] == 1.0
    assert 15 < len(shares) < 25
    door.updater.on_progress(0.5)
    assert door.told[-1].step == "activating"


def test_a_folder_that_cannot_be_written_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "releases").write_text("in the way")
    told = Door(tmp_path, make_bundle(tmp_path)).run()
    assert told.step == "failed"
    assert told.reason is not None
    assert "make room on its disk, or make it writable" in told.reason


def test_missing_is_what_a_repository_without_the_release_says(tmp_path: Path) -> None:
    told = Door(tmp_path).run()
    assert told == replace(told, step="failed", reason="the repository has no release plda-1")


@pytest.mark.parametrize("step", ["downloading", "verifying", "staged", "self_testing"])
def test_a_disk_that_fills_up_at_any_step_is_a_reason_and_the_old_head_stays(
    small_disk: Path, tmp_path: Path, step: str
) -> None:
    bundles = [make_bundle(tmp_path, "plda-1"), make_bundle(tmp_path, "plda-2", 2)]
    door = Door(small_disk, *bundles)
    door.run()
    put_in_force(door)
    before = door.slots.in_force()
    tell = door.told.append
    ballast: list[Path] = []

    def full_from(told: Told) -> None:
        tell(told)
        if told.step == step and not ballast:
            ballast.append(fill(small_disk))

    door.updater._tell = full_from
    told = door.run("plda-2", 2)
    assert told.step == "failed"
    assert told.reason is not None
    assert "No space left on device; make room on its disk" in told.reason
    assert door.slots.in_force() == before
    ballast[0].unlink()
    assert door.run("plda-2", 2).step == "activating"
    assert door.slots.in_force() == before
