"""The faster layer computes what the plain one does, values and gradients."""

import keras
import numpy as np
import pytest

from model.network import build
from tests.networks import CONFIGS, random_images, random_network
from training.recurrent import HoistedRNN


@pytest.mark.parametrize("name", CONFIGS)
def test_same_outputs_from_the_same_weights(name):
    plain = random_network(CONFIGS[name])
    fast = build(CONFIGS[name], HoistedRNN)
    fast.set_weights(plain.get_weights())
    layers = [layer for layer in fast.layers if layer.name.startswith("rnn_")]
    assert all(isinstance(getattr(layer, "forward_layer", layer), HoistedRNN) for layer in layers)
    images = random_images(8)
    expected, actual = plain(images), fast(images)
    for key, value in expected.items():
        np.testing.assert_allclose(actual[key], value, atol=1e-5, rtol=1e-4, err_msg=key)


@pytest.mark.parametrize("backwards", [False, True])
def test_same_gradients(backwards):
    tf = pytest.importorskip("tensorflow")
    keras.utils.set_random_seed(0)
    options = {"return_sequences": True, "go_backwards": backwards}
    plain, fast = keras.layers.SimpleRNN(5, **options), HoistedRNN(5, **options)
    x = np.random.default_rng(0).normal(size=(3, 28, 4)).astype(np.float32)
    plain(x), fast(x)
    fast.set_weights(plain.get_weights())
    gradients = []
    for layer in (plain, fast):
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(layer(x) ** 3)
        gradients.append(tape.gradient(value, layer.trainable_variables))
    for expected, actual in zip(*gradients, strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-4, rtol=1e-3)
