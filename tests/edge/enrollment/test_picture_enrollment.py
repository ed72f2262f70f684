"""Enrolling from pictures, with the real models: which pictures will do, and whom they show."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as Pillow

from edge.compose import active_model, head_for
from edge.enrollment.pictures import (
    PictureRefused,
    Provenance,
    exemplar_of,
    shot_of,
    stranger_among,
)
from edge.recognition.recognizer import ActiveModel
from edge.recognition.shots import enrolled_as
from edge.recognition.types import Embedding, Exemplar, Image, Probe
from edge.settings.slices import RecognitionSettings
from tests.fakes.door import line
from tests.fakes.line import WHOLE_FACES, picture


def shot(name: str) -> Probe:
    found = shot_of(name, picture(name), line())
    assert isinstance(found, Probe)
    return found


def refused(pixels: Image) -> str:
    found = shot_of("p.jpg", pixels, line())
    assert isinstance(found, PictureRefused)
    assert found.picture == "p.jpg"
    return found.reason


def resized(name: str, width: int, height: int) -> Image:
    return np.asarray(Pillow.fromarray(picture(name)).resize((width, height)))


def beside(left: Image, right: Image) -> Image:
    height = max(left.shape[0], right.shape[0])
    sheet = np.full((height, left.shape[1] + right.shape[1], 3), 128, np.uint8)
    sheet[: left.shape[0], : left.shape[1]] = left
    sheet[: right.shape[0], left.shape[1] :] = right
    return sheet


def table(**people: str) -> ActiveModel:
    settings = RecognitionSettings()
    exemplars = [Exemplar(person, shot(name).embedding) for person, name in people.items()]
    return active_model(settings, head_for(settings), exemplars)


@pytest.mark.parametrize("name", WHOLE_FACES)
def test_a_picture_of_one_person_gives_a_shot(name: str) -> None:
    assert shot(name).embedding.norm > 0


@pytest.mark.parametrize("name", ["coffee", "chelsea"])
def test_a_picture_of_nobody_says_so(name: str) -> None:
    assert refused(picture(name)) == "no face is found in it"


def test_two_people_of_one_size_are_too_many() -> None:
    assert refused(beside(picture("obama"), picture("obama2"))).startswith("several faces; cut out")


def test_somebody_small_in_the_background_does_not_matter() -> None:
    height, width = picture("biden").shape[:2]
    both = beside(picture("obama"), resized("biden", round(width * 0.5), round(height * 0.5)))
    found = shot_of("p.jpg", both, line())
    assert isinstance(found, Probe)
    assert float(found.embedding.x @ shot("obama").embedding.x) > 0.9


def test_a_face_that_is_too_small_or_too_dark_is_refused_with_its_reason() -> None:
    height, width = picture("astronaut").shape[:2]
    assert refused(resized("astronaut", width // 3, height // 3)) == "the face is too small"
    assert refused((picture("obama") // 12).astype(np.uint8)) in {"the face is too dark", "the face is blurred"}


def test_somebody_else_among_the_pictures_is_found() -> None:
    same = [(name, shot(name)) for name in ("obama", "obama2", "obama3")]
    assert stranger_among(same, table().gallery.head) is None
    assert stranger_among(same[:1], table().gallery.head) is None
    found = stranger_among([*same, ("biden", shot("biden"))], table().gallery.head)
    assert found == PictureRefused("biden", "shows somebody else than obama")


def embeddings(*names: str) -> list[Embedding]:
    return [shot(name).embedding for name in names]


def test_somebody_enrolled_is_found_by_pictures_of_which_most_say_so() -> None:
    model = table(barack="obama", joe="biden")
    for names in (("obama2",), ("obama2", "obama3")):
        found = enrolled_as(embeddings(*names), model)
        assert found is not None
        assert found.person == "barack"
    assert enrolled_as(embeddings("astronaut"), model) is None
    assert enrolled_as(embeddings("obama2", "astronaut"), model) is None
    assert enrolled_as(embeddings("obama2", "biden"), model) is None


def test_in_an_empty_house_nobody_is_enrolled() -> None:
    assert enrolled_as(embeddings("obama"), table()) is None


def test_an_exemplar_says_what_made_it_and_shows_no_embedding_when_printed() -> None:
    taken = shot("obama")
    exemplar = exemplar_of(taken, Provenance("ab" * 32, "fake 1.0", 1.8e9))
    assert (exemplar.embedder, exemplar.runtime, exemplar.taken_s, exemplar.views) == ("ab" * 32, "fake 1.0", 1.8e9, ())
    assert exemplar.embedding is taken.embedding
    assert "array" not in repr(exemplar)
