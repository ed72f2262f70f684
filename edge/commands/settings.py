"""`doorward settings`: print an example file, or check the one in use."""

from __future__ import annotations

import argparse
from typing import Any

from edge.errors import CameraError, SettingsError
from edge.settings import Settings, load_settings
from edge.settings.text import example_toml


def add(subparsers: Any) -> None:
    """Describe the command to the parser."""
    parser = subparsers.add_parser("settings", help="print an example settings file, or check yours")
    parser.add_argument("what", choices=("example", "check"))
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Raises: SettingsError for `check`, with a line for each mistake."""
    if arguments.what == "example":
        print(example_toml(), end="")
        return 0
    settings = load_settings(arguments.settings)
    _check_camera(settings)
    print(f"{settings.source or 'defaults'}: all settings are well")
    return 0


def _check_camera(settings: Settings) -> None:
    """See that the camera's URL makes sense; nothing is opened."""
    from edge.adapters.cameras import CameraOptions, make_camera  # with numpy, which the example does without
    from edge.adapters.clock import SystemClock

    try:
        make_camera(settings.camera.url, CameraOptions(), SystemClock())
    except CameraError as error:
        raise SettingsError(f"{settings.source or 'defaults'}: [camera] url: {error}") from error
