"""Arrays out of a Keras model, and files that are none."""

import zipfile

import keras
import numpy as np
import pytest

from model import weights
from tests.networks import CONFIGS, random_network


@pytest.mark.parametrize("name", CONFIGS)
def test_every_parameter_is_taken(name):
    model = random_network(CONFIGS[name])
    network = weights.from_keras(model)
    arrays = []
    for layer in network.layers:
        for part in (layer.forward, layer.backward, layer.normalization):
            arrays += [v for v in vars(part or object).values() if isinstance(v, np.ndarray)]
    for dense in (network.readout, network.belief, *(network.score or ())):
        arrays += vars(dense).values() if dense else []
    assert sum(array.size for array in arrays) == model.count_params()
    assert network.bidirectional == CONFIGS[name].bidirectional
    assert [layer.activation for layer in network.layers] == [CONFIGS[name].activation] * len(
        network.layers
    )


def test_a_saved_network_comes_back(tmp_path):
    model = random_network(CONFIGS["stacked"])
    model.save(tmp_path / "network.keras")
    first, second = weights.from_keras(model), weights.load(tmp_path / "network.keras")
    np.testing.assert_array_equal(
        first.layers[1].backward.recurrent_kernel, second.layers[1].backward.recurrent_kernel
    )
    assert first.layers[0].normalization.epsilon == second.layers[0].normalization.epsilon


def test_files_that_are_no_network(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        weights.load(tmp_path / "none.keras")
    (tmp_path / "text.keras").write_text("hello")
    with pytest.raises(ValueError, match=r"text\.keras is not a \.keras file"):
        weights.load(tmp_path / "text.keras")
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("a.txt", "hello")
    with pytest.raises(ValueError, match=r"not a readable \.keras file: .*"):
        weights.load(tmp_path / "other.keras")
    with pytest.raises(ValueError, match="is a folder"):
        weights.load(tmp_path)


def test_another_keras_model_is_named_as_such():
    model = keras.Sequential([keras.Input((28, 28)), keras.layers.SimpleRNN(4)])
    with pytest.raises(ValueError, match=r"not a network of model/network\.py"):
        weights.from_keras(model)
