"""A network runs alike from both kinds of file, and what is no network is refused."""

import keras
import numpy as np
import pytest
from training.runner import Runner

from model import signature, weights
from model.export import onnx_graph
from tests.conftest import save_tiny_model
from tests.support.networks import CONFIGS, random_images, random_network
from training.errors import TrainingError


@pytest.mark.parametrize("name", ["window and score", "elman"])
def test_both_files_give_what_keras_gives(name, tmp_path):
    model = random_network(CONFIGS[name])
    model.save(tmp_path / "a.keras")
    graph = onnx_graph.build(weights.from_keras(model))
    (tmp_path / "a.onnx").write_bytes(graph.SerializeToString())
    images = random_images(130).astype(np.uint8)  # two batches and a rest
    expected = model.predict(images.astype(np.float32), verbose=0)
    for path in (tmp_path / "a.keras", tmp_path / "a.onnx"):
        runner = Runner(path)
        assert runner.has_score == (signature.SCORE in expected)
        wanted = [*runner.answer, signature.STEP_PROBABILITIES]
        outputs = runner.run(images, wanted)
        assert list(outputs) == wanted
        for key, array in outputs.items():
            np.testing.assert_allclose(array, expected[key], atol=1e-5)
        assert list(runner.run(images)) == [signature.PROBABILITIES]


def foreign_keras(path):
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(path)


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("none.onnx", lambda _: None, "no model at"),
        ("notes.txt", lambda path: path.write_text("hi"), "neither"),
        ("folder.onnx", lambda path: path.mkdir(), "no model at"),
        ("broken.onnx", lambda path: path.write_bytes(b"not a network"), "not a readable ONNX"),
        ("broken.keras", lambda path: path.write_bytes(b"not a network"), "a .keras file"),
        ("foreign.keras", foreign_keras, "not a network of model/network.py"),
        (
            "foreign.onnx",
            lambda path: save_tiny_model(path, probabilities="Identity:0"),
            "lacks the outputs probabilities",
        ),
        ("input.onnx", lambda path: save_tiny_model(path, images="x"), "does not take images"),
        ("single.onnx", lambda path: save_tiny_model(path, batch=1), "does not take images"),
    ],
)
def test_what_is_no_network_is_refused(name, write, message, tmp_path):
    write(tmp_path / name)
    with pytest.raises(TrainingError, match=message) as caught:
        Runner(tmp_path / name)
    assert name in str(caught.value)
