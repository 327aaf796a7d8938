"""Both ONNX forms against the oracle."""

import numpy as np
import onnx
import onnxruntime
import pytest

from model import reference, signature, weights
from model.export import onnx_graph
from tests.support.networks import CONFIGS, random_images, random_network


def run(model: onnx.ModelProto, images: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {signature.IMAGES: images}), strict=True))


@pytest.mark.parametrize("form", ["gemm", "rnn"])
@pytest.mark.parametrize("name", CONFIGS)
def test_agrees_on_every_output(name, form):
    network = weights.from_keras(random_network(CONFIGS[name]))
    model = onnx_graph.build(network, form)
    for count in (1, 256):  # the batch is symbolic
        images = random_images(count)
        expected, actual = reference.forward(network, images), run(model, images)
        assert list(actual) == list(expected)
        for key, value in expected.items():
            assert reference.relative_error(value, actual[key]) < 1e-5, key


def test_standard_operators_stated_opset_and_metadata():
    network = weights.from_keras(random_network(CONFIGS["stacked"]))
    model = onnx_graph.build(network, metadata={"version": "1", "licence": "Apache-2.0"})
    assert [(o.domain, o.version) for o in model.opset_import] == [("", onnx_graph.OPSET)]
    assert {node.domain for node in model.graph.node} == {""}
    assert {p.key: p.value for p in model.metadata_props} == {
        "version": "1",
        "licence": "Apache-2.0",
    }
    shape = model.graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_param or dim.dim_value for dim in shape] == ["batch", 28, 28]


def test_the_rnn_form_is_small_and_has_no_loop():
    network = weights.from_keras(random_network(CONFIGS["stacked"]))
    operators = [node.op_type for node in onnx_graph.build(network, "rnn").graph.node]
    assert operators.count("RNN") == 2
    assert len(operators) < 30
    for form in ("gemm", "rnn"):
        kinds = {node.op_type for node in onnx_graph.build(network, form).graph.node}
        assert not kinds & {"Loop", "Scan"}
