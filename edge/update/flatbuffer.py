"""Reads FlatBuffers that nobody has looked at yet: every step is checked against the file before it is taken.

C++ readers follow offsets where they lead, unless somebody verified the file first, and the TFLite runtimes' Python
interfaces do not. So all that a runtime would follow is followed here beforehand: tables, their vtables, vectors, text.
What the tables of a model mean, and which there may be, is left to `tflite_file.py`.

Format: https://flatbuffers.dev/internals/. Numbers are little-endian; an offset counts from where it stands, a table's
own (to its vtable) backwards. Nothing here recurses: depth is the caller's, whose schema has an end.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TypeAlias

Position: TypeAlias = int

_SIZES = {"B": 1, "b": 1, "?": 1, "i": 4, "I": 4, "f": 4, "q": 8, "Q": 8}
_FORMATS = {letter: struct.Struct(f"<{letter}") for letter in "bBiIfqQ"} | {"?": struct.Struct("<?")}
_U16, _U32 = struct.Struct("<H"), struct.Struct("<I")


class MalformedError(ValueError):
    """These bytes are no FlatBuffer of the form that was asked for."""


@dataclass(slots=True)
class Flat:
    """The bytes with a budget of steps, so that tables that share children cannot make much work of a small file.

    steps: how many tables, vectors and texts may still be looked at.
    """

    data: bytes
    steps: int
    _step: int = field(default=0, init=False)

    def root(self, identifier: bytes) -> Table:
        """The first table. identifier: the four bytes that tell the kind of file.

        Raises:
            MalformedError: too short, of another kind, or the table is not in the file.
        """
        if len(self.data) < 8 or self.data[4:8] != identifier:
            raise MalformedError(f"does not begin as a {identifier.decode()} file does")
        return self.table(self._follow(0))

    def table(self, at: Position) -> Table:
        """The table at a position, with its vtable checked.

        Raises:
            MalformedError: it is not whole, not aligned, or a field of it reaches beyond it.
        """
        self.count()
        self.within(at, 4, 4)
        vtable = at - int(_FORMATS["i"].unpack_from(self.data, at)[0])
        self.within(vtable, 4, 2)
        vtable_bytes, table_bytes = self._u16(vtable), self._u16(vtable + 2)
        if vtable_bytes < 4 or vtable_bytes % 2 or table_bytes < 4:
            raise MalformedError(f"a table's description at {vtable} is {vtable_bytes} and {table_bytes} bytes long")
        self.within(vtable, vtable_bytes, 2)
        self.within(at, table_bytes, 4)
        fields = tuple(self._u16(vtable + 4 + 2 * slot) for slot in range((vtable_bytes - 4) // 2))
        if any(offset and not 4 <= offset < table_bytes for offset in fields):
            raise MalformedError(f"a field of the table at {at} is outside of it")
        return Table(self, at, table_bytes, fields)

    def elements(self, at: Position, size: int, most: int) -> tuple[Position, int]:
        """Where a vector's elements begin and how many there are. size: bytes of one."""
        self.count()
        self.within(at, 4, 4)
        count = int(_U32.unpack_from(self.data, at)[0])
        if count > most:
            raise MalformedError(f"a list at {at} has {count} entries; at most {most} are allowed")
        self.within(at + 4, count * size, size)
        return at + 4, count

    def _follow(self, at: Position) -> Position:
        """Where the offset at a position leads; always forwards."""
        self.within(at, 4, 4)
        offset = int(_U32.unpack_from(self.data, at)[0])
        if offset < 4:
            raise MalformedError(f"the offset at {at} leads nowhere")
        self.within(at + offset, 4, 4)
        return at + offset

    def within(self, at: Position, size: int, align: int) -> None:
        """Raises:
        MalformedError: these bytes are not all in the file, or do not begin at a multiple of `align`.
        """
        if at < 0 or at + size > len(self.data):
            raise MalformedError(f"leads to byte {at + size} of {len(self.data)}")
        if at % align:
            raise MalformedError(f"byte {at} is not at a multiple of {align}")

    def _u16(self, at: Position) -> int:
        return int(_U16.unpack_from(self.data, at)[0])

    def count(self) -> None:
        self._step += 1
        if self._step > self.steps:
            raise MalformedError(f"has more than {self.steps} parts")


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose fields lie within it. A field that is not there reads as its default, as everywhere."""

    flat: Flat
    at: Position
    size: int
    fields: tuple[int, ...]

    def only(self, slots: int, what: str) -> Table:
        """The same, if it has no field beyond those that are known.

        Raises:
            MalformedError: it has; a runtime might follow it where nobody has looked.
        """
        if any(self.fields[slots:]):
            raise MalformedError(f"{what} has a field that is not known here")
        return self

    def none(self, *slots: int, what: str) -> None:
        """Raises:
        MalformedError: one of these fields is there.
        """
        if any(self._offset(slot) for slot in slots):
            raise MalformedError(f"{what} has a field that is not allowed")

    def has(self, slot: int) -> bool:
        return self._offset(slot) != 0

    def number(self, slot: int, letter: str, default: int = 0) -> int:
        """A whole number or a boolean. letter: its type, as in `struct`."""
        at = self._field(slot, _SIZES[letter])
        return int(_FORMATS[letter].unpack_from(self.flat.data, at)[0]) if at is not None else default

    def real(self, slot: int) -> float:
        """A float32, 0 where it is not there."""
        at = self._field(slot, 4)
        return float(_FORMATS["f"].unpack_from(self.flat.data, at)[0]) if at is not None else 0.0

    def child(self, slot: int) -> Table | None:
        """The table that a field leads to."""
        at = self._target(slot)
        return self.flat.table(at) if at is not None else None

    def children(self, slot: int, most: int) -> tuple[Table, ...]:
        """The tables of a list."""
        at = self._target(slot)
        if at is None:
            return ()
        start, count = self.flat.elements(at, 4, most)
        return tuple(self.flat.table(self.flat._follow(start + 4 * place)) for place in range(count))  # noqa: SLF001  one class in two halves

    def numbers(self, slot: int, letter: str, most: int) -> tuple[int, ...] | None:
        """A list of whole numbers, or None where it is not there."""
        return tuple(int(value) for value in found) if (found := self._list(slot, letter, most)) is not None else None

    def reals(self, slot: int, most: int) -> tuple[float, ...] | None:
        """A list of float32, or None where it is not there."""
        return tuple(float(value) for value in found) if (found := self._list(slot, "f", most)) is not None else None

    def bytes(self, slot: int, most: int) -> memoryview | None:
        """A list of bytes without a copy; its first one is at a multiple of 4."""
        at = self._target(slot)
        if at is None:
            return None
        start, count = self.flat.elements(at, 1, most)
        return memoryview(self.flat.data)[start : start + count]

    def text(self, slot: int, most: int) -> str:
        """A text, which ends with a zero byte in the file; empty where it is not there.

        Raises:
            MalformedError: it has no such end, or is no UTF-8.
        """
        at = self._target(slot)
        if at is None:
            return ""
        start, count = self.flat.elements(at, 1, most)
        self.flat.within(start, count + 1, 1)
        if self.flat.data[start + count] != 0:
            raise MalformedError(f"a text at {at} has no end")
        try:
            return self.flat.data[start : start + count].decode("utf-8")
        except UnicodeDecodeError:
            raise MalformedError(f"a text at {at} is no UTF-8") from None

    def _list(self, slot: int, letter: str, most: int) -> tuple[int | float, ...] | None:
        at = self._target(slot)
        if at is None:
            return None
        start, count = self.flat.elements(at, _SIZES[letter], most)
        return struct.unpack_from(f"<{count}{letter}", self.flat.data, start)

    def _target(self, slot: int) -> Position | None:
        at = self._field(slot, 4)
        return self.flat._follow(at) if at is not None else None  # noqa: SLF001  one class in two halves

    def _field(self, slot: int, size: int) -> Position | None:
        offset = self._offset(slot)
        if not offset:
            return None
        if offset + size > self.size:
            raise MalformedError(f"a field of the table at {self.at} is outside of it")
        self.flat.within(self.at + offset, size, size)
        return self.at + offset

    def _offset(self, slot: int) -> int:
        return self.fields[slot] if slot < len(self.fields) else 0
