"""Frozen dataclasses from parsed JSON and back: checked against the fields' types, never guessed at.

Refused: missing or unknown keys, another type than the field's (no "5" for 5, no true for 1), lone surrogates, whole
numbers beyond 2**53, NaN, and anything nested deeper than `MAX_DEPTH`. Every refusal is a `MessageError` of one line.
Bytes are left to `strict_json.py`, the messages and their versions to `messages.py`.

Field types: bool, int, float, str, UUID, datetime (UTC, to the millisecond), Literal, another frozen dataclass,
tuple[T, ...], T | None, Annotated[T, check, ...] with a `Check`, and JsonObject for what a message carries unread.
"""

from __future__ import annotations

import math
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

from edge.contract.strict_json import MAX_DEPTH, MAX_WHOLE, Refusal, kind_of, shown
from edge.errors import MessageError

T = TypeVar("T")
JsonObject = Mapping[str, Any]

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")  # JSON can spell one as \\ud800; UTF-8 cannot carry it on


@dataclass(frozen=True, slots=True)
class Check:
    """A bound on a field's value, with the words that say it. found: how a refused value is told."""

    holds: Callable[[Any], bool]
    words: str
    found: Callable[[Any], str] = shown


def chars(low: int, high: int) -> Check:
    """Text of `low` to `high` characters. A refusal tells the length and not the text, which may be a name."""
    return Check(
        lambda text: low <= len(text) <= high,
        f"must have {low} to {high} characters",
        lambda text: str(len(text)),
    )


def matches(pattern: str, words: str) -> Check:
    """Text of which all is `pattern`."""
    compiled = re.compile(pattern)
    return Check(lambda text: compiled.fullmatch(text) is not None, f"must be {words}")


def between(low: float, high: float) -> Check:
    """A number from `low` to `high`, both included."""
    return Check(lambda number: low <= number <= high, f"must be from {low:g} to {high:g}")


def count(low: int, high: int) -> Check:
    """A list of `low` to `high` entries."""
    return Check(
        lambda entries: low <= len(entries) <= high,
        f"must have {low} to {high} entries",
        lambda entries: str(len(entries)),
    )


@dataclass(frozen=True, slots=True)
class At:
    """Where in a message the parser is. lenient: pass over unknown keys."""

    lenient: bool
    depth: int = 1
    parent: At | None = None
    step: str | int = ""

    @property
    def key(self) -> str:
        """The way here, as in `quality.width_px`; put together only where something is refused."""
        if self.parent is None:
            return ""
        way = self.parent.key
        if isinstance(self.step, int):
            return f"{way}[{self.step}]"
        return f"{way}.{shown(self.step)}" if way else shown(self.step)

    def below(self, step: str | int) -> At:
        inner = At(self.lenient, self.depth + 1, self, step)
        if inner.depth > MAX_DEPTH:
            raise inner.refusal(f"is nested deeper than {MAX_DEPTH} levels")
        return inner

    def refusal(self, why: str) -> Refusal:
        return Refusal(self.key, why)

    def other(self, wanted: str, value: object) -> Refusal:
        return self.refusal(f"must be {wanted}, found {kind_of(value)}")


def from_object(kind: str, cls: type[T], value: object, *, unknown_allowed: bool = False) -> T:
    """A `cls` from parsed JSON.

    unknown_allowed: pass over keys that `cls` does not know, as in a message of a newer minor version.

    Raises:
        MessageError: `value` does not fit.
    """
    try:
        return _dataclass(cls, value, At(unknown_allowed))
    except Refusal as refusal:
        raise MessageError(refusal.line(kind)) from None


def to_object(message: Any) -> dict[str, Any]:
    """A dataclass as what `json.dumps` takes; fields in their order."""
    return {field.name: _plain(getattr(message, field.name)) for field in fields(message)}


def _value(hint: Any, value: object, at: At) -> Any:
    """`value` as the type `hint`, or a Refusal."""
    origin = get_origin(hint)
    if origin in _GENERICS:
        return _GENERICS[origin](hint, value, at)
    if hint in _SCALARS:
        return _SCALARS[hint](value, at)
    return _dataclass(hint, value, at)


