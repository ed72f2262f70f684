"""A build's outcome as one value: for the card, for `--json`, and for choosing the default embedder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from edge.errors import DoorwardError
from edge.inference.spec import Manifest
from trainer.embedder.pairs import Figure
from trainer.embedder.parity import STRICT_FAR, Machine, Parity

# What int8 may lose: more, and it would pay to run float. Both lie within the noise of LFW's lists.
MOST_ACCURACY, MOST_TAR = 0.003, 0.015


@dataclass(frozen=True, slots=True, eq=False)
class BuildReport:
    """calibration_faces: how many. pictures: a phrase, which. reason: why the default embedder is the default."""

    manifest: Manifest
    machine: Machine
    calibration_faces: int
    pictures: str
    reason: str
    embedders: tuple[Parity, ...]


def choose_default(embedders: Sequence[Parity]) -> tuple[str, str]:
    """The embedder to use unless a setting says otherwise, and the reason in one sentence.

    Accuracy first where the difference is beyond doubt, since a door that does not know its people is of no use and
    either embedder takes a small part of a frame's time; where it is not, the faster one.
    """
    if len(embedders) == 1:
        return embedders[0].name, "It is the only embedder built."
    measured = [(parity, parity.strict) for parity in embedders if parity.strict is not None]
    if len(measured) < len(embedders):
        return embedders[0].name, "It is the first of the catalogue; this build had no pairs to measure accuracy with."
    (best, best_tar), (second, second_tar) = sorted(measured, key=lambda one: -one[1].value)[:2]
    rates = f"TAR at FAR {STRICT_FAR:g}: {best.name} {share(best_tar)}, {second.name} {share(second_tar)}"
    times = f"{best.name} {best.int8_ms:.1f} ms, {second.name} {second.int8_ms:.1f} ms"
    if best_tar.low > second_tar.high:
        return (
            best.name,
            f"It is the more accurate beyond doubt ({rates}), and its time is small beside a frame's ({times}).",
        )
    fastest = min(best, second, key=lambda parity: parity.int8_ms)
    return fastest.name, f"It is the faster ({times}), and the difference in accuracy is within its interval ({rates})."


def shortfalls(parity: Parity) -> list[str]:
    """Where int8 keeps less of its float original than it must, a line each; none for a good build."""
    found = []
    for name, comparison in parity.lists.items():
        gained = comparison.gained
        for what, figure, allowed in (("accuracy", gained.accuracy, MOST_ACCURACY), ("TAR", gained.tar, MOST_TAR)):
            if figure.value < -allowed:
                found.append(
                    f"{parity.name}: {what} on {name} falls by {points(figure)} points, allowed {100 * allowed:g}"
                )
    if not parity.partitions.whole:
        found.append(
            f"{parity.name}: runs in {parity.partitions.count} XNNPACK partitions with breaks, slower than in one"
        )
    return found


def share(figure: Figure) -> str:
    """As percent with its interval."""
    return f"{100 * figure.value:.2f} % [{100 * figure.low:.2f}, {100 * figure.high:.2f}]"


def points(figure: Figure) -> str:
    """A difference of shares, in percentage points with its interval."""
    return f"{100 * figure.value:+.2f} [{100 * figure.low:+.2f}, {100 * figure.high:+.2f}]"


def write_json(report: BuildReport, file: Path) -> None:
    """Every figure, for machines.

    Raises:
        DoorwardError: the file cannot be written.
    """
    raw = {
        "machine": asdict(report.machine),
        "calibration_faces": report.calibration_faces,
        "pictures": report.pictures,
        "default_embedder": report.manifest.defaults.get("embedder"),
        "reason": report.reason,
        "sha256": {name: spec.sha256 for name, spec in sorted(report.manifest.models.items())},
        "embedders": [asdict(parity) for parity in report.embedders],
    }
    try:
        file.write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise DoorwardError(f"{file}: cannot be written ({error.strerror})") from error
