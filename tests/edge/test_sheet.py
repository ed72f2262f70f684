"""The gallery in numbers, and its page."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from edge.commands import people as command
from edge.compose import head_for
from edge.errors import StoreError
from edge.recognition.recognizer import ActiveModel
from edge.recognition.scoring import Head
from edge.recognition.types import Embedding, Quality
from edge.settings.load import load_settings
from edge.sheet import PersonNumbers, SheetNumbers, sheet_numbers
from edge.sheet_page import PageFacts, Scale, sheet_page
from edge.store.types import Kind, NewExemplar, Person, StoredExemplar, StoredPeople
from edge.stored import open_store
from tests.fakes.probes import Actor, cosine_head, direction, plda_head

NOW = 1_770_000_000.0
QUALITY = Quality(100.0, 45.0, 150.0, 120.0, 40.0, 0.0, 5.0, 0.99)
FACTS = PageFacts("Front door", "an_embedder", NOW)


def exemplar(
    embedding: Embedding, number: int = 0, *, embedder: str = "embedder", review: str | None = None, **quality: float
) -> StoredExemplar:
    measured = replace(QUALITY, **quality)
    return StoredExemplar(
        f"{number:032x}", "p_x", Kind.ENROLLED, embedding, measured, embedder, "fake 1.0", NOW, review
    )


def person(name: str, exemplars: Sequence[StoredExemplar]) -> Person:
    return Person(f"p_{name.lower():a<8}"[:10], name, True, NOW, None, tuple(exemplars))


def enrolled(name: str, pictures: int = 4) -> Person:
    actor = Actor(name)
    return person(name, [exemplar(actor.embedding(60.0 + n), n) for n in range(pictures)])


def stored(*people: Person, damage: tuple[str, ...] = ()) -> StoredPeople:
    return StoredPeople({one.id: one for one in people}, damage)


def numbers_of(people: StoredPeople, head: Head | None = None, target: float = 0.01) -> SheetNumbers:
    head = head or cosine_head()
    return sheet_numbers(people, ActiveModel.of(head, people.gallery(head.embedder_id), target, "fake"))


def only(numbers: SheetNumbers, name: str) -> PersonNumbers:
    (found,) = (one for one in numbers.people if one.name == name)
    return found


class Page(HTMLParser):
    """What a reader of the page has before them: its text, its elements, and whether every one was closed."""

    VOID = ("meta", "path", "circle", "rect")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["style"], ["title"]):
            self.text += data


def test_the_numbers_are_those_of_the_door_s_own_scoring() -> None:
    ada, bob = enrolled("Ada"), enrolled("Bob", 3)
    head = plda_head()
    people = stored(ada, bob)
    model = ActiveModel.of(head, people.gallery("embedder"), 0.01, "fake")
    numbers = sheet_numbers(people, model)
    assert (numbers.threshold, numbers.target_fpir, numbers.head) == (model.threshold, 0.01, head.id)
    assert numbers.shots == 7
    told = only(numbers, "Ada")
    seen = [head.project(kept.embedding) for kept in ada.exemplars]
    expected = sorted(
        float(head.scores(head.row([*seen[:n], *seen[n + 1 :]])[None], [seen[n]])[0, 0]) for n in range(4)
    )
    assert list(told.own) == pytest.approx(expected)
    others = [model.gallery.candidates(probe)[1] for probe in seen]
    assert told.closest is not None
    assert (told.closest.person, told.closest.name) == (bob.id, "Bob")
    assert told.closest.score == pytest.approx(max(other.score for other in others))
    assert told.closest.margin == pytest.approx(model.threshold - told.closest.score)
    assert told.concerns == ()


def test_the_strangers_are_those_that_the_threshold_rests_on() -> None:
    people = stored(enrolled("Ada"), enrolled("Bob"))
    model = ActiveModel.of(cosine_head(), people.gallery("embedder"), 0.01, "fake")
    strangers = sheet_numbers(people, model).strangers
    assert strangers is not None
    assert strangers.count == sum(strangers.heights) == len(model.ceiling.best)
    assert strangers.highest == pytest.approx(float(model.ceiling.best.max()))
    assert strangers.highest > model.threshold
    above = sum(
        count for count, left in zip(strangers.heights, strangers.edges[:-1], strict=True) if left > model.threshold
    )
    assert above <= 0.011 * strangers.count


def test_ranges_are_of_the_pictures_in_use_alone() -> None:
    actor = Actor("Ada")
    kept = [
        exemplar(actor.embedding(61.0), 1, sharpness=80.0, brightness=90.0, width_px=70.0),
        exemplar(actor.embedding(75.0), 2, sharpness=300.0, brightness=140.0, width_px=110.0),
        exemplar(actor.embedding(5.0), 3, sharpness=1.0, embedder="another"),
    ]
    told = only(numbers_of(stored(person("Ada", kept))), "Ada")
    assert (told.shots, told.others) == (2, 1)
    for span, low, high in ((told.sharpness, 80, 300), (told.brightness, 90, 140), (told.width_px, 70, 110)):
        assert span is not None
        assert (span.low, span.high) == (low, high)
    assert told.norm is not None
    assert (told.norm.low, told.norm.high) == (61.0, 75.0)


def test_one_person_alone_has_nobody_closest_and_one_picture_no_score() -> None:
    numbers = numbers_of(stored(enrolled("Ada", 1)))
    told = only(numbers, "Ada")
    assert (told.closest, told.own) == (None, ())
    assert told.concerns == ("one_shot",)
    page = Page(sheet_page(numbers, FACTS))
    assert "one picture" in page.text
    assert page.text.count("closest other") == 1  # in the key alone
    assert "lowest own score" not in page.text


def test_an_empty_gallery_is_told_as_such() -> None:
    numbers = numbers_of(stored())
    assert (numbers.people, numbers.strangers, numbers.threshold) == ((), None, float("inf"))
    page = Page(sheet_page(numbers, FACTS))
    assert "Nobody is enrolled" in page.text
    assert "inf" not in page.text
    assert page.tags.count("article") == 0


def test_two_who_are_one_person_are_told_first_with_the_way_out() -> None:
    twin = Actor("Zoe")
    one = person("Zoe", [exemplar(twin.embedding(), n) for n in range(3)])
    other = person("Yan", [exemplar(twin.embedding(), n) for n in range(3)])
    numbers = numbers_of(stored(enrolled("Ada"), one, other))
    assert [told.name for told in numbers.people] == ["Yan", "Zoe", "Ada"]
    assert "mistakable" in only(numbers, "Zoe").concerns
    closest = only(numbers, "Zoe").closest
    assert closest is not None
    assert closest.name == "Yan"
    assert closest.margin <= 0
    text = Page(sheet_page(numbers, FACTS)).text
    assert f"doorward people merge {one.id} {other.id}" in text
    assert "above the threshold" in text
    assert "below the threshold" in text  # Ada's


def test_a_picture_of_somebody_else_among_the_own_is_noticed() -> None:
    mixed = [exemplar(Actor("Ada").embedding(), 1), exemplar(Embedding(direction(77), 60.0), 2)]
    numbers = numbers_of(stored(person("Ada", mixed), enrolled("Bob")))
    assert "loose" in only(numbers, "Ada").concerns
    assert "Not every picture of Ada" in Page(sheet_page(numbers, FACTS)).text


def test_what_else_needs_a_look_is_said_in_words() -> None:
    actor = Actor("Eve")
    review = person("Eve", [exemplar(actor.embedding(), n, review="e1" if n else None) for n in range(3)])
    foreign = person("Old", [exemplar(Actor("Old").embedding(), 9, embedder="another")])
    unnamed = replace(enrolled("Person 7"), verified=False)
    numbers = numbers_of(stored(review, foreign, unnamed, damage=("p_gone: this person's row is damaged <x>",)))
    assert only(numbers, "Eve").review == 2
    assert only(numbers, "Old").concerns == ("unusable",)
    assert [told.name for told in numbers.with_concern("unverified")] == ["Person 7"]
    text = Page(sheet_page(numbers, FACTS)).text
    assert "Old cannot be recognized" in text
    assert f"doorward people show {review.id}" in text
    assert "3, 2 under review" in text
    assert "0, 1 by another embedder" in text
    assert "not confirmed" in text
    assert "row is damaged <x>" in text


def test_times_of_a_clock_that_was_not_set_are_not_shown_as_times() -> None:
    seen = replace(enrolled("Ada"), created_s=12.0, seen_s=NOW)
    text = Page(sheet_page(numbers_of(stored(seen)), FACTS)).text
    assert "clock was not set" in text
    assert "1970" not in text
    assert "2026-02-02 02:40" in text


NASTY = "</h3><script>alert(1)</script>\"'&<img src=x onerror=y>"


def test_a_name_is_text_wherever_it_stands() -> None:
    twin = Actor("Zoe")
    one = replace(person("Zoe", [exemplar(twin.embedding(), n) for n in range(3)]), name=NASTY)
    other = replace(person("Yan", [exemplar(twin.embedding(), n) for n in range(3)]), name=f"{NASTY} too")
    raw = sheet_page(numbers_of(stored(one, other)), PageFacts(f"Door {NASTY}", NASTY, NOW))
    page = Page(raw)
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert NASTY in page.text
    assert "onerror" not in re.sub(r"&lt;img src=x onerror=y&gt;", "", raw)


def test_the_page_stands_alone_and_may_fetch_nothing() -> None:
    raw = sheet_page(numbers_of(stored(enrolled("Ada"), enrolled("Bob"))), FACTS)
    assert "http" not in raw.replace("http-equiv", "")
    assert "default-src 'none'" in raw
    assert not {"script", "link", "img", "iframe"} & set(Page(raw).tags)
    assert "prefers-color-scheme:dark" in raw
    assert 'name="viewport"' in raw


def test_every_dot_lies_within_its_plot() -> None:
    raw = sheet_page(numbers_of(stored(*(enrolled(f"N{n}") for n in range(6))), plda_head()), FACTS)
    strips = [part.split("</svg>")[0] for part in raw.split('viewBox="0 0 320 46"')[1:]]
    assert len(strips) == 6
    for strip in strips:
        places = [float(x) for x in re.findall(r'cx="([-\d.]+)"', strip)]
        assert len(places) == 4
        assert all(0 <= x <= 320 for x in places)


def test_a_scale_shows_cosines_finer_than_likelihoods() -> None:
    assert Scale.of([0.1, 0.8]).told(0.5) == "0.500"
    assert Scale.of([-40.0, 60.0]).told(0.5) == "0.5"
    alone = Scale.of([3.0])
    assert alone.low < alone.high


def test_no_embedding_and_no_name_is_shown_by_a_repr() -> None:
    told = repr(numbers_of(stored(enrolled("Ada"), enrolled("Bob"))))
    assert "Ada" not in told
    assert "array" not in told


def settings_file(folder: Path) -> Path:
    file = folder / "door.toml"
    file.write_text(f'[door]\nid = "hall"\nname = "Hall"\n[store]\nfolder = "{folder / "state"}"\n')
    return file


def enroll(settings: Path, name: str) -> None:
    loaded = load_settings(settings)
    embedder = head_for(loaded.recognition).embedder_id
    faces = np.random.default_rng(len(name)).normal(size=(3, 192)).astype(np.float32)
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    with open_store(loaded.store) as store:
        pictures = [NewExemplar(Embedding(face, 60.0), QUALITY, embedder, "fake 1.0", NOW) for face in faces]
        store.add_person(name, pictures, wall_s=NOW, verified=True)


def sheet(settings: Path, *words: str) -> int:
    top = argparse.ArgumentParser()
    top.add_argument("--settings", type=Path)
    command.add(top.add_subparsers())
    return command.run(top.parse_args(["--settings", str(settings), "people", "sheet", *words]))


def test_the_command_writes_a_private_page_beside_a_running_daemon(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, out = settings_file(tmp_path), tmp_path / "page.html"
    enroll(settings, "Ada Lovelace")
    with open_store(load_settings(settings).store):  # the daemon's hold on it
        assert sheet(settings, "--out", str(out), "--json") == 0
    assert json.loads(capsys.readouterr().out) | {"schema": ""} == {
        "schema": "",
        "file": str(out),
        "people": 1,
        "damage": [],
    }
    text = out.read_text("utf-8")
    assert "People of Hall" in text
    assert "Ada Lovelace" in text
    assert out.stat().st_mode & 0o777 == 0o600


def test_a_second_page_takes_the_place_of_the_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings, out = settings_file(tmp_path), tmp_path / "page.html"
    enroll(settings, "Ada")
    sheet(settings, "--out", str(out))
    enroll(settings, "Grace")
    assert sheet(settings, "--out", str(out)) == 0
    assert capsys.readouterr().out.endswith(f"file: {out}\npeople: 2\n")
    assert "Grace" in out.read_text("utf-8")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["door.toml", "page.html", "state"]


def test_a_page_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    settings = settings_file(tmp_path)
    enroll(settings, "Ada")
    for out in (tmp_path / "nowhere" / "page.html", tmp_path):
        with pytest.raises(StoreError, match="cannot be written") as caught:
            sheet(settings, "--out", str(out))
        assert str(out) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_door_without_a_store_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store yet; enroll somebody first"):
        sheet(settings_file(tmp_path))
