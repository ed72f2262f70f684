from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from edge.errors import DoorwardError, PictureError
from trainer.bench.data import FaceData, open_data, sample
from trainer.bench.nearest import nearest_to_centre

PAIRS = "#fold\tsame\tpathA\tpathB\n0\t1\tann/1.jpg\tann/2.jpg\n1\t0\tann/1.jpg\tbob/1.jpg\n"


def make(folder: Path, pairs: str | None = PAIRS, negatives: str | None = "door.jpg\n") -> FaceData:
    """A folder of the right shape with people nobody has heard of."""
    for path in ("lfw/ann/1.jpg", "lfw/ann/2.jpg", "lfw/bob/1.jpg", "negatives/door.jpg"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        Pillow.new("RGB", (40, 50), (200, 0, 0)).save(folder / path)
    (folder / "lists").mkdir()
    if pairs is not None:
        (folder / "lists" / "lfw_dev_pairs_balanced.tsv").write_text(pairs)
    if negatives is not None:
        (folder / "lists" / "negatives_dev.txt").write_text(negatives)
    return open_data(folder)


def test_a_list_of_pairs_is_read_with_its_folds_and_its_pictures(tmp_path: Path) -> None:
    data = make(tmp_path)
    pairs = data.pairs("balanced")
    assert (pairs.left, pairs.right) == (("ann/1.jpg", "ann/1.jpg"), ("ann/2.jpg", "bob/1.jpg"))
    assert pairs.same.tolist() == [True, False]
    assert pairs.folds.tolist() == [0, 1]
    assert data.face("bob/1.jpg").shape == (50, 40, 3)
    assert [file.name for file in data.backgrounds()] == ["door.jpg"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DoorwardError, match=r"nowhere: no such folder; --data"):
        open_data(tmp_path / "nowhere")


def test_a_folder_without_lists_is_named(tmp_path: Path) -> None:
    with pytest.raises(DoorwardError, match="has no lists/"):
        open_data(tmp_path)


def test_a_list_that_is_missing_is_named(tmp_path: Path) -> None:
    data = make(tmp_path)
    with pytest.raises(DoorwardError, match=r"lfw_dev_pairs_official\.tsv: no such list"):
        data.pairs("official")


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ("0\t1\tann/1.jpg\tann/2.jpg\n0\t0\tann/1.jpg\tbob/1.jpg\n", "needs two folds"),
        ("0\t1\tann/1.jpg\tann/2.jpg\n1\t1\tann/1.jpg\tbob/1.jpg\n", "pairs of both kinds"),
        ("", "needs two folds"),
        ("0\t1\tann/1.jpg\n", "not a list of pairs"),
        ("one\t1\tann/1.jpg\tann/2.jpg\n", "not a list of pairs"),
        (PAIRS.replace("bob/1", "eve/1"), r"names eve/1\.jpg, which is not in"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_with_its_name(tmp_path: Path, pairs: str, words: str) -> None:
    data = make(tmp_path, pairs)
    with pytest.raises(DoorwardError, match=words) as caught:
        data.pairs("balanced")
    assert str(caught.value).startswith(str(tmp_path / "lists" / "lfw_dev_pairs_balanced.tsv"))


@pytest.mark.parametrize(("negatives", "words"), [("", "names no picture"), ("barn.jpg\n", r"barn\.jpg, which is not")])
def test_a_list_of_backgrounds_that_cannot_be_used_is_refused(tmp_path: Path, negatives: str, words: str) -> None:
    data = make(tmp_path, negatives=negatives)
    with pytest.raises(DoorwardError, match=words):
        data.backgrounds()


def test_a_damaged_picture_is_refused_with_its_name(tmp_path: Path) -> None:
    data = make(tmp_path)
    data.face_file("ann/2.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(PictureError, match=r"ann/2\.jpg"):
        data.face("ann/2.jpg")


@pytest.mark.facedata
def test_a_sample_keeps_every_fold_and_both_kinds(facedata: Path) -> None:
    pairs = open_data(facedata).pairs("balanced")
    few = sample(pairs, 3)
    assert sorted(set(few.folds.tolist())) == sorted(set(pairs.folds.tolist()))
    for fold in np.unique(few.folds):
        kinds = few.same[few.folds == fold]
        assert (kinds.sum(), (~kinds).sum()) == (3, 3)
    assert few.paths <= pairs.paths
    assert sample(pairs, 3).left == few.left


def test_of_several_faces_the_one_nearest_the_centre_counts() -> None:
    assert nearest_to_centre([(10, 10), (130, 120), (240, 240)], 250, 250) == 1
    assert nearest_to_centre([(10, 10)], 250, 250) == 0
    assert nearest_to_centre([], 250, 250) is None
