"""What several tests share: a tiny network, so that no test of the server needs the release."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from model import signature

TINY_UNITS = 3
TINY_VERSION = "7"


def save_tiny_model(path: Path, version: str | None = TINY_VERSION, **changes) -> Path:
    """Write a network with the project's signature that answers but was never trained.

    `changes` replace a name of an input or output, as in ``probabilities="Identity:0"``;
    ``batch=1`` fixes the batch.
    """
    steps, digits = signature.STEPS, signature.DIGITS
    pixels = steps * signature.PIXELS
    batch = changes.pop("batch", "batch")

    def name(wanted: str) -> str:
        return changes.get(wanted, wanted)

    random = np.random.default_rng(0)
    weights = {
        "scale": np.float32(1 / signature.WHITE),
        "flat": np.array([-1, pixels]),
        "answer": random.normal(size=(pixels, digits)).astype(np.float32),
        "belief": random.normal(size=(signature.PIXELS, digits)).astype(np.float32),
        "state": random.normal(size=(signature.PIXELS, TINY_UNITS)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Mul", [name(signature.IMAGES), "scale"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "flat"], ["pixels"]),
        helper.make_node("MatMul", ["pixels", "answer"], ["logits"]),
        helper.make_node("Softmax", ["logits"], [name(signature.PROBABILITIES)]),
        helper.make_node("MatMul", ["scaled", "belief"], ["beliefs"]),
        helper.make_node("Softmax", ["beliefs"], [name(signature.STEP_PROBABILITIES)]),
        helper.make_node("MatMul", ["scaled", "state"], ["sums"]),
        helper.make_node("Tanh", ["sums"], [name(signature.hidden_forward(1))]),
    ]

    def tensor(wanted: str, *shape: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name(wanted), TensorProto.FLOAT, [batch, *shape])

    graph = helper.make_graph(
        nodes,
        "tiny",
        [tensor(signature.IMAGES, steps, signature.PIXELS)],
        [
            tensor(signature.PROBABILITIES, digits),
            tensor(signature.STEP_PROBABILITIES, steps, digits),
            tensor(signature.hidden_forward(1), steps, TINY_UNITS),
        ],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    if version is not None:
        helper.set_model_props(model, {"version": version})
    onnx.save(model, path)
    return path


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx")
