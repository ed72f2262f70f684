from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from edge.errors import ModelError
from edge.inference.embedder import Embedder, dequantize, input_table, unit
from edge.inference.spec import ModelSpec, Preprocessing, TensorSpec, load_manifest
from edge.recognition.types import Floats, Image
from tests.fakes.line import PEOPLE, WHOLE_FACES, embedder, face_of, only_probe, picture
from tests.fakes.scenes import Head, background, scene

EMBEDDERS = [spec for spec in load_manifest().models.values() if spec.role == "embedder"]
each_embedder = pytest.mark.parametrize("spec", EMBEDDERS, ids=[spec.name for spec in EMBEDDERS])
OBAMA, OTHERS = ("obama", "obama2", "obama3"), ("biden", "astronaut")


def crop_of(name: str, by: Embedder) -> Image:
    return by.align(picture(name), face_of(name).mesh)


@each_embedder
def test_the_input_table_is_the_normalization_to_half_a_step(spec: ModelSpec) -> None:
    tensor, pre = spec.inputs[0], spec.preprocessing
    table = input_table(pre, tensor)
    assert table.shape == (256, 3)
    assert table.dtype.name == tensor.dtype
    for channel in range(3):
        wanted = (np.arange(256) - pre.mean[channel]) / pre.std[channel]
        taken = (table[:, channel].astype(np.float64) - tensor.zero_point) * tensor.scale
        limits = np.iinfo(tensor.dtype)
        low, high = ((limit - tensor.zero_point) * tensor.scale for limit in (limits.min, limits.max))
        assert np.abs(taken - wanted.clip(low, high)).max() <= tensor.scale / 2 + 1e-9


@each_embedder
def test_the_input_table_loses_no_more_than_the_last_levels_to_clipping(spec: ModelSpec) -> None:
    for column in input_table(spec.preprocessing, spec.inputs[0]).T:
        assert (np.diff(column.astype(int)) >= 0).all()
        assert len(np.unique(column)) >= 250


def test_a_table_for_floats_is_the_normalization_itself() -> None:
    pre = Preprocessing("RGB", (127.5, 100.0, 0.0), (128.0, 50.0, 255.0))
    table = input_table(pre, TensorSpec((1, 112, 112, 3), "float32"))
    assert table.dtype == np.float32
    assert table[200].tolist() == pytest.approx([72.5 / 128, 2.0, 200 / 255])


def test_what_lies_beyond_the_input_is_clipped_and_does_not_wrap() -> None:
    pre = Preprocessing("RGB", (0.0, 255.0, 127.5), (1.0, 1.0, 1.0))
    table = input_table(pre, TensorSpec((1, 112, 112, 3), "int8", 0.5, 0))
    assert table[255].tolist() == [127, 0, 127]
    assert table[0].tolist() == [0, -128, -128]


def test_an_output_is_brought_back_by_its_own_scale_and_zero_point() -> None:
    tensor = TensorSpec((1, 3), "int8", 0.25, -4)
    assert dequantize(np.array([-4, 0, 127], np.int8), tensor).tolist() == [0.0, 1.0, 32.75]
    assert dequantize(np.array([1.5], np.float32), TensorSpec((1, 1), "float32")).tolist() == [1.5]


def test_a_vector_is_parted_into_direction_and_norm() -> None:
    parted = unit(np.array([3, 0, 4], np.float32))
    assert parted.norm == 5
    assert parted.x.tolist() == pytest.approx([0.6, 0, 0.8])


def test_a_vector_without_direction_has_the_norm_0() -> None:
    parted = unit(np.zeros(4, np.float32))
    assert (parted.norm, parted.x.tolist()) == (0.0, [0.0] * 4)


@each_embedder
def test_an_embedding_is_a_unit_vector_with_a_norm(spec: ModelSpec) -> None:
    loaded = Embedder(spec)
    embedding = loaded.embed(crop_of("obama", loaded))
    assert embedding.x.shape == (loaded.dim,) == spec.outputs[0].shape[1:]
    assert embedding.x.dtype == np.float32
    assert np.linalg.norm(embedding.x) == pytest.approx(1, abs=1e-5)
    assert embedding.norm > 0
    assert loaded.id == spec.sha256


@each_embedder
def test_pictures_of_one_person_are_more_alike_than_those_of_others(spec: ModelSpec) -> None:
    loaded = Embedder(spec)
    x = {name: loaded.embed(crop_of(name, loaded)).x for name in (*OBAMA, *OTHERS)}

    def cosine(pair: tuple[str, str]) -> float:
        return float(np.dot(x[pair[0]], x[pair[1]]))

    same = [cosine(pair) for pair in combinations(OBAMA, 2)]
    different = [cosine((one, other)) for one in OBAMA for other in OTHERS] + [cosine(OTHERS)]
    assert min(same) > max(different) + 0.1


@pytest.mark.parametrize("name", WHOLE_FACES)
def test_a_face_smaller_and_rolled_in_another_scene_has_nearly_the_same_embedding(name: str) -> None:
    original = only_probe(picture(name)).embedding.x
    for width_px, roll in ((90, 0), (90, 25), (60, -15)):
        seen = only_probe(scene(Head(name, (300, 230), width_px, roll), behind=background("brick"))).embedding.x
        assert float(np.dot(original, seen)) > 0.85


def test_a_smear_has_a_smaller_norm_than_a_face() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    flat = np.full((112, 112, 3), 120, np.uint8)
    face = embedder().embed(crop_of("obama", embedder())).norm
    assert embedder().embed(flat).norm < 0.8 * face
    assert embedder().embed(noise).norm < 0.8 * face


def test_channels_come_in_the_order_that_the_description_names() -> None:
    crop = crop_of("obama", embedder())
    spec = embedder().spec
    swapped = replace(spec, preprocessing=replace(spec.preprocessing, colour="BGR"))
    as_rgb, as_bgr = embedder().embed(crop), Embedder(swapped).embed(np.ascontiguousarray(crop[..., ::-1]))
    assert (as_rgb.x == as_bgr.x).all()
    assert (Embedder(swapped).embed(crop).x != as_rgb.x).any()


def test_the_aligned_face_has_its_points_where_the_template_wants_them() -> None:
    for name in PEOPLE:
        crop = crop_of(name, embedder())
        assert crop.shape == (112, 112, 3)
        points: Floats = embedder().alignment.points(face_of(name).mesh)
        matrix = embedder().alignment.matrix(face_of(name).mesh)
        placed = points @ matrix[:, :2].T + matrix[:, 2]
        assert np.abs(placed - np.array(embedder().alignment.template)).mean() < 4


def test_a_description_without_an_alignment_is_refused_by_name() -> None:
    with pytest.raises(ModelError, match=r"192_int8\.tflite: an embedder's description needs an alignment"):
        Embedder(replace(embedder().spec, alignment=None))


def test_a_model_of_another_kind_is_refused_by_name() -> None:
    mesh_file = load_manifest().models["face_mesh"]
    with pytest.raises(ModelError, match=r"face_mesh\.tflite: an embedder takes one picture and gives one vector"):
        Embedder(replace(mesh_file, alignment=embedder().spec.alignment))


def test_a_description_of_no_tensors_is_refused_and_not_stumbled_over() -> None:
    with pytest.raises(ModelError, match="1 inputs, the manifest promises 0"):
        Embedder(replace(embedder().spec, inputs=(), outputs=()))
