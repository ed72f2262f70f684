"""Puts a whole door together from its settings, starts it and stops it. Part of the composition root.

Only here do the settings' slices meet the components' own. `commands/run.py` and the demo use it.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from edge import __version__
from edge.adapters.capture import Capture, CaptureOptions
from edge.adapters.clock import SystemClock
from edge.adapters.control import ControlServer
from edge.adapters.delivery import Delivery, DeliverySettings
from edge.adapters.fleet import FleetPost
from edge.adapters.mqtt import MqttLink
from edge.adapters.mqtt_settings import LinkSettings, Subscription
from edge.adapters.outbox import Outbox
from edge.adapters.outbox_place import OutboxPlace
from edge.adapters.panel import PanelPins, panel_for
from edge.adapters.post import MqttPost, NoPost
from edge.adapters.release_post import ReleasePost
from edge.adapters.requests import NetworkRequests
from edge.adapters.updater_process import UpdaterProcess
from edge.compose import camera_for, force_at_start, head_for, model_over, quality_gate, recognizer, typical_norm
from edge.contract.topics import Topics
from edge.daemon import Collaborators, Command, Daemon, LoopRules, Observer, ignore
from edge.desk.desk import Desk
from edge.desk.door import DoorDesk
from edge.desk.events import EventDesk
from edge.desk.releases import ReleaseDesk
from edge.door_state import Fixed, StateTeller
from edge.enrollment.enrolling import Enrollers, Enrolling
from edge.enrollment.pictures import night_views
from edge.enrollment.policy import Policy
from edge.enrollment.session import Enrollment, rules_for
from edge.errors import LinkError
from edge.event_memory import EventMemory
from edge.events import Telling
from edge.inbox import Inbox
from edge.inference.spec import load_manifest
from edge.inference.tflite import runtime_name
from edge.log import get_logger
from edge.ports import Camera, Clock, Link, Panel, Press
from edge.recognition.presence import Presence, PresenceSettings
from edge.recognition.recognizer import Recognizer
from edge.recognition.strangers import StrangerMemory
from edge.retention import Retention, RetentionRules
from edge.roster import Roster
from edge.settings.slices import PanelSettings, Settings
from edge.sharing.sharing import Shared, Sharing
from edge.store.templates import TemplateStore
from edge.store.told import ToldRows
from edge.stored import control_path, folder_of, open_store, outbox_path
from edge.update.activation import Activation, ReleaseParts, ReleaseRules, TellsState
from edge.update.bringing import Bringing, BringingRules, RunsUpdater
from edge.update.force import Force
from edge.update.news import News
from edge.update.pin import Pin
from edge.update.place import ReleasePlace
from edge.update.release_work import ReleaseWork
from edge.update.trial import TrialRules

_log = get_logger("door")
_MINUTE_S, _HOUR_S = 60.0, 3600.0
_GOODBYE_S = 2.0  # for events that are under way when the door stops; the others wait on the disk


@dataclass(frozen=True, slots=True)
class Given:
    """What a caller may bring instead of what the settings name; None takes the settings'."""

    camera: Camera | None = None
    panel: Panel | None = None
    observer: Observer = ignore


@contextmanager
def door(settings: Settings, given: Given | None = None) -> Iterator[Daemon]:
    """A door that is started and ready to `run`; on leaving, everything is stopped in order.

    Raises:
        DoorwardError: something that the door cannot do without is not there; one line says what.
    """
    given, clock = given or Given(), SystemClock()

    def erase_events(person: str) -> int:
        return post.erase_person(person)  # made after the store, whose lock keeps a second door off the outbox

    with ExitStack() as stack:
        store = stack.enter_context(open_store(settings.store, places=[OutboxPlace(erase_events)]))
        _tell_of_the_store(store.report)
        line_of_recognition = recognizer(settings.recognition)
        people, force = store.load(), force_at_start(settings.recognition, folder_of(settings.store))
        _tell_of_the_head(force)
        _tell_of_the_store([*people.damage, *people.repaired])
        roster = Roster(store, people, model_over(settings.recognition, force.head, force.release))
        roster.ready()
        _tell_of_the_store([roster.unusable] if roster.unusable else [])
        inbox: Inbox[Command] = Inbox()
        news: Inbox[News] = Inbox()
        # Before the link, so that it is stopped after it: a driver that hangs must not hold up what is to be sent.
        capture = _capture(settings, given.camera or camera_for(settings.camera), clock, stack)
        post, fleet, release_post = _post(settings, inbox, news, stack)
        panel = given.panel or panel_for(pins_of(settings.panel))
        panel.start(lambda press: _handed_in(inbox, press))
        stack.callback(panel.stop)
        sharing = _sharing(settings, store, roster, fleet, line_of_recognition.embedder_id, clock)
        updater = UpdaterProcess(settings.source, news.put)
        releases = activation(settings, roster, news, updater, clock, release_post, on_trial=force.trial)
        if releases is not None:
            stack.callback(releases.close)
        parts = _Parts(
            settings, line_of_recognition, roster, inbox, post, panel, capture, clock, given.observer, sharing, releases
        )
        daemon = _daemon(parts)
        _take_local_requests(settings, inbox, stack)
        facts = {"people": len(roster.people), "release": force.release, "runtime": runtime_name()}
        _log.info("door is up", door=settings.door.id, **facts)
        yield daemon
        _log.info("door goes down", door=settings.door.id)


