"""Some messages into the store in one transaction, and what is then to be answered. Knows no broker.

A message that the store cannot take does not hold up the others: they are tried one by one then, and it is set aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from edge.contract.fleet import FleetAck, PersonErased, PersonReport
from edge.contract.messages import DoorState, EventAck, RecognitionEvent
from edge.contract.topics import Topics
from edge.contract.update import UpdateState
from edge.errors import MessageError, StoreError
from edge.log import get_logger
from trainer.ingest.reading import Item
from trainer.store.problems import UnstorableError
from trainer.store.store import FleetStore
from trainer.store.writer import Writer

_log = get_logger("ingest")

_MOST_IDS = 1000  # of one acknowledgement


@dataclass(frozen=True, slots=True)
class Answer:
    """An acknowledgement to be published."""

    topic: str
    payload: bytes


def commit(store: FleetStore, items: Sequence[Item]) -> list[Item]:
    """Write them; when this returns, they are durable: as what they are, or set aside.

    Raises:
        StoreError: the store cannot be used; nothing of those that are not yet committed may be acknowledged.
    """
    try:
        return _write(store, items)
    except UnstorableError as error:
        reason, our_fault = f"store: {error}", False
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is may cost the one message that it came with
        # Ours to mend, so the door is not told that it is done: it sends the message again, maybe to a mended trainer.
        _log.exception("messages could not be stored; they are tried one by one")
        reason, our_fault = f"unexpected: {type(error).__name__}", True
    if len(items) > 1:
        return [done for item in items for done in commit(store, [item])]
    return _write(store, [items[0].spoilt(reason, our_fault=our_fault)])


def answers(topics: Topics, items: Iterable[Item], by: str) -> Iterator[Answer]:
    """What tells the doors that their messages are done with."""
    events: dict[str, list[UUID]] = {}
    reports: dict[str, list[UUID]] = {}
    for item in items:
        if item.id is not None and item.answered:
            ids = events if item.kind == "event" else reports
            ids.setdefault(item.door, []).append(item.id)
    for door, some in _parts(events):
        yield Answer(topics.name("event_ack", door), EventAck(ids=some, by=by).to_json())
    for door, some in _parts(reports):
        yield Answer(topics.name("fleet_ack", door), FleetAck(ids=some, by=by).to_json())


def _parts(by_door: Mapping[str, list[UUID]]) -> Iterator[tuple[str, tuple[UUID, ...]]]:
    for door, ids in by_door.items():
        unique = tuple(dict.fromkeys(ids))
        for start in range(0, len(unique), _MOST_IDS):
            yield door, unique[start : start + _MOST_IDS]


def _write(store: FleetStore, items: Sequence[Item]) -> list[Item]:
    with store.write() as writer:
        done = [_put(writer, item) for item in _in_order(items)]
        fresh = [item for item in done if item.poison is not None and writer.set_aside(item.poison)]
    for item in fresh:
        if item.poison is not None:
            _log.warning("a message was set aside", topic=item.incoming.topic[:100], reason=item.poison.reason)
    return done


def _in_order(items: Sequence[Item]) -> list[Item]:
    """By person and door, so that two workers take their locks in one order; of a door's states the newest alone.

    Of what it says of updates each word counts: that it went back is over in a moment.
    """
    newest = {item.door: item for item in items if isinstance(item.message, DoorState)}
    counting = (item for item in items if not isinstance(item.message, DoorState) or newest[item.door] is item)
    return sorted(counting, key=_place)


def _place(item: Item) -> tuple[str, str]:
    return (item.message.person if isinstance(item.message, PersonReport | PersonErased) else "", item.door)


def _put(writer: Writer, item: Item) -> Item:
    message = item.message
    if isinstance(message, RecognitionEvent):
        writer.event(message)
    elif isinstance(message, DoorState):
        writer.state(message)
    elif isinstance(message, UpdateState):
        writer.update_state(message)
    elif isinstance(message, PersonErased):
        writer.erased(message)
    elif isinstance(message, PersonReport):
        try:
            writer.person(message)
        except MessageError as error:
            return item.spoilt(str(error))
    return item
