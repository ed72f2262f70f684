"""Rollouts: which doors can take a release, how it goes on from ring to ring, and what each door is to be told.

Decides from what the store holds; telling the doors is `notices.py`'s, signing `releaser.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from edge.contract.release import ReleaseDescription
from edge.contract.update import UpdateNotice
from edge.log import get_logger
from trainer.releases.rings import AtDoor, Rings, Rules, Verdict, judge, next_ring
from trainer.store.records import Door
from trainer.store.release_records import UNDER_WAY, Release, RolloutDoor
from trainer.store.releases import Releases

_log = get_logger("releases")

_LIVE = ("running", "paused", "done")


@dataclass(frozen=True, slots=True)
class RolloutRules:
    """rings: when they follow. absent_s: a door that was not heard of for so long is not waited for."""

    rings: Rules = field(default_factory=Rules)
    absent_s: float = 86_400.0


def unfit(door: Door, release: ReleaseDescription) -> str | None:
    """Why a door cannot take a release; None where it can."""
    if door.embedder is None:
        return "has told no state yet"
    if door.embedder != release.compatible:
        return f"runs embedder {door.embedder[:12]}, and it is for {release.compatible[:12]}"
    if version_of(door.version or "") < version_of(release.min_daemon):
        return f"runs Doorward {door.version}, and it needs {release.min_daemon}"
    return None


def version_of(text: str) -> tuple[int, ...]:
    """A version's leading numbers, to be compared: 1.10 is above 1.9, 1.2 is 1.2.0, 1.2.dev3 counts as 1.2."""
    numbers: list[int] = []
    for part in text.split("."):
        if not part.isdecimal():
            break
        numbers.append(int(part))
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def fit_doors(doors: Iterable[Door], release: ReleaseDescription) -> list[str]:
    """Those that can take it."""
    return [door.id for door in doors if unfit(door, release) is None]


def begin(kept: Releases, release: Release, rings: Rings, text: str) -> None:
    """Publish to the first ring that somebody is in; what was under way for the same embedder is superseded."""
    plan = rings.plan(fit_doors(kept.fleet(), release.description))
    for other in kept.all():
        if other.description.compatible == release.description.compatible and other.status in UNDER_WAY:
            kept.end(other.id, "superseded", f"{release.id} was published")
    filled = sorted(set(plan.values()))
    first = next((n for n in range(len(rings)) if n in filled or rings.names(n)), len(rings) - 1)
    kept.begin(release.id, text, plan, first)


def advance(kept: Releases, rules: RolloutRules) -> list[tuple[str, Verdict]]:
    """Let each rollout go on as far as it may now; what was decided, but for waiting."""
    kept.lock()
    doors = kept.fleet()
    decided: list[tuple[str, Verdict]] = []
    for release in live(kept.all()):
        rings = Rings.parse(release.rings)
        _admit(kept, release, rings, doors)
        if release.status != "running":
            continue
        verdict = verdict_of(kept, release, rules, doors)
        if verdict.act != "wait":
            _act(kept, release, rings, verdict)
            decided.append((release.id, verdict))
    return decided


def verdict_of(kept: Releases, release: Release, rules: RolloutRules, doors: Sequence[Door]) -> Verdict:
    """What is to become of a rollout that is under way."""
    at = at_doors(kept.doors_of(release.id), doors, kept.at_s - rules.absent_s)
    return judge(Rings.parse(release.rings), release.ring, at, rules.rings, kept.at_s)


def at_doors(rows: Iterable[RolloutDoor], doors: Iterable[Door], since_s: float) -> list[AtDoor]:
    """A release's doors as `rings.py` takes them. since_s: a door heard of since then is present."""
    heard = {door.id for door in doors if door.last_seen_s >= since_s}
    return [
        AtDoor(row.door, row.ring, row.status, row.changed_s, row.rolled_back, row.excused, row.door in heard)
        for row in rows
    ]


