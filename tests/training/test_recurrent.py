"""The faster layer computes what the plain one does, values and gradients."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial

import keras
import numpy as np
import pytest

from model import weights
from model.backward import loss_gradients
from model.network import build
from tests.support.networks import CONFIGS, random_images, random_network
from tests.support.running import ROOT
from training.config import TrainingConfig
from training.recurrent import Bfloat16RNN, HoistedRNN, reader
from training.step import Trainer


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


def gradients(
    layer: keras.layers.Layer, x: np.ndarray, last_state_only: bool = False
) -> list[np.ndarray]:
    """Of a value that depends on every state, or on the last: by input, kernels and bias."""
    states = slice(-1, None) if last_state_only else slice(None)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        x = tf.Variable(x)
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(layer(x)[:, states] ** 3)
        return tape.gradient(value, [x, *layer.trainable_variables])
    import jax

    others = [variable.value for variable in layer.non_trainable_variables]

    def value(x, arrays):
        return (layer.stateless_call(arrays, others, x)[0][:, states] ** 3).sum()

    arrays = [variable.value for variable in layer.trainable_variables]
    of_x, of_weights = jax.grad(value, argnums=(0, 1))(x, arrays)
    return [of_x, *of_weights]


def pair(faster: Callable, **options) -> tuple[list, list]:
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


@pytest.mark.parametrize("backwards", [False, True])
def test_gradients_in_one_piece_are_those_of_no_piece_to_the_bit(backwards):
    _, whole = pair(HoistedRNN, go_backwards=backwards)
    _, one = pair(partial(HoistedRNN, piece=28), go_backwards=backwards)
    for expected, actual in zip(whole, one, strict=True):
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
def test_gradients_stop_at_a_cut(backwards, reset):
    """∂(last state)/∂x is exactly 0 before the last piece, 21 to 27 in the order of reading, and
    the state is carried over the cut or not. As the plain layer with the piece alone."""
    keras.utils.set_random_seed(0)
    layer = HoistedRNN(5, return_sequences=True, go_backwards=backwards, piece=7, reset=reset)
    plain = keras.layers.SimpleRNN(5, return_sequences=True, go_backwards=backwards)
    x = np.random.default_rng(0).normal(size=(3, 28, 4)).astype(np.float32)
    states = np.asarray(layer(x))
    plain(x)
    plain.set_weights(layer.get_weights())
    last = slice(0, 7) if backwards else slice(21, 28)
    expected = plain(x[:, last]) if reset else np.asarray(plain(x))[:, -7:]
    np.testing.assert_allclose(states[:, -7:], expected, atol=1e-6)
    of_x, *_ = gradients(layer, x, last_state_only=True)
    of_x = np.array(of_x)
    assert np.abs(of_x[:, last]).min() > 0
    of_x[:, last] = 0
    assert not of_x.any()


@pytest.mark.parametrize("piece", [7, 5])
def test_gradients_in_pieces_are_those_by_hand(piece):
    step = {"optimizer": "sgd", "learning_rate": 1, "warmup": 0, "clipnorm": None}  # the gradient
    config = TrainingConfig("elman", truncate=piece, step_loss=0, belief_loss=0, **step)
    keras.utils.set_random_seed(0)
    trainer = Trainer(build(CONFIGS["elman"], reader(config)), config, steps=1)
    before = weights.from_keras(trainer.model)
    images, labels = random_images(16), np.arange(16) % 10
    trainer.step(images, labels, None)
    trainer.sync()
    after = weights.from_keras(trainer.model)
    _, expected = loss_gradients(before, images, labels, piece)
    for name in ("kernel", "recurrent_kernel", "bias"):
        cells = (network.layers[0].forward for network in (before, after, expected))
        old, new, gradient = (getattr(cell, name) for cell in cells)
        np.testing.assert_allclose(old - new, gradient, atol=1e-5, rtol=1e-3)


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
