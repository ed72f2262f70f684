"""FlatBuffers from strangers: whatever the bytes, either values from within the file or one refusal; never more."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.update.flatbuffer import Flat, MalformedError, Table

KIND = b"TEST"


def file(*fields: bytes, table: bytes = b"") -> bytes:
    """A file with one table of 4-byte fields, and `table` behind it."""
    vtable = struct.pack("<HH", 4 + 2 * len(fields), 4 + 4 * len(fields))
    vtable += b"".join(struct.pack("<H", 4 + 4 * n) for n in range(len(fields)))
    vtable += bytes(-len(vtable) % 4)
    at = 8 + len(vtable)
    return struct.pack("<I", at) + KIND + vtable + struct.pack("<i", len(vtable)) + b"".join(fields) + table


def root(data: bytes, steps: int = 100) -> Table:
    return Flat(data, steps).root(KIND)


def behind(fields: int, field: int) -> bytes:
    """The offset from a field to what lies behind the table."""
    return struct.pack("<I", 4 * (fields - field))


def number(value: int) -> bytes:
    return struct.pack("<I", value)


def test_fields_that_are_there_and_that_are_not() -> None:
    table = root(file(number(7), struct.pack("<f", 1.5), struct.pack("<i", -2)))
    assert (table.number(0, "I"), table.real(1), table.number(2, "i")) == (7, 1.5, -2)
    assert (table.number(9, "I", 5), table.real(9), table.child(9), table.text(9, 9)) == (5, 0.0, None, "")
    assert (table.children(9, 9), table.numbers(9, "i", 9), table.bytes(9, 9)) == ((), None, None)
    assert (table.has(0), table.has(9)) == (True, False)


def test_lists_and_texts_behind_a_table() -> None:
    numbers = root(file(behind(1, 0), table=number(3) + struct.pack("<3i", 1, -2, 3)))
    assert numbers.numbers(0, "i", 3) == (1, -2, 3)
    text = root(file(behind(1, 0), table=number(3) + b"abc\0"))
    assert text.text(0, 3) == "abc"
    found = text.bytes(0, 3)
    assert found is not None
    assert bytes(found) == b"abc"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "does not begin as a TEST file"),
        (number(8) + b"ELSE" + bytes(8), "does not begin as a TEST file"),
        (number(8) + KIND, "leads to byte 12 of 8"),
        (number(2**31) + KIND + bytes(8), "leads to byte"),
        (number(0) + KIND + bytes(8), "leads nowhere"),
        (number(9) + KIND + bytes(16), "not at a multiple of 4"),
        (number(8) + KIND + struct.pack("<i", -2000) + bytes(8), "leads to byte"),
        (number(8) + KIND + struct.pack("<i", 2000) + bytes(8), "leads to byte"),
        (number(8) + KIND + struct.pack("<iHH", -4, 3, 4), "description"),
        (number(8) + KIND + struct.pack("<iHH", -4, 4, 2), "description"),
        (number(8) + KIND + struct.pack("<iHH", -4, 60, 4), "leads to byte"),
        (number(8) + KIND + struct.pack("<iHH", -4, 4, 60), "leads to byte"),
        (number(8) + KIND + struct.pack("<iHHHH", -4, 6, 4, 2, 0), "outside of it"),
        (number(8) + KIND + struct.pack("<iHHHH", -4, 6, 4, 8, 0), "outside of it"),
    ],
)
def test_a_table_that_is_not_in_the_file_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(MalformedError, match=words):
        root(data)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (number(2**32 - 1), "entries; at most 3"),
        (number(3) + bytes(11), "leads to byte"),
        (b"", "leads to byte"),
    ],
)
def test_a_list_that_is_longer_than_the_file_or_the_limit_is_refused(table: bytes, words: str) -> None:
    with pytest.raises(MalformedError, match=words):
        root(file(behind(1, 0), table=table)).numbers(0, "i", 3)


def test_a_text_without_an_end_or_that_is_no_text_is_refused() -> None:
    with pytest.raises(MalformedError, match="has no end"):
        root(file(behind(1, 0), table=number(3) + b"abcd")).text(0, 9)
    with pytest.raises(MalformedError, match="leads to byte"):
        root(file(behind(1, 0), table=number(3) + b"abc")).text(0, 9)
    with pytest.raises(MalformedError, match="no UTF-8"):
        root(file(behind(1, 0), table=number(3) + b"a\xffc\0")).text(0, 9)


def test_an_eight_byte_number_must_be_where_eight_bytes_belong() -> None:
    with pytest.raises(MalformedError, match="multiple of 8"):
        root(file(number(1), number(2), number(3))).number(1, "Q")
    with pytest.raises(MalformedError, match="outside of it"):
        root(file(number(1), number(2))).number(1, "Q")


def test_fields_that_nobody_knows_are_refused() -> None:
    assert root(file(number(1), number(2))).only(2, "a thing").number(0, "I") == 1
    with pytest.raises(MalformedError, match="a thing has a field that is not known"):
        root(file(number(1), number(2))).only(1, "a thing")
    with pytest.raises(MalformedError, match="a thing has a field that is not allowed"):
        root(file(number(1))).none(0, what="a thing")


def test_tables_that_share_their_children_do_not_make_much_work_of_a_small_file() -> None:
    """A list of a thousand offsets to one table, a step each, of which only some are allowed."""
    count = 1000
    offsets = b"".join(number(4 * (count - n)) for n in range(count))
    data = file(behind(1, 0), table=number(count) + offsets)
    leaf = len(data)
    data += struct.pack("<iHH", -4, 4, 4)
    assert leaf % 4 == 0
    assert len(root(data, steps=count + 2).children(0, count)) == count
    with pytest.raises(MalformedError, match="has more than 500 parts"):
        root(data, steps=500).children(0, count)


def _all_of(table: Table) -> None:
    """Everything that can be asked of a table."""
    for slot in range(6):
        for ask in (
            lambda s=slot: table.number(s, "Q"),
            lambda s=slot: table.real(s),
            lambda s=slot: table.text(s, 99),
            lambda s=slot: table.numbers(s, "q", 99),
            lambda s=slot: table.bytes(s, 999),
            lambda s=slot: table.children(s, 9),
        ):
            try:
                ask()
            except MalformedError:
                continue


@given(st.binary(max_size=200), st.integers(0, 60))
def test_any_bytes_are_values_or_a_refusal(noise: bytes, at: int) -> None:
    good = file(number(7), behind(3, 1), number(1), table=number(3) + b"abc\0" + bytes(40))
    data = good[:at] + noise[: len(good) - at] + good[at + len(noise) :]
    for candidate in (noise, number(8) + KIND + noise, data):
        try:
            _all_of(root(candidate, steps=400))
        except MalformedError:
            continue