def _checked(hint: Any, value: object, at: At) -> Any:
    inner, *checks = get_args(hint)
    result = _value(inner, value, at)
    for check in checks:
        if not check.holds(result):
            raise at.refusal(f"{check.words}, found {check.found(result)}")
    return result


def _optional(hint: Any, value: object, at: At) -> Any:
    """T | None; no other union is used in the contract."""
    inner = next(part for part in get_args(hint) if part is not types.NoneType)
    return None if value is None else _value(inner, value, at)


def _literal(hint: Any, value: object, at: At) -> Any:
    allowed = get_args(hint)
    if not isinstance(value, str) or value not in allowed:
        raise at.refusal(f"must be one of {', '.join(allowed)}, found {shown(value)}")
    return value


def _tuple(hint: Any, value: object, at: At) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise at.other("a list", value)
    inner = get_args(hint)[0]
    return tuple(_value(inner, entry, at.below(index)) for index, entry in enumerate(value))


def _object(_hint: Any, value: object, at: At) -> JsonObject:
    if not isinstance(value, dict):
        raise at.other("an object", value)
    _check_free(value, at)
    return value


def _check_free(value: object, at: At) -> None:
    """Depth, text and numbers of a part that no type describes."""
    if isinstance(value, str):
        _text(value, at)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _float(value, at)
    elif isinstance(value, dict):
        for name, entry in value.items():
            _check_free(entry, at.below(_text(name, at)))
    elif isinstance(value, list | tuple):
        for index, entry in enumerate(value):
            _check_free(entry, at.below(index))
    elif value is not None and not isinstance(value, bool):
        raise at.other("text, a number, true, false, null, a list or an object", value)


@cache
def _plan(cls: Any) -> tuple[dict[str, Any], frozenset[str]]:
    """A dataclass's type hints by field, and the names of fields that must be given."""
    hints = get_type_hints(cls, include_extras=True)
    needed = (f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING)
    return {field.name: hints[field.name] for field in fields(cls)}, frozenset(needed)


def _dataclass(cls: type[T], value: object, at: At) -> T:
    if not isinstance(value, dict):
        raise at.other("an object", value)
    hints, needed = _plan(cast("Any", cls))
    missing = next((name for name in hints if name in needed and name not in value), None)
    if missing is not None:
        raise at.below(missing).refusal("is missing")
    unknown = next((name for name in value if name not in hints), None)
    if unknown is not None and not at.lenient:
        raise at.below(unknown).refusal("is not known")
    return cls(**{name: _value(hint, value[name], at.below(name)) for name, hint in hints.items() if name in value})


def _bool(value: object, at: At) -> bool:
    if not isinstance(value, bool):
        raise at.other("true or false", value)
    return value


def _int(value: object, at: At) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise at.other("a whole number", value)
    if abs(value) > MAX_WHOLE:
        raise at.refusal("is beyond 2**53")
    return value


def _float(value: object, at: At) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise at.other("a number", value)
    if isinstance(value, int):
        return float(_int(value, at))
    if not math.isfinite(value):
        raise at.refusal("must be a finite number")
    return value


def _text(value: object, at: At) -> str:
    if not isinstance(value, str):
        raise at.other("text", value)
    if _HALF_CHARACTER.search(value):
        raise at.refusal("holds half of a character")
    return value


def _uuid(value: object, at: At) -> UUID:
    text = _text(value, at)
    if not _UUID.fullmatch(text):
        raise at.refusal(f"must be a UUID in lower case, found {shown(value)}")
    return UUID(text)


def _time(value: object, at: At) -> datetime:
    text = _text(value, at)
    try:
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass  # the thirtieth of February has the form, too
    raise at.refusal(f"must be a time like 2031-05-04T03:02:01.000Z, found {shown(value)}")


_GENERICS: Mapping[Any, Callable[[Any, object, At], Any]] = {
    Annotated: _checked,
    Union: _optional,
    types.UnionType: _optional,
    Literal: _literal,
    tuple: _tuple,
    get_origin(JsonObject): _object,
}
_SCALARS: Mapping[Any, Callable[[object, At], Any]] = {
    bool: _bool,
    int: _int,
    float: _float,
    str: _text,
    UUID: _uuid,
    datetime: _time,
}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    if isinstance(value, Mapping):
        return {name: _plain(entry) for name, entry in value.items()}
    return to_object(value) if is_dataclass(value) else value
