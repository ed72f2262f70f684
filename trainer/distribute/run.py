"""The distribution's process: puts link, shelf and loop together, and ends cleanly on SIGTERM and SIGINT."""

from __future__ import annotations

import contextlib
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from edge.adapters.mqtt import MqttLink, pause_s
from edge.adapters.mqtt_settings import LinkSettings
from edge.contract.topics import Topics
from edge.contract.update import UpdateChunk
from edge.errors import SettingsError
from edge.log import get_logger
from trainer.distribute.server import Distributor, subscriptions
from trainer.distribute.shelf import Shelf
from trainer.ingest.notify import notify, watchdog_s
from trainer.ingest.run import link_settings
from trainer.settings import TrainerSettings

_log = get_logger("distribute")

_IDLE_S = 5.0
_LINK_ALIVE_S = 60.0  # connecting may take 40 s
_LONGEST_TOPIC = 1024
_LAST_PAUSE_S = 10.0  # a server is one of few, and doors wait for it


def run_distribute(settings: TrainerSettings, worker: str = "") -> None:
    """Serve pieces until a signal. worker: this one's name where several run.

    Raises:
        SettingsError: there is no repository to serve.
    """
    folder = repository_of(settings)
    topics = Topics(settings.mqtt.base)
    link = MqttLink(
        distribute_link(settings, worker),
        subscriptions(topics, settings.mqtt.group),
        lambda failures: min(_LAST_PAUSE_S, pause_s(failures, random.random())),  # noqa: S311 - no secret
    )

    def alive() -> None:
        if time.monotonic() - link.heartbeat_s < _LINK_ALIVE_S:
            notify("WATCHDOG=1")

    idle_s = min(_IDLE_S, watchdog_s() or _IDLE_S)
    server = Distributor(link, Shelf(folder), topics, idle_s=idle_s, each_turn=alive)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_until_signalled(server))
        link.start(server)
        stack.callback(link.stop)
        stack.callback(notify, "STOPPING=1")
        notify("READY=1")
        _log.info("serving pieces", repository=str(folder), broker=f"{settings.mqtt.host}:{settings.mqtt.port}")
        server.run()
        tally = server.tally
        _log.info("ending", pieces=tally.pieces, bytes=tally.sent, refused=tally.refused)


def repository_of(settings: TrainerSettings) -> Path:
    """The published repository's folder.

    Raises:
        SettingsError: it is not there.
    """
    folder = (settings.store.folder or Path()) / "repository"
    if not (folder / "metadata").is_dir():
        raise SettingsError(f"{folder}: there is no repository to serve; `doorward-trainer keys init` makes one")
    return folder


def distribute_link(settings: TrainerSettings, worker: str = "") -> LinkSettings:
    """A connection of its own, for which the broker keeps nothing: doors ask again for what they did not get."""
    shared = link_settings(settings.mqtt, f"distribute-{worker}" if worker else "distribute")
    return replace(shared, session_expiry_s=0, max_packet_bytes=UpdateChunk.MAX_BYTES + _LONGEST_TOPIC)


@contextlib.contextmanager
def _until_signalled(server: Distributor) -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: server.stop()) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
