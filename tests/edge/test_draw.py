"""What is drawn: where boxes, words and captions go, and that nothing else is touched."""

from __future__ import annotations

import numpy as np
import pytest

from edge.draw import KNOWN, STRANGER, UNCLEAR, Mark, annotate, colour_of, strip
from edge.recognition.types import Box, Image, Known, LookAgain, Stranger

BLACK: Image = np.zeros((240, 320, 3), np.uint8)
BOX = Box(100, 120, 60, 80)


def changed(drawn: Image, before: Image = BLACK) -> tuple[int, int, int, int]:
    """The rectangle in which pictures differ: left, top, right, bottom."""
    rows, columns = np.nonzero((drawn != before).any(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


def test_a_box_is_drawn_in_the_colour_of_its_answer_and_the_picture_itself_is_left_alone() -> None:
    drawn = annotate(BLACK, [Mark(BOX, "Ada", KNOWN)])
    assert not BLACK.any()
    assert drawn.shape == BLACK.shape
    assert drawn.dtype == np.uint8
    assert tuple(drawn[199, 130]) == KNOWN
    assert tuple(drawn[160, 100]) == KNOWN
    assert tuple(drawn[160, 130]) == (0, 0, 0)


def test_words_stand_above_the_box_and_below_it_where_there_is_no_room() -> None:
    left, top, right, bottom = changed(annotate(BLACK, [Mark(BOX, "Ada", KNOWN)]))
    assert (left, right, bottom) == (100, 160, 200)
    assert 95 < top < 115
    left, top, right, bottom = changed(annotate(BLACK, [Mark(Box(100, 2, 60, 80), "Ada", KNOWN)]))
    assert (left, top) == (100, 2)
    assert 87 < bottom < 110


@pytest.mark.parametrize("text", ["", "Ødegård", "王小明", "💡", "a\nb", "x" * 300])
def test_any_name_can_be_drawn(text: str) -> None:
    assert annotate(BLACK, [Mark(BOX, text, STRANGER)]).shape == BLACK.shape


def test_a_face_that_reaches_beyond_the_picture_is_drawn_as_far_as_it_is_seen() -> None:
    drawn = annotate(BLACK, [Mark(Box(-30, -30, 600, 600), "near", UNCLEAR)])
    assert drawn.shape == BLACK.shape


def test_nothing_to_mark_changes_nothing() -> None:
    assert np.array_equal(annotate(BLACK, []), BLACK)


def test_each_of_the_three_answers_has_a_colour_of_its_own() -> None:
    answers = (Known("p", 1.0, 0.5), Stranger(0.1), LookAgain("too_dark"))
    assert [colour_of(answer) for answer in answers] == [KNOWN, STRANGER, UNCLEAR]
    assert len({KNOWN, STRANGER, UNCLEAR}) == 3


def test_a_strip_lays_pictures_in_rows_with_their_captions() -> None:
    red, blue = np.full((100, 200, 3), (200, 0, 0), np.uint8), np.full((100, 200, 3), (0, 0, 200), np.uint8)
    sheet = strip([(red, "one"), (blue, "two"), (red, "three")], columns=2, width=100)
    assert sheet.shape == (2 * (50 + 22 + 8) + 8, 2 * (100 + 8) + 8, 3)
    assert tuple(sheet[8 + 25, 8 + 50]) == (200, 0, 0)
    assert tuple(sheet[8 + 25, 8 + 108 + 50]) == (0, 0, 200)
    assert tuple(sheet[8 + 80 + 25, 8 + 50]) == (200, 0, 0)
    caption = sheet[8 + 50 : 8 + 72, 8:108]
    assert caption.max() > 200
    empty = sheet[8 + 80 :, 8 + 108 :]
    assert len(np.unique(empty.reshape(-1, 3), axis=0)) == 1
