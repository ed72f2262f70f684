"""`doorward doctor`: look at everything that a door needs, and say what to do for each fault."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from edge.checkup import Verdict, examine
from edge.commands import JSON_SCHEMA
from edge.settings import load_settings

_SIGNS: dict[Verdict, str] = {"well": "well", "warning": "WARN", "fault": "FAULT"}


def add(subparsers: Any) -> None:
    """Describe the command to the parser."""
    parser = subparsers.add_parser("doctor", help="check models, store, broker, camera and the rest")
    parser.add_argument("--json", action="store_true", help="the findings as JSON")
    parser.add_argument("--no-camera", action="store_true", help="do not open the camera")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 when nothing is at fault, else the exit code of the first fault. Warnings count as well."""
    findings = examine(load_settings(arguments.settings), with_camera=not arguments.no_camera)
    if arguments.json:
        print(json.dumps({"schema": JSON_SCHEMA, "findings": [asdict(finding) for finding in findings]}))
    else:
        for finding in findings:
            print(f"{_SIGNS[finding.verdict]:6} {finding.what:9} {finding.text}")
    return next((finding.code for finding in findings if finding.verdict == "fault"), 0)