def _take_local_requests(settings: Settings, inbox: Inbox[Command], stack: ExitStack) -> None:
    """From this machine's commands. A state folder that takes no socket keeps the door from nothing else."""
    control = ControlServer(control_path(settings.store), inbox.put)
    try:
        control.start()
    except LinkError as error:
        _log.warning("this machine's commands cannot reach the door; requests over MQTT can", reason=error)
        return
    stack.callback(control.stop)


@dataclass(frozen=True, slots=True)
class _Parts:
    settings: Settings
    line: Recognizer
    roster: Roster
    inbox: Inbox[Command]
    post: MqttPost | NoPost
    panel: Panel
    capture: Capture
    clock: Clock
    observer: Observer
    sharing: Sharing | None = None
    releases: Activation | None = None


def _daemon(parts: _Parts) -> Daemon:
    settings, door_id, runtime = parts.settings, parts.settings.door.id, runtime_name()
    enrolling = _enrolling(parts, runtime)
    fixed = Fixed(door_id, __version__, parts.line.embedder_id, runtime)
    state = StateTeller(
        fixed,
        parts.capture,
        parts.roster,
        parts.post.queue,
        parts.post.state,
        parts.clock,
        lambda: parts.sharing.waiting if parts.sharing is not None else None,
    )
    memory, presence = EventMemory(), _presence(settings)

    def deny(visit: str, person: str) -> None:
        presence.deny(daemon.now_s, visit, person, parts.roster.model)
        enrolling.doubt(visit)

    verbs = DoorDesk(parts.roster, enrolling, state, lambda: daemon.now_s).verbs
    verbs |= EventDesk(parts.roster, memory, runtime, parts.clock, deny).verbs
    if parts.releases is not None:
        verbs |= ReleaseDesk(parts.releases, lambda: daemon.now_s).verbs
    daemon = Daemon(
        Collaborators(
            capture=parts.capture,
            recognizer=parts.line,
            presence=presence,
            enrolling=enrolling,
            roster=parts.roster,
            desk=Desk(parts.roster, lambda: parts.line, runtime, parts.clock, verbs),
            memory=memory,
            retention=Retention(
                RetentionRules(settings.store.retention_days, settings.store.retention_action),
                parts.roster,
                parts.clock,
            ),
            sharing=parts.sharing,
            releases=parts.releases,
            inbox=parts.inbox,
            panel=parts.panel,
            post=parts.post,
            state=state,
            clock=parts.clock,
            telling=Telling(door_id, runtime, settings.mqtt.publish_names),
            observer=parts.observer,
        ),
        LoopRules(exit_when_camera_failed=settings.camera.reopen_failures_before_exit > 0),
    )
    return daemon


def _enrolling(parts: _Parts, runtime: str) -> Enrolling:
    asked = parts.settings.enrollment
    rules = rules_for(
        shots=asked.shots,
        timeout_s=asked.timeout_s,
        min_interval_s=asked.min_interval_s,
        typical_norm=typical_norm(parts.settings.recognition),
        poor_will_do=asked.night == "provisional",
    )
    enrollers = Enrollers(
        door=parts.settings.door.id,
        embedder=parts.line.embedder_id,
        runtime=runtime,
        names=parts.settings.mqtt.publish_names,
        views=night_views(parts.line),
        tell=parts.post.enrollment,
        new_session=lambda: f"enrollment-{secrets.token_hex(4)}",
        firm=rules.look.shots.firm,
    )
    policy = Policy(asked.policy, asked.sponsor_within_s)
    return Enrolling(Enrollment(rules), policy, parts.roster, parts.panel, parts.clock, enrollers)


def _presence(settings: Settings) -> Presence:
    asked = settings.presence
    memory = StrangerMemory(asked.stranger_memory_h * _HOUR_S, lambda: f"stranger-{secrets.token_hex(3)}")
    rules = PresenceSettings(asked.decide_after_frames, asked.decide_within_s, asked.visit_end_s)
    return Presence(rules, quality_gate(settings.recognition), memory, lambda: f"visit-{secrets.token_hex(6)}")


def _capture(settings: Settings, camera: Camera, clock: Clock, stack: ExitStack) -> Capture:
    give_up_after = settings.camera.reopen_failures_before_exit or CaptureOptions().give_up_after
    capture = Capture(camera, CaptureOptions(give_up_after=give_up_after), clock)
    capture.start()
    stack.callback(capture.stop)
    return capture


