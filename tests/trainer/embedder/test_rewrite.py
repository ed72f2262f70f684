from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.inference.spec import Preprocessing
from edge.recognition.types import Floats
from tests.trainer.embedder.networks import Maker, face_network, pictures
from trainer.embedder.emit import embeddings
from trainer.embedder.equalize import channel_ranges, equalized
from trainer.embedder.graph import Affine, Conv, Graph, Node, Pool, PRelu, Relu, float32
from trainer.embedder.rewrite import (
    bound_slopes,
    expanded,
    fold_affine,
    fold_preprocessing,
    merge_convolutions,
    simplified,
)

pytest.importorskip("tensorflow", reason="needs the trainer extra")
pytestmark = pytest.mark.tensorflow

SIDE_AFTER_STEM = 16


def assert_same(one: Graph, other: Graph, fed: Floats | None = None) -> None:
    """Equal in float, relative to the embedding's length."""
    seen = pictures(3) if fed is None else fed
    expected, found = embeddings(one, seen), embeddings(other, seen)
    assert np.abs(expected - found).max() <= 1e-5 * np.linalg.norm(expected, axis=1).max()


def kinds(graph: Graph) -> set[str]:
    return {type(node).__name__ for node in graph.nodes}


@settings(max_examples=12)
@given(st.lists(st.floats(-10, 10, width=32), min_size=8, max_size=8), st.integers(0, 1000))
def test_any_prelu_becomes_operations_that_int8_kernels_have_and_computes_the_same(
    slope: list[float], seed: int
) -> None:
    network = Maker(seed).conv(8, 3, 2).prelu(float32(slope)).depthwise().prelu(float32(slope[::-1])).conv(4)
    graph = network.depthwise(SIDE_AFTER_STEM, padded=False).graph()
    ready = expanded(bound_slopes(graph))
    assert "PRelu" not in kinds(ready)
    assert_same(graph, ready)


def test_steep_slopes_become_gentle() -> None:
    bounded = bound_slopes(face_network())
    assert all(np.abs(node.slope).max() <= 1 for node in bounded.nodes if isinstance(node, PRelu))
    assert_same(face_network(), bounded)


def test_a_steep_slope_beside_an_addition_is_left_as_it_is() -> None:
    maker = Maker().conv(8, 3, 2)
    shortcut = maker.last
    maker.conv(8).prelu(float32([3.0] * 8)).add(shortcut)
    graph = maker.depthwise(SIDE_AFTER_STEM, padded=False).graph()
    ready = expanded(bound_slopes(graph))
    assert "PRelu" in kinds(ready)
    assert_same(graph, ready)


def test_a_whole_network_rewritten_and_equalized_computes_the_same() -> None:
    graph = face_network(seed=5)
    assert_same(graph, expanded(equalized(bound_slopes(simplified(graph)), pictures(4, seed=1))))


def test_equalization_brings_the_channels_that_a_depthwise_filter_reads_to_one_range() -> None:
    graph = bound_slopes(simplified(face_network()))
    fed = pictures(16)
    loud = replace(graph, nodes=tuple(_with_loud_channel(node) for node in graph.nodes))
    before, after = channel_ranges(loud, fed)["conv"], channel_ranges(equalized(loud, fed), fed)["conv"]
    assert before.max() / before.min() > 100
    assert after.max() / after.min() < 1.5


def _with_loud_channel(node: Node) -> Node:
    if isinstance(node, Conv) and node.name == "conv":
        factor = np.array([200.0] + [1.0] * 7, np.float32)
        return replace(node, kernel=node.kernel * factor, bias=node.bias * factor)
    return node


def test_relu6_stops_equalization_which_its_cap_would_not_survive() -> None:
    maker = Maker().conv(8, 3, 2)
    maker.put(Relu("relu6", (maker.last,), 6.0))
    graph = maker.depthwise().conv(4).depthwise(SIDE_AFTER_STEM, padded=False).graph()
    assert_same(graph, equalized(graph, pictures(4)))


