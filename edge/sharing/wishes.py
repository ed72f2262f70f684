"""What is to be told of a person, given who is in the store and what the trainer was told. Pure.

Told is: everybody's good exemplars by the embedder in use, under the person who holds them. Left out are pictures
that were taken for a person wrongly, and those under review for as long as they are. Of the rest the newest 64 go.
That nothing of somebody may be kept is told of those who were told of before, and who were erased, or merged into
somebody else, or have no good exemplar left; it is told even where nothing else is shared any more.
"""

from __future__ import annotations

import hashlib
import uuid

from edge.contract.fleet import MOST_EXEMPLARS
from edge.store.told import NOTHING, Told
from edge.store.types import Kind, Person, StoredExemplar

_NAMESPACE = uuid.UUID("0c7f2b7e-5c0e-5b7a-9d6b-3b1f7f6a1d52")


def shared_of(person: Person, embedder: str) -> tuple[StoredExemplar, ...]:
    """Those exemplars of a person that the trainer may have, the oldest first."""
    good = (kept for kept in person.exemplars if kept.kind is Kind.ENROLLED and kept.review is None)
    return tuple(kept for kept in good if kept.embedder == embedder)[-MOST_EXEMPLARS:]


def fingerprint_of(person: Person, embedder: str) -> str:
    """Differs where what is to be told of somebody differs, in pictures or embedder; `NOTHING` where that is none.

    Of ids alone, so a name or a confirmation changes nothing and no embedding can be had from it.
    """
    ids = sorted(kept.id for kept in shared_of(person, embedder))
    return hashlib.sha256("\n".join([embedder, *ids]).encode()).hexdigest() if ids else NOTHING


def wish(person: Person | None, told: Told | None, embedder: str, *, share: bool) -> str | None:
    """The fingerprint that is to be told of somebody now, `NOTHING` among them; None where all was said.

    person: None where they are erased or merged into another. told: None where they were never told of.
    embedder: sha256 of the one in use. share: whether the operator wants people to be told at all.
    """
    if told is None:
        return (fingerprint_of(person, embedder) or None) if share and person is not None else None
    if person is not None and share and (wanted := fingerprint_of(person, embedder)):
        return None if told.acknowledged and told.fingerprint == wanted else wanted
    if told.fingerprint == NOTHING:
        return None if told.acknowledged else NOTHING
    # Another embedder's exemplars are not taken back because a door tries a new one.
    kept = person is not None and (told.embedder != embedder or bool(shared_of(person, embedder)))
    return None if kept else NOTHING


def report_id(door: str, person: str, revision: int, fingerprint: str) -> uuid.UUID:
    """The id of a message about somebody: the same however often it is made."""
    return uuid.uuid5(_NAMESPACE, f"{door}/{person}/{revision}/{fingerprint}")