def _sharing(
    settings: Settings, store: TemplateStore, roster: Roster, fleet: FleetPost | None, embedder: str, clock: Clock
) -> Sharing | None:
    """Also where nothing is to be shared: what was shared before is taken back when somebody is erased."""
    if fleet is None:
        if settings.fleet.share:
            _log.warning("nothing is shared: set [mqtt] enabled = true, or [fleet] share = false")
        return None
    shared = Shared(settings.door.id, embedder, settings.fleet.share, ToldRows(store.session), store.views)
    return Sharing(shared, roster, fleet, clock)


def activation(
    settings: Settings,
    roster: Roster,
    news: Inbox[News],
    updater: RunsUpdater,
    clock: Clock,
    post: TellsState | None,
    *,
    on_trial: bool,
) -> Activation | None:
    """What puts releases in force; also where none are taken, since one may be on trial, or be rolled back.

    None where the door scores without a learned head. news: what `post` and `updater` hand in.
    """
    asked, recognition = settings.releases, settings.recognition
    if recognition.scoring != "plda":
        if asked.enabled:
            _log.warning('no releases are taken: set [recognition] scoring = "plda", or [releases] enabled = false')
        return None
    if asked.enabled and not settings.mqtt.enabled:
        _log.warning("no releases can come: set [mqtt] enabled = true, or [releases] enabled = false")
    place = ReleasePlace.below(folder_of(settings.store))
    pin, embedder = Pin(place.pin, asked.pin), load_manifest().pick("embedder", recognition.embedder).sha256
    bringing = BringingRules(asked.enabled and settings.mqtt.enabled, asked.jitter_minutes * _MINUTE_S)
    trial = TrialRules(asked.trial_minutes * _MINUTE_S, asked.trial_visits)
    parts = ReleaseParts(
        slots=place.slots,
        work=ReleaseWork(place, embedder, lambda: head_for(recognition), recognition.target_fpir),
        bringing=Bringing(bringing, updater, pin, random.random),
        pin=pin,
        roster=roster,
        news=news,
        clock=clock,
        post=post,
    )
    return Activation(ReleaseRules(settings.door.id, asked.root_file, trial), parts, on_trial=on_trial)


def _post(
    settings: Settings, inbox: Inbox[Command], news: Inbox[News], stack: ExitStack
) -> tuple[MqttPost | NoPost, FleetPost | None, ReleasePost | None]:
    mqtt, door_id = settings.mqtt, settings.door.id
    if not mqtt.enabled:
        return NoPost(outbox_path(settings.store)), None, None
    topics = Topics(mqtt.base)
    link = MqttLink(link_settings(settings), [Subscription(name, t.qos) for t, name in topics.for_door(door_id)])
    delivery = Delivery(
        Outbox(outbox_path(settings.store)),
        link,
        DeliverySettings(mqtt.acknowledged_by, topics.name("event_ack", door_id)),
    )
    delivery.start()
    stack.callback(delivery.stop)
    fleet = FleetPost(topics, door_id, link, inbox.put)
    releases = ReleasePost(topics, door_id, link, news.put)
    link.start(delivery, NetworkRequests(topics, door_id, link, inbox.put), fleet, releases)
    stack.callback(link.stop)
    stack.callback(_say_goodbye, link, delivery)
    return MqttPost(topics, door_id, link, delivery), fleet, releases


def _say_goodbye(link: Link, delivery: Delivery) -> None:
    """The last events go out, where somebody is there to take them; a slow disk is not waited for."""
    if link.connected:
        with suppress(TimeoutError):
            delivery.drain(_GOODBYE_S)


def link_settings(settings: Settings, suffix: str = "") -> LinkSettings:
    """How this door speaks to its broker. suffix: of the client id, for a command beside the daemon; it has no will."""
    mqtt, topics = settings.mqtt, Topics(settings.mqtt.base)
    return LinkSettings(
        host=mqtt.host,
        client_id=f"doorward-{settings.door.id}{suffix}",
        port=mqtt.port,
        protocol=mqtt.protocol,
        availability="" if suffix else topics.name("availability", settings.door.id),
        username=mqtt.username,
        password_file=mqtt.password_file,
        ca_file=mqtt.ca_file,
        cert_file=mqtt.cert_file,
        key_file=mqtt.key_file,
        keepalive_s=mqtt.keepalive_s,
    )


def _tell_of_the_head(force: Force) -> None:
    for line in force.found:
        _log.warning("the head", found=line)


def _tell_of_the_store(lines: Sequence[str]) -> None:
    for line in lines:
        _log.warning("template store", found=line)


def _handed_in(inbox: Inbox[Command], press: Press) -> None:
    if not inbox.put(press):
        _log.warning("a press was lost: the door is too busy", kind=press.kind)


def pins_of(settings: PanelSettings) -> PanelPins:
    """What is wired."""
    return PanelPins(
        button=settings.button_pin,
        red=settings.red_led_pin,
        green=settings.green_led_pin,
        blue=settings.blue_led_pin,
        buzzer=settings.buzzer_pin,
        leds_to_plus=settings.leds_to_plus,
    )
