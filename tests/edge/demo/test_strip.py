"""Which moments get into the picture of a demonstration, and what it says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image as Pillow

from edge.demo.strip import Strip, words_for
from edge.draw import KNOWN, STRANGER
from edge.errors import PictureError
from edge.events import PersonLabel
from edge.recognition.types import Decision, Frame, Known, LookAgain, Stranger
from edge.recognition.visit import Visit, VisitEvent
from tests.fakes.enrollees import Enrollee

PEOPLE = {"p": PersonLabel("Ada", verified=True)}
ADA, SOMEBODY = Known("p", 1.0, 0.5), Stranger(0.1)
Phase = Literal["started", "updated", "ended"]


def frame(number: int) -> Frame:
    return Frame(np.zeros((480, 640, 3), np.uint8), 100.0 + number, number)


def event(phase: Phase, decision: Decision, visit: str = "v") -> VisitEvent:
    probe = Enrollee("Ada").probe()
    return VisitEvent(phase, visit, decision, None, False, 100.0, 100.0, 3, 3, probe)


def visit_of(decision: Decision, last_seen_s: float) -> Visit:
    probe = Enrollee("Ada").probe()
    return Visit("v", 100.0, last_seen_s, best=probe, latest=probe, decision=decision)


def saved(strip: Strip, folder: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]] | None:
    file = folder / "sub" / "strip.png"
    return np.asarray(Pillow.open(file)) if strip.save(file) else None


def test_nothing_seen_makes_no_picture(tmp_path: Path) -> None:
    strip = Strip()
    strip.see(frame(0), [], [], PEOPLE)
    assert saved(strip, tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_a_visit_s_start_and_change_are_kept_and_its_end_and_what_is_no_news_are_not(tmp_path: Path) -> None:
    strip = Strip()
    strip.see(frame(0), [visit_of(SOMEBODY, 100.0)], [event("started", SOMEBODY)], PEOPLE)
    strip.see(frame(1), [visit_of(SOMEBODY, 101.0)], [event("updated", SOMEBODY)], PEOPLE)
    strip.see(frame(2), [visit_of(ADA, 102.0)], [event("updated", ADA)], PEOPLE)
    strip.see(frame(3), [], [event("ended", ADA)], PEOPLE)
    picture = saved(strip, tmp_path)
    assert picture is not None
    assert picture.shape == (8 + 240 + 22 + 8, 2 * 328 + 8, 3)
    assert (picture[:, :328] == STRANGER).all(axis=2).any()
    assert (picture[:, 328:] == KNOWN).all(axis=2).any()


def test_somebody_who_is_not_in_the_frame_is_not_drawn_into_it(tmp_path: Path) -> None:
    strip = Strip()
    strip.see(frame(5), [visit_of(ADA, 102.0)], [event("started", ADA)], PEOPLE)
    picture = saved(strip, tmp_path)
    assert picture is not None
    assert not (picture == KNOWN).all(axis=2).any()


def test_a_demonstration_of_hours_keeps_a_bounded_number_of_pictures(tmp_path: Path) -> None:
    strip = Strip()
    for number in range(100):
        strip.see(frame(number), [], [event("started", SOMEBODY, f"v{number}")], PEOPLE)
    picture = saved(strip, tmp_path)
    assert picture is not None
    assert picture.shape == (6 * 270 + 8, 4 * 328 + 8, 3)


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    strip = Strip()
    strip.see(frame(0), [], [event("started", SOMEBODY)], PEOPLE)
    (tmp_path / "file").touch()
    with pytest.raises(PictureError, match=r"cannot be written \(.+\); name another with --strip"):
        strip.save(tmp_path / "file" / "strip.png")


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        (ADA, "Ada"),
        (Known("gone", 1.0, 0.5), "gone"),
        (SOMEBODY, "a stranger"),
        (LookAgain("too_dark"), "unclear: too dark"),
    ],
)
def test_answers_are_said_as_a_person_would(decision: Decision, words: str) -> None:
    assert words_for(decision, PEOPLE) == words
