"""What an ingest worker does for releases in passing: rings go on, doors are told, online signatures are renewed.

Of several workers one does it at a time: whoever holds the claim in the store, which runs out by itself where its
holder died. Signatures are renewed by whoever has the repository and its keys.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass

from edge.adapters.mqtt import MqttLink
from edge.contract.topics import Topics
from edge.contract.update import UpdateNotice
from edge.errors import DoorwardError
from edge.log import get_logger
from trainer.releases.notices import Notices
from trainer.releases.releaser import Releaser
from trainer.releases.rollouts import RolloutRules, advance, telling, wanted
from trainer.store.store import FleetStore

_log = get_logger("releases")

CLAIM_S = 60.0
_WARN_EVERY_S = 86_400.0

MakeLink = Callable[[], MqttLink]


@dataclass(frozen=True, slots=True)
class UpkeepRules:
    """spread_s: doors that are told at once begin over so long."""

    rollouts: RolloutRules
    spread_s: int


class Rollouts:
    """Lets rollouts go on and tells doors, while this worker holds the claim.

    make_link: a link of its own, made when the claim is got and stopped when it is lost, so that no worker repeats what
    is out of date when it connects again.
    """

    def __init__(self, store: FleetStore, make_link: MakeLink, topics: Topics, rules: UpkeepRules) -> None:
        self._store = store
        self._make_link = make_link
        self._topics = topics
        self._rules = rules
        self._me = uuid.uuid4().hex
        self._link: MqttLink | None = None
        self._notices: Notices | None = None

    def turn(self) -> None:
        """Raises: StoreError."""
        told = self._claim_and_advance()
        if told is None:
            self.close()
            return
        if self._notices is None:
            self._link = self._make_link()
            self._notices = Notices(self._link, self._topics)
            self._link.start(self._notices)
        count = self._notices.turn(told, time.monotonic())
        if count:
            _log.info("doors were told of releases", doors=count)

    def close(self) -> None:
        """Stop telling; another worker takes over when the claim runs out."""
        if self._link is not None:
            self._link.stop()
        self._link = self._notices = None

    def _claim_and_advance(self) -> dict[str, UpdateNotice] | None:
        """What doors are to find; None where another worker tells them, or nothing was published."""
        with self._store.write() as writer:
            kept = writer.releases
            if not kept.claim("notices", self._me, CLAIM_S):
                return None
            if all(release.published_s is None for release in kept.all()):
                return None
            advance(kept, self._rules.rollouts)
            releases = kept.all()
            return wanted(releases, kept.doors_of(*telling(releases)), self._rules.spread_s)


class Renewals:
    """Renews what this server can sign, and tells in time of what it cannot.

    exists: whether there is a repository yet. roles: those whose keys are here.
    """

    def __init__(self, releaser: Releaser, exists: Callable[[], bool], roles: Callable[[], Collection[str]]) -> None:
        self._releaser = releaser
        self._exists = exists
        self._roles = roles
        self._warned_s: float | None = None

    def turn(self) -> None:
        """Trouble is told once a day and costs this turn alone."""
        if not self._exists():
            return
        try:
            due = self._releaser.due()
            mine = [role for role in due if role in self._roles()]
            if mine:
                self._releaser.renew(mine)
                _log.info("signatures were renewed", roles=", ".join(mine))
            others = [role for role in due if role not in mine]
            if others:
                self._warn(f"{', '.join(others)} must be signed anew by hand soon: `doorward-trainer release renew`")
        except DoorwardError as error:
            self._warn(f"signatures cannot be renewed: {error}")

    def _warn(self, words: str) -> None:
        now_s = time.monotonic()
        if self._warned_s is None or now_s - self._warned_s >= _WARN_EVERY_S:
            self._warned_s = now_s
            _log.warning(words)
