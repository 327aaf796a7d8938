"""Fresh weights are distributed as Keras's, and its model computes with them what we compute."""

import keras
import numpy as np
import pytest

from model import reference
from model.fresh import fresh
from model.lab.drawing import variables
from model.network import PRESETS, build
from model.weights import from_keras
from tests.support.networks import random_images


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return build(PRESETS["elman"])


@pytest.mark.parametrize("gain", [1, 10])
def test_the_distributions(gain):
    found = variables(fresh(gain, seed=3))
    for name, inputs, outputs, factor in (("U", 28, 128, gain), ("V", 128, 10, 1)):
        most = factor * np.sqrt(6 / (inputs + outputs))
        assert 0.99 * most < np.abs(found[name]).max() <= np.float32(most)
        assert found[name].std() == pytest.approx(most / np.sqrt(3), rel=0.05)
    np.testing.assert_allclose(found["W"] @ found["W"].T, np.eye(128), atol=1e-5)
    assert not found["b"].any()
    assert not found["c"].any()


def test_a_seed_gives_the_same_weights_again():
    one, again, other = (variables(fresh(seed=seed)) for seed in (1, 1, 2))
    for name in ("U", "W", "V"):
        np.testing.assert_array_equal(one[name], again[name])
        assert (one[name] != other[name]).any()


def test_keras_computes_the_same_with_them(model):
    network, built = fresh(seed=2), from_keras(model)
    weights, expected = variables(network), variables(built)
    for name, array in weights.items():
        assert (array.shape, array.dtype) == (expected[name].shape, expected[name].dtype)
    model.get_layer("rnn_1").set_weights([weights[name] for name in ("U", "W", "b")])
    model.get_layer("readout").set_weights([weights["V"], weights["c"]])
    images = random_images(3)
    outputs = reference.forward(network, images)
    for name, array in model.predict(images, verbose=0).items():
        np.testing.assert_allclose(array, outputs[name], atol=1e-5)