def test_a_batch_normalization_is_folded_into_the_convolution_before_it() -> None:
    maker = Maker().conv(8, 3, 2)
    maker.put(Affine("norm", (maker.last,), maker.numbers(8), maker.numbers(8)))
    graph = maker.depthwise(SIDE_AFTER_STEM, padded=False).graph()
    assert "Affine" not in kinds(fold_affine(graph))
    assert_same(graph, fold_affine(graph))


@pytest.mark.parametrize("padded", [False, True])
def test_a_batch_normalization_before_a_convolution_is_folded_only_where_no_zeros_come_between(padded: bool) -> None:
    maker = Maker().conv(8, 3, 2)
    maker.put(Pool("pool", (maker.last,), "max", (2, 2), (2, 2)))
    maker.put(Affine("norm", (maker.last,), maker.numbers(8), maker.numbers(8)))
    maker.conv(8, 3, padded=padded)
    graph = maker.depthwise(maker.builder.shape(maker.last)[0], padded=False).graph()
    assert ("Affine" in kinds(fold_affine(graph))) == padded
    assert_same(graph, fold_affine(graph))
    assert_same(graph, expanded(fold_affine(graph)))


def test_two_linear_layers_at_the_end_become_one() -> None:
    graph = face_network()
    merged = merge_convolutions(graph)
    assert merged.multiplications() < graph.multiplications()
    assert len(merged.nodes) < len(graph.nodes)
    assert_same(graph, merged)


def test_a_bottleneck_is_not_merged_into_something_larger() -> None:
    maker = Maker().conv(32, 3, 2).conv(2).conv(32)
    graph = maker.depthwise(SIDE_AFTER_STEM, padded=False).graph()
    assert [node.name for node in merge_convolutions(graph).nodes].count("conv/3") == 1
    assert len(merge_convolutions(graph).nodes) == len(graph.nodes) - 1  # the stem takes the first, not both
    assert_same(graph, merge_convolutions(graph))


def test_average_pooling_becomes_a_depthwise_convolution() -> None:
    maker = Maker().conv(8, 3, 2)
    maker.put(Pool("mean", (maker.last,), "average", (SIDE_AFTER_STEM, SIDE_AFTER_STEM), (1, 1)))
    assert "Pool" not in kinds(expanded(maker.graph()))
    assert_same(maker.graph(), expanded(maker.graph()))


def raw(normalized: Floats, preprocessing: Preprocessing) -> Floats:
    return normalized * np.array(preprocessing.std, np.float32) + np.array(preprocessing.mean, np.float32)


def test_any_mean_and_std_are_folded_into_a_stem_that_pads_nothing() -> None:
    graph = face_network(stem_padded=False)
    published = Preprocessing("BGR", (122.782, 117.001, 104.298), (256.0, 128.0, 64.0))
    folded, new = fold_preprocessing(graph, published)
    assert new == Preprocessing("BGR", (128.0, 128.0, 128.0), (128.0, 128.0, 128.0))
    fed = pictures(3)
    found = embeddings(folded, np.asarray((raw(fed, published) - 128) / 128, np.float32))
    assert np.allclose(embeddings(graph, fed), found, rtol=1e-4, atol=1e-4)


def test_a_mean_far_from_grey_is_left_alone_where_the_stem_pads_zeros() -> None:
    published = Preprocessing("RGB", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
    graph = face_network()
    assert fold_preprocessing(graph, published) == (graph, published)


def test_half_a_grey_level_at_the_border_is_taken() -> None:
    graph = face_network()
    published = Preprocessing("RGB", (127.5, 127.5, 127.5), (128.0, 128.0, 128.0))
    folded, new = fold_preprocessing(graph, published)
    assert new.mean == (128.0, 128.0, 128.0)
    expected, found = embeddings(graph, pictures(3)), embeddings(folded, pictures(3) - 0.5 / 128)
    cosine = (expected * found).sum(1) / np.linalg.norm(expected, axis=1) / np.linalg.norm(found, axis=1)
    assert cosine.min() > 0.9999
