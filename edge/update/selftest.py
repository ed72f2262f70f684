"""Whether a staged release may be put on trial on this very door: looked at, then tried on in a process apart.

First without a runtime: every file as it was signed, made for this door's embedder and program, the model's structure
and operators. Then shut in (`sandbox.py`, `tryout.py`): canaries, time, memory, and nobody forgotten of those enrolled
here. What a door cannot know (how the head does on people at large) the trainer's gate has answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.contract.head import HeadDescription
from edge.contract.release import ReleaseDescription
from edge.errors import ModelError
from edge.inference.head import read_description
from edge.update.confine import Limits
from edge.update.forgotten import Enrolled
from edge.update.model_check import check_model, head_rules
from edge.update.sandbox import run_apart
from edge.update.slots import Slot
from edge.update.tryout_job import Budget, Job, pack

_TRYOUT = "edge.update.tryout"
_HEAD = ".head.json"
# Two orders of magnitude above what a server needs (0.02 ms, 4 MB); a Pi Zero 2 W is some thirty times slower.
_PROJECT_MS = 10.0
_HEAD_MB = 64
# Looking for 200 people with 800 exemplars takes 0.4 s of a server's time and some 10 MB; a bound, with a Pi in mind.
_WALL_S, _PAIRS_PER_S = 90.0, 2000.0
_SPARE_MB, _MB_PER_PERSON = 192, 0.25


@dataclass(frozen=True, slots=True)
class ThisDoor:
    """What a release must fit. version: of the program. embedder_sha256: of the embedder in use.

    current: the description file of the head in force. target_fpir: the door's setting.
    """

    version: str
    embedder_sha256: str
    current: Path
    target_fpir: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it. reason: why the release is not to be put on trial; None where it may be.

    again: the reason may lie outside of the release, so that another self-test may end otherwise.
    missing_layers: of the sandbox, that this device does not have. facts: what was measured, for the log.
    """

    reason: str | None
    again: bool = False
    missing_layers: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def self_test(slot: Slot, door: ThisDoor, people: Sequence[Enrolled]) -> Verdict:
    """Try a staged release on. people: everybody enrolled with their exemplars by the embedder in use."""
    try:
        description, said = _looked_at(slot, door)
    except ModelError as error:
        return Verdict(str(error))
    job = Job(
        candidate=description,
        current=door.current,
        embedder_sha256=door.embedder_sha256,
        target_fpir=door.target_fpir,
        people=tuple(who for who in people if who.embeddings),
        limits=_limits(people),
        budget=Budget(_PROJECT_MS, min(slot.release.max_rss_mb, _HEAD_MB)),
    )
    strange = next((who for who in job.people for e in who.embeddings if len(e.x) != said.dim), None)
    if strange is not None:
        return Verdict(f"the exemplars of {strange.person} are not by this door's embedder", again=True)
    return _tried_on(job, _wall_s(job.people))


def _looked_at(slot: Slot, door: ThisDoor) -> tuple[Path, HeadDescription]:
    """The head's description file and what it says.

    Raises:
        ModelError: something of it is not as it must be; the line says what.
    """
    release = slot.release
    if problem := misfit(release, door) or slot.damage():
        raise ModelError(problem)
    names = [entry.name for entry in release.files]
    descriptions = [name for name in names if name.endswith(_HEAD)]
    if len(descriptions) != 1:
        raise ModelError(f"{release.release}: has {len(descriptions)} files {_HEAD}; one is wanted")
    description = slot.folder / descriptions[0]
    said = read_description(description)
    if said.model not in names:
        raise ModelError(f"{description.name}: its model {said.model} is not in the release")
    if (said.embedder_sha256, said.dim) != (release.embedder_sha256, release.dim):
        raise ModelError(f"{description.name}: is for another embedder than the release says")
    check_model(slot.folder / said.model, head_rules(said.dim))
    return description, said


def misfit(release: ReleaseDescription, door: ThisDoor) -> str | None:
    """Why a release cannot be for this door, by its description alone; None where it may be."""
    if release.compatible != door.embedder_sha256:
        wanted, used = release.compatible[:12], door.embedder_sha256[:12]
        return f"{release.release}: is for embedder {wanted}…, in use is {used}…"
    if _numbers(door.version) < _numbers(release.min_daemon):
        return f"{release.release}: needs version {release.min_daemon} of the program, this is {door.version}"
    if release.kind != "head":
        return f"{release.release}: is of kind {release.kind}, which this version of the program cannot try on"
    return None


def _numbers(version: str) -> tuple[int, ...]:
    """Of a version; what follows its numbers does not count, and 1.2 is 1.2.0."""
    numbers: list[int] = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _tried_on(job: Job, wall_s: float) -> Verdict:
    try:
        ended = run_apart(_TRYOUT, pack(job), wall_s)
    except OSError as error:
        return Verdict(f"no process could be started for the self-test ({error.strerror})", again=True)
    step = next((line["step"] for line in reversed(ended.said) if isinstance(line.get("step"), str)), "starting")
    missing = next((tuple(map(str, line["missing"])) for line in ended.said if "missing" in line), ())
    if ended.problem is not None or step != "done":
        problem = ended.problem or "it ended without an answer"
        return Verdict(f"self-test, {step.replace('_', ' ')}: {problem}", ended.outside, missing)
    facts = ended.said[-1]
    reason = facts.get("reason")
    return Verdict(None if reason is None else str(reason), missing_layers=missing, facts=facts)


def _limits(people: Sequence[Enrolled]) -> Limits:
    memory_mb = _HEAD_MB + _SPARE_MB + int(_MB_PER_PERSON * len(people))
    return Limits(memory_mb=memory_mb, cpu_s=int(_wall_s(people)))


def _wall_s(people: Sequence[Enrolled]) -> float:
    return _WALL_S + len(people) * sum(len(who.embeddings) for who in people) / _PAIRS_PER_S
