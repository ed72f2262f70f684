"""What a door's word about an update means for the rollout that the release belongs to. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from edge.contract.update import UpdateState, UpdateStep
from trainer.releases.rings import Status

# By step; "idle" and "paused" tell nothing new of a release that they are about.
_STATUS: Mapping[UpdateStep, Status] = {
    "downloading": "downloading",
    "verifying": "downloading",
    "staged": "proceeding",
    "self_testing": "proceeding",
    "activating": "proceeding",
    "trial": "proceeding",
    "committed": "closed success",
    "rolled_back": "closed failure",
    "failed": "closed failure",
    "refused": "rejected",
}


def status_after(before: Status, release: str, said: UpdateState) -> Status:
    """How far the door is with `release`, given what it said.

    A door that was called off counts again only where it has the release in force all the same.
    """
    now = _told(release, said)
    if now is None or (before == "cancelled" and now != "closed success"):
        return before
    return now


def undone(before: Status, release: str, said: UpdateState) -> bool:
    """Whether the door had the release in force and went back by itself, not because it was called off."""
    return before != "cancelled" and said.target == release and said.state == "rolled_back"


def _told(release: str, said: UpdateState) -> Status | None:
    if said.target == release and said.state in _STATUS:
        return _STATUS[said.state]
    return "closed success" if said.release == release else None
