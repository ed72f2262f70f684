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
    COSINE,
    CURRENT,
    DET_GRID,
    Check,
    Difference,
    GateReport,
    GateRules,
    Rating,
    Tried,
    decide,
)
from trainer.gate_report import HEAD_DIGEST, to_json

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
    checks = (Check("size", decision != "refuse", 1.0, 2.0, "1 of 2"),)
    difference = Difference(-0.01, -0.02, 0.0, _BETTER.get(decision, 1.0), 0.0)
    rules = GateRules()
    found, reasons = decide(checks, difference, rules)
    assert found == decision
    heads = {name: Rating(head, 0.1, 0.05, 1.0, (0.1,) * len(DET_GRID)) for name in (CANDIDATE, CURRENT, COSINE)}
    tried = Tried(people=40, one_visit=0, searches=400, strangers=400, tables=2)
    file.write_text(to_json(GateReport(found, reasons, checks, heads, difference, (), tried, rules), about))
