"""Texts made from the table of settings: the commented example file and the documentation page.

`python -m edge.settings.text` prints the page that is kept as `docs/settings.md`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap

from edge.settings.load import DEFAULT_FILE, FILE_VARIABLE, SLICES
from edge.settings.schema import Setting, Slice, rows

_COMMENT_CHARS = 110
_HEAD = (
    "# Settings",
    "",
    f"A door reads one TOML file: the one named by `--settings`, else by `${FILE_VARIABLE}`, else",
    f"`{DEFAULT_FILE}` if there is one. Every key may be left out. `doorward settings example` prints this",
    "table as a commented file. A mistake is named in one line with its file, its key, what was found and what is",
    "allowed; all mistakes of a file are named at once. Relative paths start from the folder of the file.",
)


def example_toml(slices: Mapping[str, type[Slice]] = SLICES, whose: str = "a Doorward door") -> str:
    """A settings file that changes nothing: every key is there, commented out, with its meaning and its default.

    Taking the `#` from the lines without a space behind it gives a valid file.
    """
    return "\n".join(_example_lines(slices, whose)) + "\n"


def settings_markdown(slices: Mapping[str, type[Slice]] = SLICES, head: Sequence[str] = _HEAD) -> str:
    """The page `docs/settings.md`, or that of another program. head: the lines before the first section."""
    return "\n".join([*head, *_section_lines(slices)]) + "\n"


def _example_lines(slices: Mapping[str, type[Slice]], whose: str) -> Iterator[str]:
    yield f"# Settings of {whose}. Every key may be left out; those shown are the defaults or, where a key has"
    yield "# none, an example. Relative paths start from the folder of this file."
    for section, slice_type in slices.items():
        yield ""
        yield f"# {slice_type.__doc__}"
        yield f"[{section}]"
        for row in rows(section, slice_type):
            comment = f"{row.key.doc}. Allowed: {_bounds(row)}."
            yield from wrap(comment, _COMMENT_CHARS, initial_indent="# ", subsequent_indent="# ")
            yield f"#{row.name} = {_toml(row.default if row.key.example is None else row.key.example)}"


def _section_lines(slices: Mapping[str, type[Slice]]) -> Iterator[str]:
    for section, slice_type in slices.items():
        yield ""
        yield f"## [{section}]"
        yield ""
        yield str(slice_type.__doc__)
        yield ""
        yield "| key | meaning | allowed | default |"
        yield "|---|---|---|---|"
        for row in rows(section, slice_type):
            default = "none" if row.default is None else f"`{_toml(row.default)}`"
            yield f"| `{row.name}` | {row.key.doc} | {_bounds(row)} | {default} |"


def _bounds(row: Setting) -> str:
    return f"{row.allowed} ({row.key.unit})" if row.key.unit else row.allowed


def _toml(value: str | float) -> str:
    return json.dumps(value, ensure_ascii=False)  # for these types JSON's spelling is TOML's


if __name__ == "__main__":
    print(settings_markdown(), end="")
