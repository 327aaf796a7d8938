"""The oracle: against sums done by hand, and Keras against the oracle."""

import numpy as np
import pytest

from model import reference, signature, weights
from model.weights import Cell, Dense, Layer, Network
from tests.support.networks import CONFIGS, random_images, random_network


def test_two_steps_by_hand():
    cell = Cell(kernel=np.array([[0.5]]), recurrent_kernel=np.array([[-2.0]]), bias=np.array([0.1]))
    x = np.array([[[1.0], [3.0]]])
    h1 = np.tanh(0.5 * 1 + 0.1)
    h2 = np.tanh(0.5 * 3 - 2 * h1 + 0.1)
    np.testing.assert_allclose(reference.read(cell, "tanh", x), [[[h1], [h2]]])
    k2 = np.tanh(0.5 * 3 + 0.1)
    k1 = np.tanh(0.5 * 1 - 2 * k2 + 0.1)
    np.testing.assert_allclose(reference.read_upward(cell, "tanh", x), [[[k1], [k2]]])


def test_answer_by_hand_for_a_network_that_counts_ink():
    """One relu unit adds up all ink; the read-out turns the sum into the logit of digit 3."""
    cell = Cell(np.ones((28, 1)), np.ones((1, 1)), np.zeros(1))
    readout = Dense(np.eye(10)[3:4], np.zeros(10))
    network = Network(1 / 255, (Layer(cell, None, "relu", None, None),), readout, None)
    image = np.zeros((1, 28, 28))
    image[0, 5, :2] = 255
    outputs = reference.forward(network, image)
    np.testing.assert_allclose(outputs[signature.hidden_forward(1)][0, :, 0], [0] * 5 + [2] * 23)
    assert outputs[signature.PROBABILITIES][0, 3] == pytest.approx(np.e**2 / (np.e**2 + 9))
    np.testing.assert_allclose(outputs[signature.STEP_PROBABILITIES][0, 0], 0.1)


@pytest.mark.parametrize("name", CONFIGS)
def test_keras_agrees_on_every_output(name):
    model = random_network(CONFIGS[name])
    images = random_images(256)
    expected = reference.forward(weights.from_keras(model), images)
    actual = model(images)
    assert list(actual) == list(expected)
    for key, value in expected.items():
        assert reference.relative_error(value, np.asarray(actual[key])) < 1e-5, key


def test_relative_error():
    one, shift = np.array([1.0, 0.0]), np.array([0, 0.5])
    assert reference.relative_error(one, one + shift) == 0.5
    assert reference.relative_error(100 * one, 100 * one + shift) == 0.005
    assert reference.relative_error(0.01 * one, 0.01 * one + shift) == 0.5
    assert reference.relative_error(one, one * np.nan) == np.inf
    with pytest.raises(ValueError, match="shapes differ"):
        reference.relative_error(one, one[:1])
