from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.errors import DoorwardError
from trainer.embedder.datasets import CALIBRATION_PICTURES, find_pictures, spread
from trainer.embedder.pairs import Embeddings, PairList, difference, every_pair, figures, read_pairs, scores


def people(persons: int, each: int, spread_of: float, seed: int = 0) -> Embeddings:
    random = np.random.default_rng(seed)
    centres = random.normal(size=(persons, 64))
    return {
        f"p{person}/{number}.jpg": (centres[person] + spread_of * random.normal(size=64)).astype(np.float32)
        for person in range(persons)
        for number in range(each)
    }


def pair_list(persons: int) -> PairList:
    left = [f"p{n}/0.jpg" for n in range(persons)] * 2
    right = [f"p{n}/1.jpg" for n in range(persons)] + [f"p{(n + 1) % persons}/1.jpg" for n in range(persons)]
    same = np.array([True] * persons + [False] * persons)
    return PairList("test", tuple(left), tuple(right), same, np.arange(2 * persons) % 10)


def test_a_list_is_read_in_its_order(tmp_path: Path) -> None:
    file = tmp_path / "pairs.tsv"
    file.write_text("#fold\tsame\tA\tB\n0\t1\ta/1.jpg\ta/2.jpg\n3\t0\ta/1.jpg\tb/1.jpg\n")
    pairs = read_pairs(file, "test")
    assert (pairs.left, pairs.right) == (("a/1.jpg", "a/1.jpg"), ("a/2.jpg", "b/1.jpg"))
    assert (pairs.same.tolist(), pairs.folds.tolist()) == ([True, False], [0, 3])
    assert pairs.paths == {"a/1.jpg", "a/2.jpg", "b/1.jpg"}


@pytest.mark.parametrize("text", ["0\t1\ta.jpg\n", "x\t1\ta.jpg\tb.jpg\n"])
def test_a_list_of_another_form_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "pairs.tsv").write_text(text)
    with pytest.raises(DoorwardError, match=r"pairs\.tsv: not a list of pairs"):
        read_pairs(tmp_path / "pairs.tsv", "test")


def test_a_face_that_was_not_found_matches_nobody() -> None:
    pairs, embeddings = pair_list(40), people(40, 2, 0.1)
    del embeddings["p3/1.jpg"]
    values = scores(pairs, embeddings)
    assert values[3] == -1
    assert figures(pairs, values).tar.value == pytest.approx(39 / 40)


def test_a_noisier_embedder_loses_and_an_equal_one_does_not() -> None:
    pairs = pair_list(400)
    good, poor = (scores(pairs, people(400, 2, spread_of)) for spread_of in (0.5, 2.0))
    worse, equal = difference(pairs, poor, good), difference(pairs, good, good)
    assert worse.accuracy.high < 0
    assert worse.tar.high < 0
    assert (equal.accuracy.value, equal.accuracy.low, equal.accuracy.high) == (0, 0, 0)


def test_every_picture_is_compared_with_every_other() -> None:
    easy, hard = (every_pair(people(30, 4, spread_of), 1e-3) for spread_of in (0.2, 1.5))
    assert (easy.value, easy.low, easy.high) == (1, 1, 1)
    assert hard.low < hard.value < hard.high < 1


def test_calibration_takes_files_evenly_over_the_whole_set() -> None:
    files = tuple(Path(str(number)) for number in range(10))
    assert spread(files, 3) == (Path("0"), Path("3"), Path("6"))
    assert spread(files, 20) == files


def test_a_plain_folder_of_pictures_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b/2.PNG", "a/1.jpg", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setenv("DOORWARD_FACEDATA", str(tmp_path))
    found = find_pictures(None, quick=False)
    assert [file.name for file in found.calibration] == ["1.jpg", "2.PNG"]
    assert found.lists == ()


@pytest.mark.facedata
def test_nobody_of_the_lists_of_pairs_is_calibrated_on(facedata: Path) -> None:
    found = find_pictures(facedata, quick=False)
    tested = {Path(path).parent.name for pairs in found.lists for path in pairs.paths}
    assert tested
    assert len(found.calibration) == CALIBRATION_PICTURES
    assert not tested & {file.parent.name for file in found.calibration}
