"""What doors tell of people, made up: embeddings of a few dimensions, drawn around each person's own centre."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import numpy as np

from edge.contract.fleet import FleetExemplar, FleetView, PersonErased, PersonReport, levels_of, text_of
from edge.store.codec import quantize
from edge.store.keys import DeviceKey
from trainer.statistics import Statistics
from trainer.store.packing import pack, sums_of, unpack

EMBEDDER, OTHER_EMBEDDER = "ab" * 32, "cd" * 32
AT = datetime(2031, 5, 4, 3, 2, 1, 250_000, UTC)
KEY = DeviceKey(bytes(range(32)))
DIM = 8


def view(random: np.random.Generator, centre: Any) -> FleetView:
    """A picture of somebody."""
    x = centre + 0.3 * random.standard_normal(len(centre))
    levels, scale = quantize((x / np.linalg.norm(x)).astype(np.float32))
    return FleetView(
        x=text_of(levels.tobytes()),
        scale=scale,
        norm=float(random.uniform(20, 90)),
        width_px=88.0,
        eye_distance_px=41.0,
        sharpness=140.0,
        brightness=120.5,
        contrast=38.0,
        clipped=0.01,
        away_deg=6.0,
        presence=0.99,
    )


def report(
    door: str = "front",
    person: str = "p7",
    revision: int = 1,
    *,
    pictures: int = 3,
    night: int = 2,
    dim: int = DIM,
    embedder: str = EMBEDDER,
    days: int = 2,
) -> PersonReport:
    """A person's report; the same arguments give the same one. days: over how many the pictures were taken."""
    random = np.random.default_rng([int.from_bytes(person.encode()[-4:]), len(door), revision, dim])
    centre = random.standard_normal(dim)
    exemplars = tuple(
        FleetExemplar(
            exemplar=f"{person}-{revision}-{number}",
            taken_at=AT + timedelta(days=number % days),
            clean=view(random, centre),
            night=tuple(view(random, centre) for _ in range(night)),
        )
        for number in range(pictures)
    )
    return PersonReport(
        report=uuid5(NAMESPACE_OID, f"{door} {person} {revision} {embedder}"),
        door=door,
        person=person,
        revision=revision,
        at=AT,
        clock_set=True,
        embedder_sha256=embedder,
        runtime="ai-edge-litert 2.3.0",
        verified=True,
        exemplars=exemplars,
    )


def erased(door: str = "front", person: str = "p7", revision: int = 2) -> PersonErased:
    """The word that somebody is gone."""
    name = uuid5(NAMESPACE_OID, f"{door} {person} {revision} erased")
    return PersonErased(report=name, door=door, person=person, revision=revision, at=AT, clock_set=True)


def sums_from_scratch(reports: Sequence[PersonReport], dim: int = DIM) -> Statistics:
    """What the pooled sums must be, one person after the other."""
    total = Statistics.empty(dim)
    for one in reports:
        total = total + sums_of([[unpack(pack(exemplar)) for exemplar in one.exemplars]])
    return total


def assert_same_sums(found: Statistics, wanted: Statistics) -> None:
    """To 1e-9, relative to each sum's largest number."""
    for name in Statistics.__slots__:
        one, other = np.asarray(getattr(found, name), float), np.asarray(getattr(wanted, name), float)
        largest = max(1.0, float(np.abs(other).max()))
        assert np.abs(one - other).max() <= 1e-9 * largest, (name, one, other)


def embedding_bytes(one: PersonReport) -> list[bytes]:
    """Each view's levels as they are, and as the message spells them."""
    views = [seen for exemplar in one.exemplars for seen in (exemplar.clean, *exemplar.night)]
    return [spelled for seen in views for spelled in (levels_of(seen.x) or b"", seen.x.encode())]
