"""`doorward enroll NAME IMAGE…`: add a person from pictures, through the running daemon if there is one."""

from __future__ import annotations

import argparse
import base64
import json
import sys
from pathlib import Path
from typing import Any

from edge.adapters.camera_options import one_line
from edge.adapters.pictures import encode_jpeg, read_picture
from edge.ask import ask
from edge.commands import JSON_SCHEMA
from edge.errors import PictureError, RefusedError
from edge.settings import load_settings

# Larger than any face needs; keeps a request of many pictures small.
_LONGEST_PX = 1280
_JPEG_QUALITY = 95


def add(subparsers: Any) -> None:
    """Describe the command to the parser."""
    parser = subparsers.add_parser("enroll", help="add a person from pictures of them")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
    parser.add_argument("--force", action="store_true", help="also where the person or the name is enrolled already")
    parser.add_argument("--json", action="store_true", help="the answer as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 when the person is enrolled from every picture, 5 when a picture was skipped, 9 when nobody was enrolled."""
    settings = load_settings(arguments.settings)
    pictures, unreadable = _read(arguments.images)
    if not pictures:
        raise RefusedError("no picture can be read; nobody was enrolled")
    data = {"name": arguments.name, "pictures": pictures, "force": arguments.force}
    answer = ask(settings, "enroll_pictures", data)
    for line in answer["skipped"]:
        print(f"doorward: skipped: {line}", file=sys.stderr)
    if arguments.json:
        print(json.dumps({"schema": JSON_SCHEMA, **answer}))
    else:
        shots = answer["exemplars"]
        print(f"enrolled {answer['name']} as {answer['person']} from {shots} picture{'s' if shots != 1 else ''}")
    return PictureError.exit_code if answer["skipped"] or unreadable else 0


def _read(files: list[Path]) -> tuple[list[dict[str, str]], int]:
    pictures, unreadable = [], 0
    for file in files:
        try:
            jpeg = encode_jpeg(read_picture(file, longest_px=_LONGEST_PX), _JPEG_QUALITY)
        except PictureError as error:
            print(f"doorward: skipped: {error}", file=sys.stderr)
            unreadable += 1
            continue
        pictures.append({"name": one_line(file), "content": base64.b64encode(jpeg).decode()})
    return pictures, unreadable
