"""The line from its settings: which models are taken, and one clear line for each way in which a file can be wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from edge.compose import active_model, camera_for, face_finder, head_for, quality_gate, recognizer
from edge.errors import CameraError, ModelError
from edge.inference.spec import SHIPPED, load_manifest, sha256_of
from edge.settings.slices import CameraSettings, RecognitionSettings
from tests.fakes.line import picture

DEFAULTS = RecognitionSettings()


class Models:
    """A copy of the shipped models that a test may damage."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(SHIPPED, folder)
        self.manifest: dict[str, Any] = json.loads((folder / "models.json").read_text())

    def file(self, role: str) -> Path:
        return self.folder / str(self.entry(role)["file"])

    def entry(self, role: str) -> dict[str, Any]:
        entry: dict[str, Any] = self.manifest["models"][self.manifest["defaults"][role]]
        return entry

    def save(self) -> None:
        (self.folder / "models.json").write_text(json.dumps(self.manifest))


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(tmp_path / "models")


def refused(models: Models) -> str:
    with pytest.raises(ModelError) as refusal:
        recognizer(DEFAULTS, models.folder)
    line = str(refusal.value)
    assert len(line.splitlines()) == 1
    return line


ROLES = pytest.mark.parametrize("role", ["detector", "mesh", "embedder"])


@ROLES
def test_a_truncated_model_is_refused_with_its_name(models: Models, role: str) -> None:
    file = models.file(role)
    file.write_bytes(file.read_bytes()[:-1])
    line = refused(models)
    assert line.startswith(f"{file}: sha256 is {sha256_of(file)[:12]}…, the manifest says")
    assert line.endswith("reinstall Doorward or build the models again")


@ROLES
def test_a_truncated_model_is_refused_even_if_its_hash_is_the_one_in_the_manifest(models: Models, role: str) -> None:
    file = models.file(role)
    file.write_bytes(file.read_bytes()[:1000])
    models.entry(role)["sha256"] = sha256_of(file)
    models.save()
    assert refused(models).startswith(f"{file}: the TFLite runtime refuses it (")


@pytest.mark.parametrize("content", [b"", b"no model at all", bytes(4096)])
def test_what_is_no_model_is_refused(models: Models, content: bytes) -> None:
    file = models.file("mesh")
    file.write_bytes(content)
    models.entry("mesh")["sha256"] = sha256_of(file)
    models.save()
    assert refused(models).startswith(f"{file}: the TFLite runtime refuses it (")


@ROLES
def test_a_missing_model_is_refused_with_its_name(models: Models, role: str) -> None:
    models.file(role).unlink()
    assert refused(models) == (
        f"{models.file(role)}: No such file or directory; reinstall Doorward or build the models again"
    )


@pytest.mark.parametrize(("role", "other"), [("embedder", "mesh"), ("detector", "mesh"), ("mesh", "embedder")])
def test_a_model_of_another_shape_is_refused(models: Models, role: str, other: str) -> None:
    shutil.copyfile(models.file(other), models.file(role))
    models.entry(role)["sha256"] = sha256_of(models.file(role))
    models.save()
    line = refused(models)
    assert line.startswith(f"{models.file(role)}: ")
    assert "the manifest promises" in line


def test_a_changed_quantization_is_refused(models: Models) -> None:
    models.entry("embedder")["outputs"][0]["scale"] *= 2
    models.save()
    assert "output 0 has scale" in refused(models)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: "", "not a model manifest"),
        (lambda text: text[:100], "not a model manifest"),
        (lambda text: "[]", "not a model manifest"),
        (lambda text: text.replace('"schema": 1', '"schema": 99'), "schema 99, this version reads 1"),
        (lambda text: text.replace('"sha256"', '"sha"'), "not a model manifest"),
    ],
)
def test_a_manifest_of_another_form_is_refused(models: Models, damage: Callable[[str], str], words: str) -> None:
    file = models.folder / "models.json"
    before = file.read_text()
    file.write_text(damage(before))
    assert file.read_text() != before
    assert words in refused(models)
    assert str(file) in refused(models)


def test_a_folder_without_models_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"models\.json: No such file or directory; reinstall Doorward"):
        recognizer(DEFAULTS, tmp_path)


@pytest.mark.parametrize(("key", "role"), [("embedder", "embedder"), ("detector", "detector")])
def test_a_name_that_the_manifest_has_not_is_refused_with_those_that_it_has(key: str, role: str) -> None:
    settings = RecognitionSettings(**{key: "nobody"})  # type: ignore[arg-type] # a key of the settings each
    with pytest.raises(ModelError) as refusal:
        recognizer(settings)
    names = sorted(spec.name for spec in load_manifest().models.values() if spec.role == role)
    assert str(refusal.value) == f"no {role} named 'nobody'; there is: {', '.join(names)}"


@pytest.mark.parametrize("embedder", ["mobilefacenet_192_int8", "dlib_resnet_128_int8"])
@pytest.mark.parametrize("scoring", ["plda", "cosine"])
def test_the_head_belongs_to_the_embedder_in_use(embedder: str, scoring: Literal["plda", "cosine"]) -> None:
    head = head_for(RecognitionSettings(embedder=embedder, scoring=scoring))
    assert head.embedder_id == load_manifest().pick("embedder", embedder).sha256


def test_a_head_that_is_missing_or_damaged_is_refused_with_its_name(models: Models) -> None:
    files = [*models.folder.glob("*.head.json")]
    for file in files:
        file.write_bytes(b"{damaged")
    with pytest.raises(ModelError, match=r"\.head\.json: damaged"):
        head_for(DEFAULTS, models.folder)
    for file in files:
        file.unlink()
    with pytest.raises(ModelError, match=r"\.head\.json: no such file"):
        head_for(DEFAULTS, models.folder)


def test_a_table_of_nobody_recognizes_nobody() -> None:
    model = active_model(DEFAULTS, head_for(DEFAULTS), [])
    assert (len(model.gallery), model.threshold, model.release) == (0, float("inf"), "factory")


def test_the_gate_is_what_the_settings_say() -> None:
    gate = quality_gate(RecognitionSettings(min_face_px=77.0, max_away_deg=33.0, min_brightness=11.0))
    assert (gate.min_width_px, gate.max_away, gate.min_brightness) == (77.0, 33.0, 11.0)


def test_a_camera_of_no_known_kind_is_refused_with_those_that_are() -> None:
    with pytest.raises(CameraError, match="unknown kind; use one of picamera:0"):
        camera_for(CameraSettings(url="webcam"))


def test_the_face_of_a_still_picture_is_found_and_of_none_is_not() -> None:
    find = face_finder()
    box = find(picture("obama"))
    assert box is not None
    assert box.width > 50
    assert find(np.zeros((100, 100, 3), np.uint8)) is None
