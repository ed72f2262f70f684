"""A door that takes releases: the shipped parts, with an updater that has its bundles at hand and no process."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from edge.contract.update import UpdateNotice
from edge.inbox import Inbox
from edge.recognition.recognizer import ActiveModel
from edge.recognition.types import Known, Stranger
from edge.recognition.visit import VisitEvent
from edge.update.activation import Activation
from edge.update.bundle import Bundle, open_bundle
from edge.update.machine import Target
from edge.update.news import ChildEnded, ChildTold, News, Noticed
from edge.update.problems import Refusal
from edge.update.selftest import Verdict
from edge.update.slots import Slots
from edge.update.updater import Updater
from tests.fakes.head_releases import FolderOffer, this_door
from tests.fakes.probes import Actor

SENT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class _Copying:
    """Brings a bundle as a download does: into a folder of the door."""

    bundles: Mapping[str, Bundle]
    folder: Path

    def look(self, _kind: str, release: str) -> FolderOffer | Refusal:
        found = self.bundles.get(release)
        return FolderOffer(found.description) if found else Refusal("missing", f"there is no release {release}")

    def fetch(self, offer: FolderOffer) -> Bundle | Refusal:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{offer.description.release}.zip"
        shutil.copyfile(self.bundles[offer.description.release].path, path)
        return open_bundle(path, offer.description)


@dataclass
class StagingUpdater:
    """`RunsUpdater` that does all of its work in `start`. verdict: of self-tests. started: what it was asked for."""

    slots: Slots
    news: Inbox[News]
    bundles: Mapping[str, Bundle]
    verdict: Verdict = field(default_factory=lambda: Verdict(None, missing_layers=("landlock",)))
    started: list[str] = field(default_factory=list)
    problem: str | None = None
    running: bool = False
    stopped: int = 0

    def start(self, target: Target) -> None:
        self.started.append(target.release)
        if self.problem is None:
            fetcher = _Copying(self.bundles, self.slots.folder / "incoming")
            Updater(
                self.slots,
                fetcher,
                this_door(),
                list,
                lambda told: assert_put(self.news, ChildTold(told)),
                lambda *_: self.verdict,
            ).run(target)
        assert_put(self.news, ChildEnded(self.problem))

    def stop(self) -> None:
        self.stopped += 1
        self.running = False

    def close(self) -> None:
        self.stop()


def assert_put(inbox: Inbox[News], news: News) -> None:
    assert inbox.put(news)


def noticed(bundle: Bundle, **changes: object) -> Noticed:
    said = bundle.description
    notice = UpdateNotice(release=said.release, kind=said.kind, counter=said.counter, at=SENT)
    return Noticed(replace(notice, **changes))  # type: ignore[arg-type] # each is the field that its name says


def settle(activation: Activation, seconds: float = 60.0) -> None:
    """Wait for what is done in the background; the next turn takes it."""
    if activation._job is not None:
        activation._job[0].exception(seconds)


def until(activation: Activation, done: Callable[[], bool], now_s: float = 1000.0, most: int = 200) -> float:
    """Frames, a second each, until something has come about; the time then."""
    for _ in range(most):
        if done():
            return now_s
        now_s += 1.0
        activation.frame(now_s)
        activation.turn(now_s)
        settle(activation)
    raise AssertionError("it did not come about")


def passed(activation: Activation, seconds: int, now_s: float) -> float:
    """So many frames, a second each; the time then."""
    for _ in range(seconds):
        now_s += 1.0
        activation.frame(now_s)
        activation.turn(now_s)
        settle(activation)
    return now_s


def visit(model: ActiveModel, began_s: float, margin: float | None, person: str = "ada") -> VisitEvent:
    """A firm visit that has ended. margin: above the threshold; None for a stranger."""
    decision = Stranger(model.threshold - 1.0) if margin is None else Known(person, model.threshold + margin, margin)
    return VisitEvent("ended", "visit-1", decision, None, False, began_s, began_s + 3.0, 8, 8, Actor(person).at(100))
