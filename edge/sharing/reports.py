"""Makes the messages to the trainer from what the store holds. Pure: what views there are, and when, is handed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from edge.contract.fleet import MOST_NIGHT_VIEWS, FleetExemplar, FleetView, PersonErased, PersonReport
from edge.sharing.views import fleet_view, moment
from edge.store.told import Told
from edge.store.types import Person, StoredExemplar, View

_LONGEST_RUNTIME = 64
# JSON around the texts of variable length: eleven keys and ten numbers of a view; an exemplar's; the report's own.
_BYTES_OF_VIEW, _BYTES_OF_EXEMPLAR, _BYTES_OF_REPORT = 340, 180, 1024


@dataclass(frozen=True, slots=True)
class Sender:
    """What each message says of the door when it is made. wall_s: seconds since 1970 UTC."""

    door: str
    wall_s: float
    clock_set: bool


def person_report(
    told: Told,
    person: Person,
    exemplars: Sequence[StoredExemplar],
    views: Callable[[str], Sequence[View]],
    sender: Sender,
) -> PersonReport:
    """All that is shared of a person. exemplars: at least one. views: the made-worse ones of an exemplar, by its id.

    Where it would be larger than a message may be, night views are left out first, and then the oldest exemplars.
    """
    made = fitting([_fleet_exemplar(kept, views(kept.id)) for kept in exemplars], PersonReport.MAX_BYTES)
    return PersonReport(
        report=UUID(told.report),
        door=sender.door,
        person=person.id,
        revision=told.revision,
        at=moment(sender.wall_s),
        clock_set=sender.clock_set,
        embedder_sha256=told.embedder,
        runtime=exemplars[-1].runtime[:_LONGEST_RUNTIME],
        verified=person.verified,
        exemplars=tuple(made),
    )


def person_erased(told: Told, sender: Sender) -> PersonErased:
    """That nothing of a person may be kept."""
    return PersonErased(
        report=UUID(told.report),
        door=sender.door,
        person=told.person,
        revision=told.revision,
        at=moment(sender.wall_s),
        clock_set=sender.clock_set,
    )


def fitting(exemplars: Sequence[FleetExemplar], max_bytes: int) -> list[FleetExemplar]:
    """As much of these, the oldest first, as fits into a message: the newest, with as many night views each as can be.

    Every exemplar keeps the same number of night views, or as many of them as it has.
    """
    night = max(len(made.night) for made in exemplars)
    fewer = ([replace(made, night=made.night[:most]) for made in exemplars] for most in range(night, -1, -1))
    kept = next((some for some in fewer if _bytes_of(some) <= max_bytes), None)
    if kept is None:
        kept = [replace(made, night=()) for made in exemplars]
        while len(kept) > 1 and _bytes_of(kept) > max_bytes:
            kept = kept[1:]
    return kept


def _fleet_exemplar(kept: StoredExemplar, views: Sequence[View]) -> FleetExemplar:
    night = [fleet_view(view.embedding, view.quality) for view in views[:MOST_NIGHT_VIEWS]]
    clean = fleet_view(kept.embedding, kept.quality)
    return FleetExemplar(exemplar=kept.id, taken_at=moment(kept.taken_s), clean=clean, night=tuple(night))


def _bytes_of(exemplars: Sequence[FleetExemplar]) -> int:
    """At most so many bytes of JSON."""
    views: list[FleetView] = [view for made in exemplars for view in (made.clean, *made.night)]
    texts = sum(len(view.x) + _BYTES_OF_VIEW for view in views)
    return texts + len(exemplars) * _BYTES_OF_EXEMPLAR + _BYTES_OF_REPORT
