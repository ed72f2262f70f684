"""The requests about releases: how it stands, install, roll back, stay with one. What they do is `activation.py`'s."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edge.contract.codec import JsonObject, from_object
from edge.contract.release import ReleaseId
from edge.desk.verbs import Verb
from edge.update.activation import Activation


@dataclass(frozen=True, slots=True, kw_only=True)
class WhichRelease:
    """release: its id; without one the release that is announced, or in force."""

    release: ReleaseId | None = None


class ReleaseDesk:
    """Handlers for the daemon's own verbs; `verbs` goes into the `Desk`.

    Only what is signed can be installed, so the network may ask for that; going back and staying are for this machine.
    """

    def __init__(self, releases: Activation, now_s: Callable[[], float]) -> None:
        self._releases = releases
        self._now_s = now_s
        self.verbs: dict[str, Verb] = {
            "releases_status": Verb(self._status),
            "releases_install": Verb(self._install),
            "releases_rollback": Verb(self._roll_back, local_only=True),
            "releases_pin": Verb(self._pin, local_only=True),
            "releases_unpin": Verb(self._unpin, local_only=True),
        }

    def _status(self, _: JsonObject) -> dict[str, Any]:
        return self._releases.status()

    def _install(self, data: JsonObject) -> dict[str, Any]:
        asked = from_object("releases_install", WhichRelease, data)
        return {"installing": self._releases.install(asked.release, self._now_s())}

    def _roll_back(self, _: JsonObject) -> dict[str, Any]:
        return {"rolling_back": self._releases.roll_back("an operator went back")}

    def _pin(self, data: JsonObject) -> dict[str, Any]:
        return {"pin": self._releases.pin(from_object("releases_pin", WhichRelease, data).release)}

    def _unpin(self, _: JsonObject) -> dict[str, Any]:
        self._releases.unpin(self._now_s())
        return {"pin": None}