def live(releases: Iterable[Release]) -> list[Release]:
    """Those that doors are to have: for each embedder what is under way, and else the newest that went to all."""
    found: dict[str, Release] = {}
    for release in sorted(releases, key=lambda one: -one.counter):
        if release.status in _LIVE:
            found.setdefault(release.description.compatible, release)
    return list(found.values())


def current(releases: Iterable[Release], embedder_sha256: str) -> Release | None:
    """The newest published release whose head binds to an embedder; None where doors have the shipped head."""
    mine = (one for one in releases if one.description.embedder_sha256 == embedder_sha256 and one.status in _LIVE)
    return max(mine, key=lambda one: one.counter, default=None)


def telling(releases: Iterable[Release]) -> list[str]:
    """Ids of the releases whose doors `wanted` needs: of each embedder those since the newest that went to all."""
    found: list[str] = []
    ended: set[str] = set()
    for release in sorted(releases, key=lambda one: -one.counter):
        if release.published_s is not None and release.description.compatible not in ended:
            found.append(release.id)
        if release.status == "done":
            ended.add(release.description.compatible)
    return found


def wanted(releases: Iterable[Release], rows: Iterable[RolloutDoor], spread_s: int = 0) -> dict[str, UpdateNotice]:
    """The notice that each door is to find; a door that is not in it is to find none.

    The newest release that went as far as a door's ring counts, unless it was superseded before the door had it. Where
    a release was stopped or withdrawn, the doors that it went to and that are not done are told to go back.
    """
    newest_first = sorted(releases, key=lambda one: -one.counter)
    at = {(row.release, row.door): row for row in rows}
    doors = {row.door for row in at.values()}
    found: dict[str, UpdateNotice] = {}
    for door in doors:
        mine = ((release, at[release.id, door]) for release in newest_first if (release.id, door) in at)
        notice = next((n for release, row in mine if (n := _notice(release, row, spread_s)) is not None), None)
        if notice is not None:
            found[door] = notice
    return found


def _notice(release: Release, row: RolloutDoor, spread_s: int) -> UpdateNotice | None:
    """What one release asks of a door; None where it asks nothing of it."""
    if release.published_s is None or row.ring > release.ring:
        return None
    has_it = row.status == "closed success"
    if release.status in _LIVE or (has_it and release.status in ("stopped", "superseded")):
        return _told(release, spread_s)
    if release.status in ("withdrawn", "stopped"):
        return _told(release, 0, withdrawn=True)
    return None


def _told(release: Release, spread_s: int, *, withdrawn: bool = False) -> UpdateNotice:
    counter = release.withdrawn_counter if withdrawn and release.withdrawn_counter is not None else release.counter
    return UpdateNotice(
        release=release.id,
        kind=release.description.kind,
        counter=counter,
        withdrawn=withdrawn,
        spread_s=spread_s,
        at=datetime.fromtimestamp(release.published_s or release.signed_s, UTC),
    )


def _admit(kept: Releases, release: Release, rings: Rings, doors: Sequence[Door]) -> None:
    """Doors that came, or came to fit, since it was published."""
    known = {row.door for row in kept.doors_of(release.id)}
    late = [door for door in doors if door.id not in known]
    kept.join(release.id, {door: rings.late(door) for door in fit_doors(late, release.description)})


def _act(kept: Releases, release: Release, rings: Rings, verdict: Verdict) -> None:
    if verdict.act == "stop":
        kept.end(release.id, "stopped", verdict.reason)
        _log.error("a rollout was stopped; the doors that are not done go back", release=release.id, why=verdict.reason)
    elif verdict.act == "finish":
        kept.mark(release.id, "done")
        _log.info("a rollout is done", release=release.id, why=verdict.reason)
    else:
        at = at_doors(kept.doors_of(release.id), (), 0.0)
        ring = next_ring(rings, release.ring, at)
        kept.open_ring(release.id, ring)
        _log.info("a rollout goes on to the next ring", release=release.id, ring=ring, why=verdict.reason)
