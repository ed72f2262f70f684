"""Candidates as a refresh leaves them: the shipped head under another id, with a gate's report beside it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from edge.inference.head import head_path, read_description
from edge.inference.spec import load_manifest
from trainer.gate import (
    CANDIDATE,
    DET_GRID,
    HEADS,
    Figures,
    FileFacts,
    GateRules,
    Rating,
    Tried,
    conclude,
)
from trainer.gate_report import HEAD_DIGEST, to_json
from trainer.paired import Difference

EMBEDDER = load_manifest().pick("embedder")
_BETTER = {"replace": 1.0, "keep": 0.5}


def make_candidate(folder: Path, head: str = "plda:0001", decision: str = "replace") -> Path:
    """A folder that is ready to sign, if the gate says so."""
    shipped = head_path(EMBEDDER)
    said = replace(read_description(shipped), id=head)
    folder.mkdir(parents=True)
    description = folder / shipped.name
    description.write_bytes(said.to_json())
    shutil.copyfile(shipped.with_name(said.model), folder / said.model)
    write_report(folder / "gate.json", head, decision, {HEAD_DIGEST: hashlib.sha256(said.to_json()).hexdigest()})
    (folder / "gate.html").write_text("<p>a page</p>")
    return folder


def write_report(file: Path, head: str, decision: str, about: Mapping[str, str]) -> None:
    """A report with figures from which the decision follows."""
    rules = GateRules()
    file_facts = FileFacts(1000 if decision != "refuse" else 2 * rules.bytes, 8.0, parity=True, words="parity holds")
    others = Rating(head, 0.11, 0.06, 1.0, (0.1,) * len(DET_GRID))
    heads = dict.fromkeys(HEADS, others) | {CANDIDATE: replace(others, mix=0.1, clean=0.05)}
    difference = Difference(0.1 - 0.11, -0.02, 0.0, _BETTER.get(decision, 1.0), 0.0)
    tried = Tried(people=40, searches=400, strangers=400, tables=2, accepted=180)
    report = conclude(Figures(heads, difference, (), tried, file_facts, rules))
    assert report.decision == decision
    file.write_text(to_json(report, about))
