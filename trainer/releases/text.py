"""Releases, signatures and doors for people to read, and the same as JSON objects."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from edge.contract.codec import to_object
from edge.contract.release import ReleaseDescription
from trainer.releases.options import ROLES
from trainer.releases.repository import Trusted
from trainer.releases.steering import FleetRow, Standing

_HEADS: tuple[str, ...] = ("door", "in force", "for", "ring", "status", "state", "try", "last heard of", "reason")


def time_of(wall_s: float | None) -> str | None:
    """A time as JSON has it."""
    return None if wall_s is None else datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def description_json(description: ReleaseDescription) -> dict[str, Any]:
    """What was signed."""
    return to_object(description)


def standing_json(standing: Standing) -> dict[str, Any]:
    """A release and how it stands."""
    release = standing.release
    return {
        "release": release.id,
        "kind": release.description.kind,
        "counter": release.counter,
        "embedder_sha256": release.description.embedder_sha256,
        "status": release.status,
        "rings": release.rings,
        "ring": release.ring,
        "signed_at": time_of(release.signed_s),
        "published_at": time_of(release.published_s),
        "doors": dict(standing.doors),
        "next": standing.next,
        "even_refused": release.even_refused,
    }


def standing_lines(standing: Standing) -> list[str]:
    """The same for a terminal."""
    release = standing.release
    where = f" ring {release.ring} of {release.rings}" if release.published_s is not None else ""
    lines = [f"{release.id}  counter {release.counter}  {release.status}{where}"]
    if standing.doors:
        lines.append("  doors  " + ", ".join(f"{count} {status}" for status, count in sorted(standing.doors.items())))
    lines += [f"  next   {standing.next}"] if standing.next else []
    return lines + ([f"  signed on somebody's word: {release.even_refused}"] if release.even_refused else [])


def roles_json(trusted: Trusted, now: datetime) -> dict[str, Any]:
    """Each role's version, and how many days its signature holds."""
    return {role: _role(trusted, role, now) for role in ROLES}


def role_lines(trusted: Trusted, due: Sequence[str], now: datetime) -> list[str]:
    """The same for a terminal. due: roles to be renewed."""
    lines = []
    for role in ROLES:
        said = _role(trusted, role, now)
        left = "has expired" if said["days"] < 0 else f"holds {said['days']:.1f} days more"
        mark = "; renew it" if role in due else ""
        lines.append(f"  {role:<10} version {said['version']:<4} {left}{mark}")
    return lines


def fleet_json(row: FleetRow) -> dict[str, Any]:
    """A door."""
    said, to = row.said, row.row
    return {
        "door": row.door.id,
        "last_seen_at": time_of(row.door.last_seen_s),
        "version": row.door.version,
        "release": said.release if said else row.door.release,
        "counter": said.counter if said else None,
        "target": said.target if said else None,
        "state": said.state if said else None,
        "progress": said.progress if said else None,
        "attempt": said.attempt if said else None,
        "reason": (said.reason if said else None) or (to.reason if to else None) or row.unfit,
        "missing_layers": list(said.missing_layers) if said else [],
        "planned": to.release if to else None,
        "ring": to.ring if to else None,
        "status": to.status if to else None,
        "rolled_back": to.rolled_back if to else False,
    }


def fleet_lines(rows: Sequence[FleetRow]) -> list[str]:
    """A line a door, under their heads."""
    cells = [_HEADS, *(_cells(fleet_json(row)) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEADS))]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in cells]


def _cells(told: dict[str, Any]) -> tuple[str, ...]:
    state = told["state"] or ""
    if state == "downloading":
        state = f"{state} {told['progress']:.0%}"
    return (
        told["door"],
        told["release"] or "-",
        told["planned"] or "-",
        "-" if told["ring"] is None else str(told["ring"]),
        told["status"] or "-",
        state or "-",
        str(told["attempt"] or "-"),
        told["last_seen_at"] or "-",
        told["reason"] or "",
    )


def _role(trusted: Trusted, role: str, now: datetime) -> dict[str, Any]:
    signed = trusted.of(role).signed
    days = (signed.expires - now).total_seconds() / 86_400
    return {"version": signed.version, "expires_at": time_of(signed.expires.timestamp()), "days": round(days, 2)}
