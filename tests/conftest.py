"""What several tests share: a tiny network, so that no test of the server needs the release."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from model import signature

TINY_UNITS = 3
TINY_VERSION = "7"
THRESHOLDS = {signature.SCORE: 0.7, "confidence": 0.6}  # for a network that doubts


def save_tiny_model(
    path: Path, version: str | None = TINY_VERSION, doubts: bool = False, **changes
) -> Path:
    """Write a network with the project's signature that answers but was never trained.

    One that `doubts` has a score and judges by the ink alone, in fully inked pixels of the
    image: below 65 it is not sure whether it sees a 4 or a 9, above 175 it sees no digit,
    and between them a 7. Give it `save_card`'s thresholds.

    `changes` replace a name of an input or output, as in ``probabilities="Identity:0"``;
    ``batch=1`` fixes the batch, ``scores=2`` gives it two scores.
    """
    steps, digits = signature.STEPS, signature.DIGITS
    pixels = steps * signature.PIXELS
    batch = changes.pop("batch", "batch")
    scores = changes.pop("scores", 1)

    def name(wanted: str) -> str:
        return changes.get(wanted, wanted)

    random = np.random.default_rng(0)
    weights = {
        "scale": np.float32(1 / signature.WHITE),
        "flat": np.array([-1, pixels]),
        "answer": random.normal(size=(pixels, digits)).astype(np.float32),
        "bias": np.zeros(digits, np.float32),
        "belief": random.normal(size=(signature.PIXELS, digits)).astype(np.float32),
        "state": random.normal(size=(signature.PIXELS, TINY_UNITS)).astype(np.float32),
    }
    if doubts:
        slope = np.zeros(digits)
        slope[7] = 0.2
        weights["answer"] = np.tile(slope, (pixels, 1)).astype(np.float32)
        bias = np.full(digits, -5.0)
        bias[[4, 9, 7]] = 0.1, 0.0, -0.2 * 68
        weights["bias"] = bias.astype(np.float32)
        weights["no_digit"] = np.full((pixels, scores), 0.2, np.float32)
        weights["no_digit_bias"] = np.array([-0.2 * 170], np.float32)
    nodes = [
        helper.make_node("Mul", [name(signature.IMAGES), "scale"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "flat"], ["pixels"]),
        helper.make_node("MatMul", ["pixels", "answer"], ["products"]),
        helper.make_node("Add", ["products", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], [name(signature.PROBABILITIES)]),
        helper.make_node("MatMul", ["scaled", "belief"], ["beliefs"]),
        helper.make_node("Softmax", ["beliefs"], [name(signature.STEP_PROBABILITIES)]),
        helper.make_node("MatMul", ["scaled", "state"], ["sums"]),
        helper.make_node("Tanh", ["sums"], [name(signature.hidden_forward(1))]),
    ]
    if doubts:
        nodes += [
            helper.make_node("MatMul", ["pixels", "no_digit"], ["excess"]),
            helper.make_node("Add", ["excess", "no_digit_bias"], ["doubt"]),
            helper.make_node("Sigmoid", ["doubt"], [name(signature.SCORE)]),
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
            *([tensor(signature.SCORE, scores)] if doubts else []),
            tensor(signature.hidden_forward(1), steps, TINY_UNITS),
        ],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    if version is not None:
        helper.set_model_props(model, {"version": version})
    onnx.save(model, path)
    return path


def save_card(model: Path, **card) -> None:
    """Write the card of a network; it has `THRESHOLDS` unless `card` has others."""
    model.with_name("card.json").write_text(json.dumps({"thresholds": THRESHOLDS} | card))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture(scope="session")
def doubting_model(tmp_path_factory) -> Path:
    model = save_tiny_model(tmp_path_factory.mktemp("doubts") / "doubting.onnx", doubts=True)
    save_card(model)
    return model
