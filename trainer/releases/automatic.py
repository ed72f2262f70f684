"""In mode `auto`: what the gate lets through is signed and published by the trainer itself. Who asks is `refresh`."""

from __future__ import annotations

from pathlib import Path

from edge.errors import RefusedError
from trainer.releases.assemble import Places, key_folders, releaser_of
from trainer.releases.repository import Repository
from trainer.settings import TrainerSettings
from trainer.store.release_records import UNDER_WAY
from trainer.store.store import FleetStore


def publish_by_itself(settings: TrainerSettings, store: FleetStore, folder: Path) -> str:
    """Sign and publish a candidate; the line that tells of it.

    Nothing is published while a rollout is under way, or was stopped and nobody has looked at it yet: the candidate
    stays where it is, and the next refresh learns from more people anyway.

    Raises:
        RefusedError: there is no repository, or its key of heads is not here. StoreError: a write failed.
    """
    if not Repository(Places.of(settings).repository).exists:
        raise RefusedError(f"{folder}: cannot be signed before `doorward-trainer keys init`")
    releaser = releaser_of(settings, store, key_folders(settings))
    busy = next((one for one in store.releases() if one.status in UNDER_WAY), None)
    if busy is not None:
        return f"not published: {busy.id} is {busy.status}; the candidate stays in {folder}"
    description = releaser.sign(folder)
    released = releaser.publish(description.release)
    return f"published: {released.id}, counter {released.counter}, to ring {released.ring} of {released.rings}"
