"""What one settings key may hold, and how a TOML table becomes a frozen dataclass.

A slice is a dataclass whose fields are `name: Annotated[type, Key(...)] = default`. That one table drives the checks
here and the texts of `text.py`. Knows no key by its name (`slices.py`) and opens no file (`load.py`).
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import os
import re
import types
import typing
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path"}
_SHOWN_CHARS = 60
_HUGE = 10**18  # Python refuses to print integers of thousands of digits
_FORBIDDEN_CATEGORIES = {
    "Cc",
    "Cs",
    "Zl",
    "Zp",
}  # control, surrogate, line and paragraph separators: one line stays one


@dataclass(frozen=True, slots=True)
class Key:
    """What a settings key means and what it may hold.

    doc: one sentence without its full stop.
    unit: of numbers, such as `s` or `px`.
    low, high: bounds of numbers, both inclusive.
    pattern, pattern_words: a regular expression that the whole text matches, and the same said in words.
    max_chars: of texts.
    example: what the example file shows where there is no default to show.
    """

    doc: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    pattern: str = ""
    pattern_words: str = ""
    max_chars: int = 255
    example: str | int | None = None


class Slice:
    """Base of every slice: the settings of one component, and the rules that hold between its keys."""

    __slots__ = ()

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Keys that do not go together: (key, what is wrong and what to do). None by default."""
        return iter(())


SliceT = TypeVar("SliceT", bound=Slice)


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table: a key with its section, type and default. choices: the only values allowed, if any."""

    section: str
    name: str
    kind: type
    choices: tuple[str | int, ...]
    default: Any
    key: Key

    @property
    def allowed(self) -> str:
        """What the key may hold, in words."""
        if self.choices:
            return "one of " + ", ".join(json.dumps(choice) for choice in self.choices)
        words = self.key.pattern_words or _KINDS[self.kind]
        if self.kind is str and not self.key.pattern:
            words += f" of up to {self.key.max_chars} characters"
        if self.key.low is not None and self.key.high is not None:
            words += f" from {self.key.low:g} to {self.key.high:g}"
        return words


def rows(section: str, slice_type: type[Slice]) -> tuple[Setting, ...]:
    """The keys of a slice in the order in which it names them."""
    hints = typing.get_type_hints(slice_type, include_extras=True)
    return tuple(
        Setting(
            section, field.name, *_kind(hints[field.name].__origin__), field.default, hints[field.name].__metadata__[0]
        )
        for field in dataclasses.fields(typing.cast("Any", slice_type))
    )


def read_slice(
    section: str, slice_type: type[SliceT], table: object, base: Path, homes: Mapping[str, str]
) -> tuple[SliceT, list[str]]:
    """A slice from its TOML table, with one line for each thing that is wrong; a bad key leaves its default.

    base: the folder that relative paths start from.
    homes: key -> section, to tell where a misplaced key belongs.
    """
    if not isinstance(table, Mapping):
        return slice_type(), [f"[{section}]: found {shown(table)}, must be a table"]
    known = {row.name: row for row in rows(section, slice_type)}
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name, found in table.items():
        try:
            if name not in known:
                raise ValueError(f"unknown key{_way_out(name, tuple(known), homes)}")
            values[name] = accept(known[name], found, base)
        except ValueError as error:
            problems.append(f"[{section}] {one_line(name)}: {error}")
    made = slice_type(**values)
    if not problems:
        problems = [f"[{section}] {name}: {text}" for name, text in made.conflicts()]
    return made, problems


def accept(setting: Setting, found: object, base: Path) -> Any:
    """The value that a key takes.

    Raises:
        ValueError: it may not hold this; the text says what was found and what is allowed.
    """
    value = _of_kind(setting.kind, found)
    if value is None or not _fits(setting, value):
        raise ValueError(f"found {shown(found)}, must be {setting.allowed}{_unit(setting)}")
    if setting.kind is Path:
        return base / os.path.expanduser(str(value))  # noqa: PTH111  (Path.expanduser raises where there is no home)
    return value


def shown(value: object) -> str:
    """A value from a file, in one short line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return one_line(json.dumps(value, ensure_ascii=False))
    if isinstance(value, int):
        return str(value) if abs(value) < _HUGE else "a huge whole number"
    if isinstance(value, float):
        return repr(value)
    return "a list" if isinstance(value, list) else "a table" if isinstance(value, dict) else "a date or time"


def suggestion(name: str, known: tuple[str, ...]) -> str:
    """`; did you mean …` for the nearest known name, or nothing."""
    near = difflib.get_close_matches(name[:_SHOWN_CHARS].lower(), known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def _way_out(name: str, known: tuple[str, ...], homes: Mapping[str, str]) -> str:
    if name in homes:
        return f"; it belongs under [{homes[name]}]"
    return suggestion(name, known) or "; known are " + ", ".join(known)


def _kind(hint: Any) -> tuple[type, tuple[str | int, ...]]:
    """`int | None` -> (int, ()); `Literal["a", "b"]` -> (str, ("a", "b"))."""
    if typing.get_origin(hint) is typing.Literal:
        return type(hint.__args__[0]), hint.__args__
    if isinstance(hint, types.UnionType):
        return next(part for part in hint.__args__ if part is not types.NoneType), ()
    return hint, ()


def _of_kind(kind: type, found: object) -> Any:
    """The value as the kind that the key has, or None. A truth value is no number; a whole number stands for one."""
    if isinstance(found, bool):
        return found if kind is bool else None
    if kind is float and isinstance(found, int) and abs(found) < _HUGE:
        return float(found)
    if kind is Path:
        return found if isinstance(found, str) and found else None
    return found if isinstance(found, kind) else None


def _fits(setting: Setting, value: Any) -> bool:
    key = setting.key
    if setting.choices:
        return value in setting.choices
    if isinstance(value, str):
        printable = not any(unicodedata.category(char) in _FORBIDDEN_CATEGORIES for char in value)
        return (
            printable
            and len(value) <= key.max_chars
            and (not key.pattern or re.fullmatch(key.pattern, value) is not None)
        )
    if isinstance(value, float) and not math.isfinite(value):
        return False
    return (key.low is None or value >= key.low) and (key.high is None or value <= key.high)


def _unit(setting: Setting) -> str:
    return f" ({setting.key.unit})" if setting.key.unit else ""


def one_line(text: str, chars: int = _SHOWN_CHARS) -> str:
    """Text from a file, made fit for one short line of an error."""
    safe = "".join(char if char.isprintable() else "?" for char in text)
    return safe if len(safe) <= chars else safe[: chars - 1] + "…"
