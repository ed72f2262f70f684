from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import DoorwardError
from edge.inference.spec import load_manifest
from tests.fakes.features import DIM, listed
from trainer.bench import features as module
from trainer.bench.data import open_data
from trainer.bench.features import CLEAN, NIGHT, OTHER_NIGHT, Effort, Faces, Features, keep, read_kept
from trainer.bench.other_camera import InfraredCamera, infrared_view

COUNT, VIEWS = 5, 3


def arrays(seed: int = 0) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {
        "found": np.array([True, True, False, True, True]),
        "x": random.standard_normal((COUNT, VIEWS, DIM)).astype(np.float32),
        "norms": random.uniform(40, 80, (COUNT, VIEWS)).astype(np.float32),
        "quality": random.uniform(0, 1, (COUNT, VIEWS, 8)).astype(np.float32),
    }


def test_what_was_kept_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "features" / "list.npz"
    keep(file, arrays())
    again = read_kept(file, COUNT, VIEWS, DIM)
    assert again is not None
    assert {name: a.tobytes() for name, a in again.items()} == {name: a.tobytes() for name, a in arrays().items()}
    assert [f.name for f in file.parent.iterdir()] == ["list.npz"]


def test_a_file_that_is_not_there_is_no_damage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert read_kept(tmp_path / "none.npz", COUNT, VIEWS, DIM) is None
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "nan", "fewer", "no array"])
def test_a_damaged_file_is_told_and_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str) -> None:
    file, kept = tmp_path / "list.npz", arrays()
    if damage == "nan":
        kept["norms"][1, 1] = np.nan
    if damage == "fewer":
        kept["x"] = kept["x"][:-1]
    if damage == "no array":
        del kept["found"]
    keep(file, kept)
    whole = file.read_bytes()
    middle = len(whole) // 2
    if damage == "cut":
        file.write_bytes(whole[:middle])
    if damage == "flipped":
        file.write_bytes(whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :])
    if damage == "empty":
        file.write_bytes(b"")
    assert read_kept(file, COUNT, VIEWS, DIM) is None
    told = capsys.readouterr().err
    assert f"{file}: damaged" in told
    assert len(told.splitlines()) == 1


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(DoorwardError, match=r"taken.*name another folder with --cache"):
        keep(tmp_path / "taken" / "list.npz", arrays())


def test_people_are_those_with_a_face_and_learnable_tells_whose_each_view_is() -> None:
    pictures = listed(3, 2, seed=1, views=2, faceless=(1, 4, 5))
    assert {person: places.tolist() for person, places in pictures.people.items()} == {"1-0": [0], "1-1": [2, 3]}
    faces, owners = pictures.learnable((CLEAN, NIGHT))
    assert owners.tolist() == [0, 1, 1] * 3
    clean, night = pictures.views(CLEAN)[0], pictures.views(NIGHT)
    assert faces.x.tobytes() == b"".join(f.of([0, 2, 3]).x.tobytes() for f in (clean, *night))
    faces, owners = pictures.learnable((CLEAN,), only=["1-1", "1-2"])
    assert owners.tolist() == [0, 0]
    assert faces.norms.tolist() == clean.norms[[2, 3]].tolist()


def test_a_part_of_a_list_has_its_own_pictures_alone() -> None:
    pictures = listed(3, 2, seed=1)
    part = pictures.part(np.array([4, 1]))
    assert (part.paths, part.owners) == (("1-2/0.jpg", "1-0/1.jpg"), ("1-2", "1-0"))
    for kind in (CLEAN, NIGHT, OTHER_NIGHT):
        assert part.views(kind)[0].x.tobytes() == pictures.views(kind)[0].x[[4, 1]].tobytes()


def test_faces_are_told_as_the_door_s_code_takes_them() -> None:
    faces = listed(2, 1, seed=1).views(CLEAN)[0]
    embeddings = Faces.joined([faces, faces]).embeddings()
    assert len(embeddings) == 4
    assert embeddings[3].x.tolist() == faces.x[1].tolist()
    assert embeddings[3].norm == faces.norms[1]


def test_the_other_camera_sees_grey_and_something_else_each_time() -> None:
    crop = np.random.default_rng(0).integers(0, 255, (112, 112, 3)).astype(np.uint8)
    before = crop.copy()
    views = [infrared_view(crop, 45.0, InfraredCamera(), np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert all(view.shape == crop.shape and view.dtype == np.uint8 for view in views)
    assert all((view == view[..., :1]).all() for view in views)
    assert views[0].tobytes() == views[1].tobytes() != views[2].tobytes()
    assert crop.tobytes() == before.tobytes()


@pytest.mark.facedata
def test_pictures_are_embedded_once_and_a_part_has_the_very_views_of_the_whole(
    facedata: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, manifest = open_data(facedata), load_manifest()
    small, large = (Effort(fleet=n, enrolled=1, pictures=2, strangers=2, views=1) for n in (1, 2))
    made = Features.load_or_make(data, manifest, "", tmp_path, large)
    part = Features.load_or_make(data, manifest, "", tmp_path, small)
    for kind in (CLEAN, NIGHT, OTHER_NIGHT):
        views = made.fleet.views(kind)[0]
        assert part.fleet.views(kind)[0].x.tobytes() == views.x[: len(part.fleet.paths)].tobytes()
        assert np.linalg.norm(views.x, axis=1) == pytest.approx(np.ones(len(views)), abs=1e-5)
    another = Features.load_or_make(data, manifest, "", tmp_path, small, seed=1)
    assert another.fleet.views(NIGHT)[0].x.tobytes() != part.fleet.views(NIGHT)[0].x.tobytes()
    assert another.fleet.views(CLEAN)[0].x.tobytes() == part.fleet.views(CLEAN)[0].x.tobytes()

    def refuse(*_: Any) -> None:
        raise AssertionError("the models were asked again")

    monkeypatch.setattr(module, "FaceLine", refuse)
    again = Features.load_or_make(data, manifest, "", tmp_path, large)
    assert again.enrolled.views(NIGHT)[0].x.tobytes() == made.enrolled.views(NIGHT)[0].x.tobytes()
    next((tmp_path / "features").glob("*fleet*")).write_bytes(b"not an archive")
    with pytest.raises(AssertionError, match="asked again"):
        [Features.load_or_make(data, manifest, "", tmp_path, effort) for effort in (small, large)]
