"""Model files before any runtime sees them: what ships passes, and what could lead a runtime astray does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest

from edge.errors import ModelError
from edge.inference.spec import SHIPPED, ModelSpec, load_manifest
from edge.update.flatbuffer import MalformedError
from edge.update.model_check import check_bytes, check_model, embedder_rules, head_rules
from tests.fakes.head_releases import DIM, MODEL

schema = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="mutants are made with LiteRT's schema")

EMBEDDERS = [spec for spec in load_manifest().models.values() if spec.role == "embedder"]
OTHERS = [spec for spec in load_manifest().models.values() if spec.role != "embedder"]


def changed(change: Callable[[Any], object]) -> bytes:
    """The shipped head, taken apart, changed and put together again."""
    model = schema.ModelT.InitFromPackedBuf(MODEL, 0)
    change(model)
    builder = flatbuffers.Builder(1 << 18)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def ints(*numbers: int) -> Any:
    return np.array(numbers, np.int32)


def operator(model: Any, number: int) -> Any:
    return model.subgraphs[0].operators[number]


def tensor(model: Any, number: int) -> Any:
    return model.subgraphs[0].tensors[number]


@pytest.mark.parametrize("spec", EMBEDDERS, ids=lambda spec: spec.name)
def test_the_shipped_embedders_pass_and_their_heads_too(spec: ModelSpec) -> None:
    dim = spec.outputs[0].shape[-1]
    of_embedder = check_model(spec.path, embedder_rules(dim))
    assert of_embedder.operators["CONV_2D"] >= 30
    assert 2e8 < of_embedder.macs < 3e8
    of_head = check_model(spec.path.with_name(f"{spec.name}.head.tflite"), head_rules(dim))
    assert of_head.operators["FULLY_CONNECTED"] == 1
    assert of_head.constant_bytes > 4 * dim * dim
    assert of_head.macs < 1.1 * dim * dim + 100


@pytest.mark.parametrize("spec", OTHERS, ids=lambda spec: spec.name)
def test_other_models_are_no_embedders(spec: ModelSpec) -> None:
    with pytest.raises(ModelError, match=spec.path.name):
        check_model(spec.path, embedder_rules(192))


def test_a_head_of_another_dimension_is_refused() -> None:
    with pytest.raises(MalformedError, match=r"has an input of float32 \(1, 193\), wanted float32 \(1, 129\)"):
        check_bytes(MODEL, replace(head_rules(128), most_bytes=len(MODEL)))


def test_an_embedder_is_no_head() -> None:
    with pytest.raises(MalformedError, match="operators that are not allowed: CONV_2D, DEPTHWISE_CONV_2D"):
        check_bytes(EMBEDDERS[0].path.read_bytes(), replace(head_rules(DIM), most_bytes=1 << 30))


def test_a_file_that_is_missing_or_too_large_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no\.tflite: cannot be read \(No such file"):
        check_model(tmp_path / "no.tflite", head_rules(DIM))
    (tmp_path / "large.tflite").write_bytes(MODEL + bytes(head_rules(DIM).most_bytes))
    with pytest.raises(ModelError, match=r"large\.tflite: has \d+ bytes; at most \d+"):
        check_model(tmp_path / "large.tflite", head_rules(DIM))


def test_put_together_again_the_shipped_head_is_as_before() -> None:
    assert check_bytes(changed(lambda _: None), head_rules(DIM)) == check_bytes(MODEL, head_rules(DIM))


def test_every_truncation_is_refused() -> None:
    """The weights come before what describes them, so that hardly anything can be cut off unnoticed."""
    for length in [*range(64), *range(64, len(MODEL), 997)]:
        with pytest.raises(MalformedError):
            check_bytes(MODEL[:length], head_rules(DIM))


def add_custom_operator(model: Any) -> None:
    model.operatorCodes[0].customCode = "EvilOp"


def add_subgraph(model: Any) -> None:
    model.subgraphs.append(model.subgraphs[0])


def add_control_dependencies(model: Any) -> None:
    model.metadata[0].name = "model_control_dependencies"


def external_buffer(model: Any) -> None:
    model.buffers[3].data, model.buffers[3].offset, model.buffers[3].size = None, 4096, 4 * DIM * DIM


def shrink_weights(model: Any) -> None:
    model.buffers[3].data = model.buffers[3].data[:-4]


def weights_from_nothing(model: Any) -> None:
    tensor(model, 2).buffer = 0


def loop(model: Any) -> None:
    operator(model, 4).inputs = ints(20)


def write_to_weights(model: Any) -> None:
    operator(model, 1).outputs = ints(2)


def write_twice(model: Any) -> None:
    operator(model, 5).outputs = operator(model, 4).outputs


def narrow_weights(model: Any) -> None:
    tensor(model, 2).shape = ints(DIM * DIM, 1)


def swap_operands(model: Any) -> None:
    operator(model, 1).inputs = ints(2, 11, 1)


def sparse(model: Any) -> None:
    tensor(model, 2).sparsity = schema.SparsityParametersT()


def quantization(**values: Any) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        tensor(model, 2).quantization = schema.QuantizationParametersT()
        for name, value in values.items():
            setattr(tensor(model, 2).quantization, name, value)

    return change


def setting(which: Callable[[Any], Any], name: str, value: object) -> Callable[[Any], None]:
    return lambda model: setattr(which(model), name, value)


def stride(values: list[int]) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        model.buffers[11].data = np.array(values, "<i4").view(np.uint8)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (add_custom_operator, "operator of somebody's own"),
        (setting(lambda m: m.operatorCodes[0], "builtinCode", 32), "the two codes 45 and 32"),
        (setting(lambda m: m.operatorCodes[0], "version", 99), "in version 99"),
        (add_subgraph, "has 2 graphs"),
        (setting(lambda m: m, "subgraphs", []), "has 0 graphs"),
        (setting(lambda m: m, "version", 4), "schema version 4"),
        (setting(lambda m: m, "metadataBuffer", ints(1)), "old list of metadata"),
        (setting(lambda m: m, "signatureDefs", [schema.SignatureDefT()]), "at most 0"),
        (add_control_dependencies, "metadata 'model_control_dependencies'"),
        (setting(lambda m: m.metadata[0], "buffer", 999), "whose buffer is not there"),
        (external_buffer, "outside of the model"),
        (setting(lambda m: m.buffers[0], "data", np.zeros(4, np.uint8)), "first buffer"),
        (shrink_weights, "with a constant of 147452"),
        (weights_from_nothing, "of a tensor that nothing has computed"),
        (loop, "of a tensor that nothing has computed"),
        (write_to_weights, "that has a value already"),
        (write_twice, "that has a value already"),
        (narrow_weights, "of \\(1, 192\\) with weights \\(36864, 1\\)"),
        (swap_operands, "with a bias \\(192,\\) for 1 channels"),
        (sparse, "sparse"),
        (setting(lambda m: tensor(m, 2), "isVariable", True), "has a variable"),
        (setting(lambda m: tensor(m, 2), "type", 9), "with a constant of 147456"),
        (setting(lambda m: tensor(m, 11), "type", 7), "of type 7"),
        (setting(lambda m: tensor(m, 11), "buffer", 999), "in buffer 999"),
        (setting(lambda m: tensor(m, 11), "shape", ints(1, -192)), "of shape \\(1, -192\\)"),
        (setting(lambda m: tensor(m, 11), "shape", ints(1, 2**31 - 1)), "of shape"),
        (setting(lambda m: tensor(m, 11), "shape", np.ones(9, np.int32)), "at most 5"),
        (setting(lambda m: tensor(m, 11), "shape", ints(1, 191)), "gives float32 \\(1, 191\\), where"),
        (setting(lambda m: tensor(m, 11), "shapeSignature", ints(-1, 192)), "a shape that varies"),
        (setting(lambda m: m.subgraphs[0], "inputs", ints(0, 0)), "1 are wanted"),
        (setting(lambda m: m.subgraphs[0], "inputs", ints(2)), "has an input of"),
        (setting(lambda m: m.subgraphs[0], "outputs", ints(12, 12)), "2 are wanted"),
        (setting(lambda m: m.subgraphs[0], "outputs", ints(12, 3)), "has an output of"),
        (setting(lambda m: m.subgraphs[0], "outputs", ints(12, 99)), "of 22"),
        (setting(lambda m: m.subgraphs[0], "operators", []), "has 0 operators"),
        (setting(lambda m: operator(m, 1), "opcodeIndex", 77), "of code 77"),
        (setting(lambda m: operator(m, 1), "inputs", ints(11, 2, 99)), "of 22"),
        (setting(lambda m: operator(m, 1), "inputs", ints(11, -2, 1)), "of 22"),
        (setting(lambda m: operator(m, 1), "inputs", ints(11)), "FULLY_CONNECTED of 1 tensors"),
        (setting(lambda m: operator(m, 1), "inputs", ints(11, -1, 1)), "with a tensor left out"),
        (setting(lambda m: operator(m, 1), "inputs", np.zeros(99, np.int32)), "at most 16"),
        (setting(lambda m: operator(m, 1), "outputs", np.zeros(0, np.int32)), "an output that nothing computes"),
        (setting(lambda m: operator(m, 1), "customOptions", np.ones(4, np.uint8)), "options of somebody's own"),
        (setting(lambda m: operator(m, 1), "intermediates", np.zeros(1, np.int32)), "options of somebody's own"),
        (setting(lambda m: operator(m, 1), "largeCustomOptionsOffset", 8), "options of another kind"),
        (setting(lambda m: operator(m, 1), "builtinOptionsType", 1), "options of kind 1; 8 is its own"),
        (setting(lambda m: operator(m, 1).builtinOptions, "weightsFormat", 1), "weights in another order"),
        (setting(lambda m: operator(m, 1).builtinOptions, "fusedActivationFunction", 99), "with activation 99"),
        (setting(lambda m: operator(m, 0).builtinOptions, "shrinkAxisMask", 1), "a mask that changes"),
        (setting(lambda m: operator(m, 0).builtinOptions, "endMask", 0), "STRIDED_SLICE of \\(1, 193\\) from"),
        (stride([0, 1]), "by \\(0, 1\\)"),
        (stride([1, -1]), "by \\(1, -1\\)"),
        (quantization(scale=np.ones(2, np.float32), zeroPoint=np.zeros(1, np.int64)), "2 scales and 1 zero points"),
        (quantization(scale=np.full(1, np.nan, np.float32), zeroPoint=np.zeros(1, np.int64)), "a scale that is none"),
        (quantization(scale=np.ones(3, np.float32), zeroPoint=np.zeros(3, np.int64)), "with 3 scales along"),
        (quantization(scale=np.ones(1, np.float32), zeroPoint=np.array([2**40])), "beyond 8 bits"),
    ],
)
def test_what_could_lead_a_runtime_astray_is_refused(change: Callable[[Any], object], words: str) -> None:
    with pytest.raises(MalformedError, match=words) as error:
        check_bytes(changed(change), head_rules(DIM))
    assert "\n" not in str(error.value)


def test_a_head_with_too_many_operators_or_too_much_to_compute_is_refused() -> None:
    rules = head_rules(DIM)
    with pytest.raises(MalformedError, match="has 11 operators; 1 to 10"):
        check_bytes(MODEL, replace(rules, most_operators=10))
    with pytest.raises(MalformedError, match="computes 2344 bytes; at most 2343"):
        check_bytes(MODEL, replace(rules, most_live_bytes=2343))
    with pytest.raises(MalformedError, match="takes 37065 multiplications"):
        check_bytes(MODEL, replace(rules, most_macs=37064))


def test_a_broadcast_that_would_need_a_machine_s_whole_memory_is_refused() -> None:
    """Two thin constants whose sum is a square of 4,096 x 4,096; all sides are within bounds."""

    def grow(model: Any) -> None:
        side = 4096
        model.buffers[4].data = np.zeros(4 * side, np.uint8)
        model.buffers[5].data = np.zeros(4 * side, np.uint8)
        tensor(model, 3).shape, tensor(model, 4).shape = ints(side, 1), ints(1, side)
        big = schema.TensorT()
        big.shape, big.type, big.buffer, big.name = ints(side, side), 0, 0, "big"
        model.subgraphs[0].tensors.append(big)
        adding = schema.OperatorT()
        adding.opcodeIndex, adding.inputs, adding.outputs = 5, ints(3, 4), ints(22)
        model.subgraphs[0].operators.insert(0, adding)
        operator(model, 4).inputs = ints(13, 5)
        operator(model, 8).inputs = ints(17, 5)

    with pytest.raises(MalformedError, match=r"computes 67\d+ bytes; at most"):
        check_bytes(changed(grow), head_rules(DIM))


def test_the_check_of_the_largest_model_is_quick() -> None:
    """Some ten thousand parts; a device is some thirty times slower than a server."""
    file = SHIPPED / "mobilefacenet_192_int8.tflite"
    assert check_model(file, embedder_rules(192)).tensors == 348
