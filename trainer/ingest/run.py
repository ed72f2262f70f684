"""The ingest's process: puts store, link and worker together, and ends cleanly on SIGTERM and SIGINT."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator

from edge.adapters.mqtt import MqttLink
from edge.adapters.mqtt_settings import LinkSettings
from edge.contract.topics import Topics
from edge.inference.spec import load_manifest
from edge.log import get_logger
from trainer.ingest.chores import Refreshes, chores_of, refresh_command
from trainer.ingest.intake import Intake
from trainer.ingest.notify import notify, watchdog_s
from trainer.ingest.reading import subscriptions
from trainer.ingest.worker import Worker, WorkerRules
from trainer.known import known_dimensions
from trainer.releases.attach import ReleaseUpkeep
from trainer.schedule import Schedule
from trainer.settings import MqttSettings, TrainerSettings
from trainer.store.open import open_fleet_store

_log = get_logger("ingest")

_IDLE_S = 5.0
_LINK_ALIVE_S = 60.0  # connecting may take 40 s


def run_ingest(settings: TrainerSettings, worker: str = "") -> None:
    """Take messages until a signal. worker: this one's name where several run.

    Raises:
        SettingsError, StoreError: the store cannot be opened, in one line. ModelError: there is no list of embedders.
    """
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(open_fleet_store(settings.store, dimensions=known_dimensions(load_manifest())))
        topics = Topics(settings.mqtt.base)
        link = MqttLink(link_settings(settings.mqtt, worker), subscriptions(topics, settings.mqtt.group))
        refreshes = Refreshes(store, Schedule.parse(settings.refresh.schedule), refresh_command(settings.source))
        stack.callback(refreshes.close)
        upkeep = ReleaseUpkeep(settings, store, link_settings(settings.mqtt, worker))
        stack.callback(upkeep.close)
        chores = chores_of(
            store,
            settings.events.retention_days,
            refreshes,
            lambda: time.monotonic() - link.heartbeat_s < _LINK_ALIVE_S,
            time.time,
            upkeep.chores(),
        )
        intake = Intake()
        rules = WorkerRules(
            settings.ingest.batch,
            settings.ingest.wait_ms / 1000,
            min(_IDLE_S, watchdog_s() or _IDLE_S),
            settings.mqtt.acknowledge_as,
        )
        taker = Worker(store, link, intake, topics, rules, chores)
        stack.enter_context(_until_signalled(taker))
        link.start(intake)
        stack.callback(link.stop)
        stack.callback(notify, "STOPPING=1")
        notify("READY=1")
        _log.info("taking messages", store=store.name, broker=f"{settings.mqtt.host}:{settings.mqtt.port}")
        taker.run()
        _log.info("ending", messages=taker.tally.messages, set_aside=taker.tally.set_aside)


def link_settings(settings: MqttSettings, worker: str = "") -> LinkSettings:
    """What the link needs. Every worker is a client of its own, and keeps its name for what waits for it."""
    return LinkSettings(
        host=settings.host,
        port=settings.port,
        client_id=f"{settings.client_id}-{worker}" if worker else settings.client_id,
        username=settings.username,
        password_file=settings.password_file,
        ca_file=settings.ca_file,
        cert_file=settings.cert_file,
        key_file=settings.key_file,
        keepalive_s=settings.keepalive_s,
        session_expiry_s=settings.session_hours * 3600,
        max_packet_bytes=settings.max_message_mb * 1_000_000,
    )


@contextlib.contextmanager
def _until_signalled(worker: Worker) -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: worker.stop()) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
