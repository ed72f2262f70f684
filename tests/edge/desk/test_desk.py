"""Requests that need no door, with the real models, the shipped pictures and a real store."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from edge.adapters.answers import payload_of
from edge.contract.messages import Request, Response
from edge.demo.story import PICTURES
from edge.desk.desk import Desk
from edge.desk.verbs import Verb
from edge.errors import StoreError
from edge.recognition.types import Known
from edge.roster import Roster
from tests.fakes.door import NOW_S, SetClock, line, roster_in, settings_in


class Asking:
    def __init__(self, roster: Roster) -> None:
        self.roster = roster
        broken = {"break": Verb(_broken), "fill": Verb(_full)}
        self.desk = Desk(roster, line, "test 1.0", SetClock(), broken)

    def answer(self, verb: str, data: dict[str, Any] | None = None, *, local: bool = True) -> Response:
        response = self.desk.answer(Request(verb=verb, data=data or {}, transaction="t"), local=local)
        assert Response.from_json(payload_of(response)) == response
        assert (response.verb, response.transaction) == (verb, "t")
        return response

    def enroll(self, name: str, *pictures: str | bytes, **more: Any) -> Response:
        sent = [{"name": f"{n}.jpg", "content": base64.b64encode(_content(p)).decode()} for n, p in enumerate(pictures)]
        return self.answer("enroll_pictures", {"name": name, "pictures": sent, **more})

    def who(self, picture: str) -> str | None:
        (probe,) = line().probes(np.asarray(Pillow.open(PICTURES / f"{picture}.jpg").convert("RGB")))
        decision = line().decide(probe, self.roster.model)
        return decision.person if isinstance(decision, Known) else None


def _broken(_: object) -> dict[str, Any]:
    return {"share": 1 / 0}


def _full(_: object) -> dict[str, Any]:
    raise StoreError("the enrollment failed: the disk is full: make room on it")


def _content(picture: str | bytes) -> bytes:
    return picture if isinstance(picture, bytes) else (PICTURES / f"{picture}.jpg").read_bytes()


def side_by_side(*names: str) -> bytes:
    pictures = [Pillow.open(PICTURES / f"{name}.jpg").convert("RGB").resize((400, 400)) for name in names]
    both = Pillow.new("RGB", (400 * len(pictures), 400))
    for number, picture in enumerate(pictures):
        both.paste(picture, (400 * number, 0))
    file = io.BytesIO()
    both.save(file, "JPEG", quality=95)
    return file.getvalue()


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Asking]:
    with roster_in(settings_in(tmp_path)) as roster:
        yield Asking(roster)


def test_a_person_enrolled_from_two_pictures_is_known_in_a_third(asking: Asking) -> None:
    response = asking.enroll("Barack", "obama", "obama2")
    person = response.data["person"]
    assert dict(response.data) | {"person": ""} == {
        "person": "",
        "name": "Barack",
        "verified": True,
        "exemplars": 2,
        "created_s": NOW_S,
        "seen_s": None,
        "under_review": [],
        "merged": [],
        "skipped": [],
    }
    assert asking.who("obama3") == person
    assert asking.who("biden") is None
    stored = asking.roster.people[person].exemplars
    assert {(kept.embedder, kept.runtime, kept.taken_s) for kept in stored} == {(line().embedder_id, "test 1.0", NOW_S)}


def test_no_answer_holds_an_embedding(asking: Asking) -> None:
    asking.enroll("Barack", "obama")
    for verb in ("people_list", "people_provisional"):
        text = json.dumps(dict(asking.answer(verb).data))
        assert len(text) < 500
        assert "embedding" not in text


def test_pictures_that_will_not_do_are_skipped_with_a_line_each(asking: Asking) -> None:
    response = asking.enroll("Joe", b"", b"no picture", "coffee", side_by_side("obama", "astronaut"), "biden")
    assert response.error is None
    assert response.data["exemplars"] == 1
    assert response.data["skipped"] == [
        "0.jpg: empty; send the picture again",
        "1.jpg: not a picture of a known kind; use one of JPEG, PNG, WEBP, GIF, BMP, TIFF, PPM",
        "2.jpg: no face is found in it",
        "3.jpg: several faces; cut out the one that is meant",
    ]


def test_where_no_picture_will_do_nobody_is_enrolled(asking: Asking) -> None:
    response = asking.enroll("Nobody", "coffee")
    assert response.error == "no picture will do; nobody was enrolled: 0.jpg: no face is found in it"
    assert not asking.roster.people


def test_pictures_of_two_people_enroll_nobody(asking: Asking) -> None:
    response = asking.enroll("Both", "obama", "biden")
    assert response.error == "1.jpg: shows somebody else than 0.jpg; nobody was enrolled"
    assert not asking.roster.people


def test_somebody_known_is_enrolled_again_only_by_force(asking: Asking) -> None:
    first = asking.enroll("Barack", "obama").data["person"]
    assert asking.enroll("Barry", "obama2").error == f"already enrolled as Barack ({first}); --force adds another"
    again = asking.enroll("Barry", "obama2", force=True)
    assert again.error is None
    assert len(asking.roster.people) == 2


def test_a_name_that_is_taken_is_given_again_only_by_force(asking: Asking) -> None:
    first, second = (asking.enroll(*who).data["person"] for who in (("Ada", "obama"), ("Joe", "biden")))
    taken = f"{first} is called Ada already; use another name, or --force"
    assert asking.enroll(" aDA ", "astronaut").error == taken
    assert asking.answer("people_rename", {"person": second, "name": "ADA"}).error == taken
    assert sorted(person.name for person in asking.roster.people.values()) == ["Ada", "Joe"]
    assert asking.answer("people_rename", {"person": first, "name": "ada"}).data["name"] == "ada"
    assert asking.answer("people_rename", {"person": second, "name": "Ada", "force": True}).data["name"] == "Ada"
    assert asking.enroll("Ada", "astronaut", force=True).error is None


def test_what_is_not_base64_is_no_picture(asking: Asking) -> None:
    response = asking.answer("enroll_pictures", {"name": "X", "pictures": [{"name": "a.jpg", "content": "%%%"}]})
    assert response.error == "no picture will do; nobody was enrolled: a.jpg: its content is not base64"


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({"name": "x" * 65, "pictures": []}, "enroll_pictures: key 'name': must have 1 to 64 characters, found 65"),
        ({"name": "X", "pictures": []}, "enroll_pictures: key 'pictures': must have 1 to 20 entries, found 0"),
        ({"pictures": []}, "enroll_pictures: key 'name': is missing"),
    ],
)
def test_a_request_of_another_form_is_refused_by_its_key(asking: Asking, data: dict[str, Any], error: str) -> None:
    assert asking.answer("enroll_pictures", data).error == error


def test_a_name_that_the_store_does_not_take_enrolls_nobody(asking: Asking) -> None:
    assert asking.enroll("  ", "obama").error == "a person's name may not be empty"
    assert not asking.roster.people


def test_a_longest_name_fits_every_message(asking: Asking) -> None:
    person = asking.enroll("é" * 64, "obama").data["person"]
    assert asking.roster.labels[person].name == "é" * 64
    assert asking.answer("people_rename", {"person": person, "name": "e\u0301" * 64}).error is not None


def test_pictures_are_taken_from_this_machine_alone(asking: Asking) -> None:
    response = asking.answer("enroll_pictures", {"name": "X", "pictures": []}, local=False)
    assert response.error is not None
    assert response.error.startswith("unknown verb 'enroll_pictures'; known are ")
    assert "enroll_pictures" not in response.error.partition(";")[2]


def test_an_unknown_verb_is_answered_with_those_that_are(asking: Asking) -> None:
    error = asking.answer("make_coffee").error
    assert error is not None
    assert error.startswith("unknown verb 'make_coffee'; known are ")
    assert {"people_list", "people_erase", "enroll_pictures"} <= set(error.split("known are ")[1].split(", "))


def test_a_person_is_renamed_by_id_or_by_name(asking: Asking) -> None:
    person = asking.enroll("Barack", "obama").data["person"]
    assert asking.answer("people_rename", {"person": "barack", "name": "Barry"}).data["name"] == "Barry"
    assert asking.answer("people_rename", {"person": person, "name": "Bo"}).data["person"] == person
    assert asking.answer("people_show", {"person": "Bo"}).data["person"] == person


def test_a_name_of_nobody_or_of_two_is_refused(asking: Asking) -> None:
    assert asking.answer("people_show", {"person": "Eve"}).error == (
        "nobody is called 'Eve'; `doorward people list` shows everybody"
    )
    first, second = (asking.enroll("Sam", name, force=True).data["person"] for name in ("obama", "biden"))
    assert asking.answer("people_show", {"person": "Sam"}).error == (
        f"several are called 'Sam': {first}, {second}; use an id"
    )


def test_a_disk_that_fails_is_an_answer(asking: Asking) -> None:
    assert asking.answer("fill").error == "the enrollment failed: the disk is full: make room on it"


def test_what_should_not_have_happened_is_an_answer_and_a_line_in_the_log(
    asking: Asking, caplog: pytest.LogCaptureFixture
) -> None:
    error = asking.answer("break").error
    assert error == "break failed unexpectedly (ZeroDivisionError); the door's log has more"
    assert [record.getMessage() for record in caplog.records] == ["a request failed unexpectedly"]
