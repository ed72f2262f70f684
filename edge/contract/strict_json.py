"""JSON bytes from the network, read strictly: an object or one clear refusal.

Refused: too many bytes, no UTF-8, no JSON, NaN and infinities (also those hidden as 1e999), whole numbers beyond 2**53,
a key given twice, nesting beyond `MAX_DEPTH`. What an object's keys mean is left to `codec.py`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from edge.errors import MessageError

MAX_DEPTH = 8  # our messages need three; data within a request may need some more
MAX_WHOLE = 2**53  # beyond, other readers of JSON (JavaScript, Home Assistant's front end) lose digits
_MAX_SHOWN = 40
# A text with its quotes (the last may be missing, so that nothing is looked at twice), or a bracket outside of texts.
_NESTING = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


class Refusal(Exception):  # noqa: N818 - never leaves this file: it becomes a MessageError with the message's kind
    """Why a value does not fit. key: the way to it, as in `quality.width_px`."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(key, why)
        self.key, self.why = key, why

    def line(self, kind: str) -> str:
        """The one line, with the kind of message before it."""
        return f"{kind}: key '{self.key}': {self.why}" if self.key else f"{kind}: {self.why}"


def parse_object(kind: str, payload: bytes, max_bytes: int) -> dict[str, Any]:
    """The JSON object that `payload` is; what is in it is not looked at yet.

    Raises:
        MessageError: too large, not UTF-8, not JSON, or not an object.
    """
    try:
        return _parse(payload, max_bytes)
    except Refusal as refusal:
        raise MessageError(refusal.line(kind)) from None


def dump(value: Mapping[str, Any]) -> bytes:
    """Compact UTF-8 JSON. `value` has been checked: NaN cannot get here."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _parse(payload: bytes, max_bytes: int) -> dict[str, Any]:
    if len(payload) > max_bytes:
        raise Refusal("", f"has {len(payload)} bytes; at most {max_bytes} are allowed")
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal("", f"is not UTF-8 at byte {error.start}") from None
    _check_depth(text)
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite, parse_int=_whole
        )
    except json.JSONDecodeError as error:
        raise Refusal("", f"is not JSON: {error.msg} at character {error.pos}") from None
    if not isinstance(value, dict):
        raise Refusal("", f"must be a JSON object, found {kind_of(value)}")
    return value


def _check_depth(text: str) -> None:
    """Before the parser, which recurses: how deep it may go differs from one Python to the next."""
    depth = 0
    for found in _NESTING.finditer(text):
        depth += _STEPS.get(found[0], 0)
        if depth > MAX_DEPTH:
            raise Refusal("", f"is nested deeper than {MAX_DEPTH} levels")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Refusal(shown(twice), "is given twice")
    return found


def _no_constant(text: str) -> NoReturn:
    raise Refusal("", f"holds {text}, which is not a number that JSON knows")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Refusal("", "holds a number that is too large")
    return value


def _whole(text: str) -> int:
    # Looked at before it is converted: Python takes quadratic time for digits, and refuses more than 4300 of them.
    if len(text) > len(str(MAX_WHOLE)) + 1 or abs(int(text)) > MAX_WHOLE:
        raise Refusal("", "holds a whole number beyond 2**53")
    return int(text)


def kind_of(value: object) -> str:
    """The value's JSON type, for an error line."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    names: dict[type, str] = {str: "text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)


def shown(value: object) -> str:
    """A value for a log line: short, printable, in one line."""
    text = ascii(value)[1:-1] if isinstance(value, str) else ascii(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
