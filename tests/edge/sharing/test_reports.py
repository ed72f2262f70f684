"""Reports as they are made: they hold what they should, fit into a message, and a full one fits as a whole."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.fleet import (
    MOST_EXEMPLARS,
    MOST_NIGHT_VIEWS,
    FleetExemplar,
    FleetView,
    PersonErased,
    PersonReport,
    text_of,
)
from edge.recognition.types import Embedding
from edge.sharing.reports import Sender, fitting, person_erased, person_report
from edge.sharing.views import moment, view_of
from edge.store.told import NOTHING, Told
from edge.store.types import Kind, Person, StoredExemplar, View
from tests.fakes.messages import AT, REPORT
from tests.fakes.messages import VIEW as FLEET_VIEW
from tests.fakes.templates import EMBEDDER, NOW, QUALITY, unit

TOLD = Told("p_a", 7, "f" * 64, EMBEDDER, str(REPORT.report), acknowledged=False)
SENDER = Sender("front", NOW, clock_set=True)


def exemplar(number: int, runtime: str = "fake 1.0", dimensions: int = 192) -> StoredExemplar:
    embedding = Embedding(unit(number, dimensions), 9.0)
    taken_s = NOW + number
    return StoredExemplar(f"{number:032x}", "p_a", Kind.ENROLLED, embedding, QUALITY, EMBEDDER, runtime, taken_s, None)


def night(count: int, dimensions: int, _exemplar: str = "") -> tuple[View, ...]:
    return tuple(View(Embedding(unit(1000 + n, dimensions), 3.5), QUALITY) for n in range(count))


def report_of(exemplars: list[StoredExemplar], *, nights: int = 2, dimensions: int = 192) -> PersonReport:
    person = Person("p_a", "Anna", verified=True, created_s=NOW, seen_s=None, exemplars=tuple(exemplars))
    return person_report(TOLD, person, exemplars, partial(night, nights, dimensions), SENDER)


def test_a_report_holds_everything_but_the_name() -> None:
    report = report_of([exemplar(1), exemplar(2, runtime="newer 2.0")])
    assert PersonReport.from_json(report.to_json()) == report
    assert (str(report.report), report.door, report.person, report.revision) == (TOLD.report, "front", "p_a", 7)
    assert (report.embedder_sha256, report.runtime, report.verified) == (EMBEDDER, "newer 2.0", True)
    assert (report.at, report.clock_set) == (moment(NOW), True)
    assert [len(entry.night) for entry in report.exemplars] == [2, 2]
    first = report.exemplars[0]
    assert (first.exemplar, first.taken_at) == (f"{1:032x}", moment(NOW + 1))
    assert float(view_of(first.clean).embedding.x @ unit(1)) > 0.9999
    assert float(view_of(first.night[1]).embedding.x @ unit(1001)) > 0.9999
    assert b"Anna" not in report.to_json()


def test_a_runtime_of_a_long_name_is_cut() -> None:
    assert report_of([exemplar(1, runtime="r" * 150)]).runtime == "r" * 64


def test_an_erasure_says_whose_and_as_of_when() -> None:
    message = person_erased(replace(TOLD, fingerprint=NOTHING), SENDER)
    assert PersonErased.from_json(message.to_json()) == message
    assert (message.person, message.revision, message.door) == ("p_a", 7, "front")


def test_more_night_views_than_a_message_takes_are_left_out() -> None:
    report = report_of([exemplar(1)], nights=MOST_NIGHT_VIEWS + 5)
    assert len(report.exemplars[0].night) == MOST_NIGHT_VIEWS
    assert report.to_json()


def test_as_many_pictures_as_are_shared_at_most_fit_with_the_views_that_a_door_makes() -> None:
    report = report_of([exemplar(number) for number in range(MOST_EXEMPLARS)], nights=2, dimensions=192)
    assert len(report.exemplars) == MOST_EXEMPLARS
    assert {len(entry.night) for entry in report.exemplars} == {2}
    assert len(report.to_json()) < PersonReport.MAX_BYTES


@pytest.mark.parametrize(
    ("dimensions", "exemplars", "night_left"), [(512, MOST_EXEMPLARS, 2), (2048, MOST_EXEMPLARS, 0), (4096, 43, 0)]
)
def test_of_what_is_too_large_night_views_go_first_and_then_the_oldest(
    dimensions: int, exemplars: int, night_left: int
) -> None:
    made = [exemplar(number, dimensions=dimensions) for number in range(MOST_EXEMPLARS)]
    report = report_of(made, nights=8, dimensions=dimensions)
    assert len(report.to_json()) <= PersonReport.MAX_BYTES
    assert [entry.exemplar for entry in report.exemplars] == [kept.id for kept in made[-exemplars:]]
    assert {len(entry.night) for entry in report.exemplars} == {night_left}


longest = st.floats(1e-4, 1e-2).map(lambda value: float(f"{value:.9g}"))


@given(scale=longest, dimensions=st.integers(1, 4096), count=st.integers(1, 12), nights=st.integers(0, 8))
def test_whatever_fits_by_the_estimate_fits_as_json(scale: float, dimensions: int, count: int, nights: int) -> None:
    x = text_of(b"\x01" * dimensions)
    wide = 123456.789
    view: FleetView = replace(
        FLEET_VIEW,
        x=x,
        scale=scale,
        norm=wide,
        sharpness=wide,
        width_px=1234.56789,
        eye_distance_px=1234.56789,
        brightness=123.456789,
        contrast=123.456789,
        clipped=1.23456789e-05,
        away_deg=123.456789,
        presence=1.23456789e-05,
    )
    made = [
        FleetExemplar(exemplar=f"{number:064x}", taken_at=AT, clean=view, night=(view,) * nights)
        for number in range(count)
    ]
    kept = fitting(made, PersonReport.MAX_BYTES)
    assert kept[-1].exemplar == made[-1].exemplar
    report = replace(REPORT, door="d" * 64, person="p" * 64, runtime="ö" * 64, exemplars=tuple(kept))
    assert len(report.to_json()) <= PersonReport.MAX_BYTES
