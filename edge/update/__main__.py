"""The updater's process: `python -m edge.update RELEASE`, with a connection of its own beside the door's.

Brings one release to where it waits for its trial and tells how it goes on standard output, a line of JSON a step; the
last one says where it ended. It may be killed at any time and started again. Exit codes: 0 the last line says it all;
otherwise those of Doorward's errors, with a line on standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from edge import __version__
from edge.adapters.clock import SystemClock
from edge.adapters.piece_line import MqttPieceLine, line_settings
from edge.assemble import link_settings
from edge.contract.topics import Topics
from edge.errors import DoorwardError, SettingsError, StoreError
from edge.inference.spec import SHIPPED, load_manifest
from edge.log import setup_logging
from edge.settings import load_settings
from edge.settings.slices import Settings
from edge.store.durable import FileLock, make_directory
from edge.stored import folder_of, open_people
from edge.update.collect import Collector
from edge.update.fetch import Offer, ReleaseClient
from edge.update.floor import Floor
from edge.update.machine import Target
from edge.update.place import ReleasePlace, enrolled, head_in_force
from edge.update.selftest import ThisDoor
from edge.update.updater import Told, Updater

_NICENESS = 10  # recognition goes first


def main(words: Sequence[str] | None = None) -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m edge.update", description="Bring one release to this door.")
    parser.add_argument("release", help="the release's id")
    parser.add_argument("--kind", choices=("head", "embedder"), default="head")
    parser.add_argument("--counter", type=int, default=0, help="as the notice has it; what was signed counts")
    parser.add_argument("--settings", type=Path, default=None)
    arguments = parser.parse_args(words)
    os.nice(_NICENESS)
    try:
        settings = load_settings(arguments.settings)
        setup_logging(settings.log.level, settings.log.format)
        target = Target(release=arguments.release, kind=arguments.kind, counter=arguments.counter)
        with ExitStack() as stack:
            updater_of(settings, stack).run(target)
    except DoorwardError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def updater_of(settings: Settings, stack: ExitStack) -> Updater[Offer]:
    """The updater of a door. What it opens is closed with `stack`.

    Raises:
        DoorwardError: it cannot be put together, or another one is at work; the line says what is missing.
    """
    if not settings.mqtt.enabled:
        raise SettingsError("releases come over MQTT: set [mqtt] enabled = true")
    if settings.recognition.scoring != "plda":
        raise SettingsError('a release is a learned head: set [recognition] scoring = "plda", or take none')
    place = ReleasePlace.below(folder_of(settings.store))
    _only_one(place, stack)
    embedder = load_manifest(SHIPPED).pick("embedder", settings.recognition.embedder)
    door = ThisDoor(
        version=__version__,
        embedder_sha256=embedder.sha256,
        current=head_in_force(place.slots, embedder),
        target_fpir=settings.recognition.target_fpir,
    )
    floor = Floor.open(place.floor)
    if floor is not None:
        stack.callback(floor.close)
    line = MqttPieceLine(line_settings(link_settings(settings)), Topics(settings.mqtt.base), settings.door.id)
    stack.callback(line.close)
    clock = SystemClock()

    def progress(share: float) -> None:
        updater.on_progress(share)  # made after the client that it is told by

    client = ReleaseClient(floor, place.incoming, Collector(line, clock), clock, progress)
    updater = Updater(place.slots, client, door, lambda: enrolled(open_people(settings.store), embedder.sha256), tell)
    return updater


def tell(told: Told) -> None:
    """One line on standard output."""
    print(json.dumps(asdict(told)), flush=True)


def _only_one(place: ReleasePlace, stack: ExitStack) -> None:
    make_directory(place.folder)
    lock = FileLock(place.updater_lock)
    if not lock.acquire():
        raise StoreError(f"{place.folder}: process {lock.holder} is bringing a release already")
    stack.callback(lock.release)


if __name__ == "__main__":
    sys.exit(main())
