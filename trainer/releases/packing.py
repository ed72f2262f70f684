"""From a folder that `refresh` left to a release that can be signed: looked at, held against its gate's report, packed.

Signs nothing. An embedder release is such a folder too, with the embedder and whatever carries templates over beside
the head.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from edge.contract.release import DESCRIPTION, ReleaseDescription, ReleaseFile
from edge.errors import ModelError, RefusedError, StoreError
from edge.inference.head import load_head, read_description
from edge.store.durable import write_durably
from edge.update.bundle import open_bundle, release_file, write_bundle
from trainer.gate import CANDIDATE
from trainer.gate_report import HEAD_DIGEST, read_report

REPORT, PAGE = "gate.json", "gate.html"
MIN_DAEMON = "0.1.0"  # the first that knows releases; raise it with what a head's files need of the door's program


@dataclass(frozen=True, slots=True)
class Candidate:
    """A folder that holds a head. head: its id. files: what a door gets. gate_sha256: of the report, None without one.

    refusal: why the gate does not let it through; None where it does. compatible: the embedder that is left.
    """

    folder: Path
    head: str
    description: Path
    embedder_sha256: str
    dim: int
    compatible: str
    files: tuple[ReleaseFile, ...]
    gate_sha256: str | None
    refusal: str | None


def read_candidate(folder: Path, replaces: str = "") -> Candidate:
    """Look at a folder; its head answers its canaries.

    replaces: for an embedder release the hash of the embedder that doors run until then.

    Raises:
        ModelError: a file is missing or damaged. RefusedError: not one head, or files that do not belong to it.
        DoorwardError: the report is damaged.
    """
    head = head_in(folder)
    names = {path.name for path in folder.iterdir() if path.is_file()} - {REPORT, PAGE, DESCRIPTION}
    if replaces:
        return _with_embedder(head, names, replaces)
    if strange := sorted(names - {file.name for file in head.files}):
        raise RefusedError(
            f"{folder}: {strange[0]} belongs to no head; take it away, or name the embedder that doors run "
            "until then with --replaces if this is an embedder release"
        )
    return head


def head_in(folder: Path) -> Candidate:
    """The one head in a folder, whatever lies beside it.

    Raises:
        ModelError, RefusedError, DoorwardError: as `read_candidate`.
    """
    if not folder.is_dir():
        raise RefusedError(f"{folder}: there is no such folder; `doorward-trainer refresh` leaves one per candidate")
    found = sorted(folder.glob("*.head.json"))
    if len(found) != 1:
        raise RefusedError(f"{folder}: holds {len(found)} heads (NAME.head.json); a release has one")
    return head_of(found[0])


def head_of(description: Path) -> Candidate:
    """A head by its description, and its gate's report where one lies beside it.

    Raises:
        ModelError, RefusedError, DoorwardError: as `read_candidate`.
    """
    said = read_description(description)
    load_head(description, said.embedder_sha256)
    folder, sha256 = description.parent, said.embedder_sha256
    files = tuple(release_file(folder / name) for name in sorted({description.name, said.model}))
    gate_sha256, refusal = _gate(folder / REPORT, said.id, description)
    return Candidate(folder, said.id, description, sha256, said.dim, sha256, files, gate_sha256, refusal)


def check_gate(candidate: Candidate, even_refused: str | None) -> None:
    """Refuse what the gate did not let through, unless somebody answers for it.

    even_refused: their reason; None where nobody does.

    Raises:
        RefusedError: it may not be signed.
    """
    if candidate.refusal is not None and even_refused is None:
        raise RefusedError(f"{candidate.folder}: {candidate.refusal}; --even-refused REASON signs it nevertheless")


def describe(candidate: Candidate, release: str, counter: int, max_rss_mb: int, now: datetime) -> ReleaseDescription:
    """What is signed of it."""
    canaries = next(file for file in candidate.files if file.name == candidate.description.name)
    return ReleaseDescription(
        release=release,
        kind="head" if candidate.compatible == candidate.embedder_sha256 else "embedder",
        counter=counter,
        compatible=candidate.compatible,
        embedder_sha256=candidate.embedder_sha256,
        dim=candidate.dim,
        min_daemon=MIN_DAEMON,
        max_rss_mb=max_rss_mb,
        canary_sha256=canaries.sha256,
        gate_sha256=candidate.gate_sha256,
        files=candidate.files,
        at=now.replace(microsecond=now.microsecond // 1000 * 1000),
    )


def release_name(head: str, counter: int, taken: Collection[str]) -> str:
    """A release's id: the head's, as file names take it; signed again, as after a rollback, with the counter."""
    name = head.replace(":", "-").lstrip(".-")
    if name not in taken:
        return name[:64]
    return f"{name[: 63 - len(str(counter))]}.{counter}"


def pack(candidate: Candidate, description: ReleaseDescription, file: Path) -> None:
    """Write the release as the one file that travels.

    Raises:
        StoreError: it cannot be written.
    """
    try:
        write_bundle(file, description, candidate.folder)
    except OSError as error:
        raise StoreError(f"{file}: cannot be written: {error.strerror}; make room and sign it again") from None


def keep(bundle: Path, report: Path, folder: Path) -> None:
    """Unpack what was signed, and keep its report beside it: the next refresh compares with it.

    Raises:
        StoreError: it cannot be written.
    """
    try:
        open_bundle(bundle).unpack(folder)
        if report.exists():
            write_durably(folder / REPORT, report.read_bytes())
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written: {error.strerror}; make room and sign it again") from None


def _with_embedder(head: Candidate, names: Collection[str], replaces: str) -> Candidate:
    """All of the folder but the report: the embedder, and what carries templates over to it."""
    files = tuple(release_file(head.folder / name) for name in sorted({*names, *(file.name for file in head.files)}))
    if all(file.sha256 != head.embedder_sha256 for file in files):
        raise ModelError(f"{head.folder}: the embedder {head.embedder_sha256[:12]} of its head is not in it")
    if replaces == head.embedder_sha256:
        raise RefusedError(f"--replaces {replaces[:12]}: is the embedder that this release brings; leave it out")
    return replace(head, compatible=replaces, files=files)


def _gate(report_file: Path, head: str, description: Path) -> tuple[str | None, str | None]:
    """The report's hash, and why it does not let the head through."""
    if not report_file.exists():
        return None, f"no {REPORT} is beside the head, so nobody judged it"
    report, about = read_report(report_file)
    digest = hashlib.sha256(report_file.read_bytes()).hexdigest()
    judged = report.heads.get(CANDIDATE)
    file_sha256 = hashlib.sha256(description.read_bytes()).hexdigest()
    if (judged is not None and judged.id != head) or about.get(HEAD_DIGEST) != file_sha256:
        raise RefusedError(f"{report_file}: is the report of another head than {description.name}; gate this one")
    if report.decision != "replace":
        return digest, f"the gate says {report.decision}: {'; '.join(report.reasons)}"
    return digest, None
