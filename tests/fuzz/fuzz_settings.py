"""Coverage-guided fuzzing of the settings file with atheris: see `fuzz_messages.py` for how to run it.

It ends with a trace when a text raises anything but `SettingsError`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

with atheris.instrument_imports(include=["edge.settings", "tomllib"]):
    from edge.errors import SettingsError
    from edge.settings.load import parse_settings
    from edge.settings.text import example_toml


def one_input(data: bytes) -> None:
    """A file's text."""
    try:
        parse_settings(data.decode("utf-8", "replace"), Path("/etc/doorward/doorward.toml"))
    except SettingsError:
        return


def _seed(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = (line[1:] if line.startswith("#") and line[1:2] != " " else line for line in example_toml().splitlines())
    (folder / "example").write_text("\n".join(lines))


if __name__ == "__main__":
    for folder in (Path(argument) for argument in sys.argv[1:] if not argument.startswith("-")):
        _seed(folder)
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
