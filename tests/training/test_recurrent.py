"""The faster layer computes what the plain one does, values and gradients."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from model.network import build
from tests.support.networks import CONFIGS, random_images, random_network
from tests.support.running import ROOT
from training.recurrent import Bfloat16RNN, HoistedRNN


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


def gradients(layer: keras.layers.Layer, x: np.ndarray) -> list[np.ndarray]:
    """Of a value that depends on every state: by input, kernels and bias."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        x = tf.Variable(x)
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(layer(x) ** 3)
        return tape.gradient(value, [x, *layer.trainable_variables])
    import jax

    others = [variable.value for variable in layer.non_trainable_variables]

    def value(x, weights):
        return (layer.stateless_call(weights, others, x)[0] ** 3).sum()

    weights = [variable.value for variable in layer.trainable_variables]
    of_x, of_weights = jax.grad(value, argnums=(0, 1))(x, weights)
    return [of_x, *of_weights]


def pair(faster: type, **options) -> tuple[list, list]:
    """Gradients of the plain layer and of the `faster` one with the same weights."""
    keras.utils.set_random_seed(0)
    options |= {"return_sequences": True}
    plain, fast = keras.layers.SimpleRNN(5, **options), faster(5, **options)
    x = np.random.default_rng(0).normal(size=(3, 28, 4)).astype(np.float32)
    plain(x), fast(x)
    fast.set_weights(plain.get_weights())
    return gradients(plain, x), gradients(fast, x)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("backwards", [False, True])
def test_same_gradients(backwards, activation):
    for expected, actual in zip(
        *pair(HoistedRNN, go_backwards=backwards, activation=activation), strict=True
    ):
        np.testing.assert_allclose(actual, expected, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("backwards", [False, True])
def test_gradients_in_bfloat16_are_close_but_not_the_same(backwards):
    for expected, actual in zip(*pair(Bfloat16RNN, go_backwards=backwards), strict=True):
        difference = np.linalg.norm(np.subtract(actual, expected)) / np.linalg.norm(expected)
        assert 1e-5 < difference < 0.03  # a bfloat16 has 8 binary digits


def test_gradients_by_hand_on_jax_too():
    if keras.backend.backend() == "jax":
        return
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", __file__, "-k", "gradients"],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout
