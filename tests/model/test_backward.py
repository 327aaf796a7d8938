"""The backward pass by hand: against a sum done by hand, finite differences, TensorFlow and JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from model import backward, reference, signature, weights
from model.network import PRESETS, NetworkConfig, logits_model
from model.weights import Cell, Dense, Layer, Network
from tests.support.networks import CONFIGS, random_images, random_network

ONE_WAY = NetworkConfig(units=(6, 5), bidirectional=False, activation="relu", window=3)
KINDS = {**CONFIGS, "window of 3, one way, relu": ONE_WAY}
STEP = 1e-5  # of finite differences, in scaled pixels or in states
ROUNDING = 1e-10  # of the two logits, over twice that step
ANSWER, BELIEF = signature.PROBABILITIES, signature.STEP_PROBABILITIES

kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def logits(monkeypatch):
    """The oracle's answer and belief before the softmax."""
    monkeypatch.setattr(reference, "softmax", lambda numbers: numbers)


def states_of(network: Network, image: np.ndarray) -> dict[str, np.ndarray]:
    return {name: array[0] for name, array in reference.forward(network, image[None]).items()}


def difference(output: str, digit: int, network: Network, images: np.ndarray) -> np.ndarray:
    """Central differences of a logit for a batch (2 * n, ...): n steps up, then n down."""
    logit = reference.forward(network, images)[output]
    logit = logit[:, -1, digit] if output == BELIEF else logit[:, digit]
    up, down = np.split(logit, 2)
    return (up - down) / (2 * STEP)


def assert_close(actual: np.ndarray, expected: np.ndarray, tolerance: float = 1e-5) -> None:
    """Relative to the largest derivative."""
    assert actual.shape == expected.shape
    assert np.abs(expected).max() > 0
    assert np.abs(actual - expected).max() < tolerance * np.abs(expected).max() + ROUNDING


def nudged(monkeypatch, network: Network, name: str, row: int) -> int:
    """Let the oracle add ± STEP to each unit of one reader at one row; returns how many units.

    The forward pass then takes a batch of two equal images for each unit.
    """
    direction, number = signature.layer_of(name)
    readers = [(d, n) for n in range(1, 9) for d in ("forward", "backward")]
    if not network.bidirectional:
        readers = [(d, n) for d, n in readers if d == "forward"]
    step = row if direction == "forward" else signature.STEPS - 1 - row
    turn = readers.index((direction, number)) * signature.STEPS + step
    units = getattr(network.layers[number - 1], direction).units
    nudge = STEP * np.concatenate([np.eye(units), -np.eye(units)])
    activation = network.layers[0].activation
    plain, calls = backward_free[activation], iter(range(10**6))
    monkeypatch.setitem(
        reference.ACTIVATIONS,
        activation,
        lambda a: plain(a) + (nudge if next(calls) == turn else 0),
    )
    return units


backward_free = dict(reference.ACTIVATIONS)


def test_two_steps_by_hand():
    cell = Cell(kernel=np.array([[0.5]]), recurrent_kernel=np.array([[-2.0]]), bias=np.zeros(1))
    h = np.array([[0.3], [0.6]])
    total, steps = backward.reader_gradients(cell, "tanh", h, np.array([[0.0], [1.0]]))
    second, first = 1 - 0.6**2, -2 * (1 - 0.6**2)
    np.testing.assert_allclose(total, [[first], [1]])
    np.testing.assert_allclose(steps, [[0.5 * (1 - 0.3**2) * first], [0.5 * second]])
    total, _ = backward.reader_gradients(cell, "relu", np.array([[0.3], [0]]), np.ones((2, 1)))
    np.testing.assert_allclose(total, [[1], [1]])  # a silent unit hands nothing back


def test_a_network_that_counts_ink():
    """Each inked pixel adds one to the logit of digit 3, and so does each unit of its state."""
    cell = Cell(np.ones((28, 1)), np.ones((1, 1)), np.zeros(1))
    readout = Dense(np.eye(10)[3:4], np.zeros(10))
    network = Network(1 / 255, (Layer(cell, None, "relu", None, None),), readout, None)
    image = np.zeros((28, 28))
    image[5, :2] = 255
    found = backward.answer_gradients(network, states_of(network, image), 3)
    np.testing.assert_array_equal(found.pixels, np.outer(np.arange(28) >= 5, np.ones(28)))
    np.testing.assert_array_equal(found.states[signature.hidden_forward(1)][5:], 1)
    assert not backward.answer_gradients(network, states_of(network, image), 4).pixels.any()


@kinds
@pytest.mark.usefixtures("logits")
def test_pixels_by_finite_differences(kind):
    network = weights.from_keras(random_network(KINDS[kind]))
    [image] = random_images(1, seed=3)
    pixels = signature.STEPS * signature.PIXELS
    nudges = STEP / network.scale * np.eye(pixels).reshape(pixels, *image.shape)
    for digit in (0, 7):
        found = backward.answer_gradients(network, states_of(network, image), digit).pixels
        expected = difference(
            ANSWER, digit, network, np.concatenate([image + nudges, image - nudges])
        )
        assert_close(found, expected.reshape(image.shape))


@kinds
@pytest.mark.usefixtures("logits")
def test_states_by_finite_differences(kind, monkeypatch):
    network = weights.from_keras(random_network(KINDS[kind]))
    [image] = random_images(1, seed=4)
    states = states_of(network, image)
    found = backward.answer_gradients(network, states, 4).states
    assert list(found) == [name for name in states if signature.layer_of(name)]
    last = backward.belief_gradients(network, states, 4)
    for name in found:
        for row in (0, 1, 13, 26, 27):
            units = nudged(monkeypatch, network, name, row)
            expected = difference(ANSWER, 4, network, np.stack([image] * 2 * units))
            scale = np.abs(found[name]).max()
            assert np.abs(found[name][row] - expected).max() < 1e-5 * scale + ROUNDING, (name, row)
            if name == signature.hidden_forward(1):
                units = nudged(monkeypatch, network, name, row)
                expected = difference(BELIEF, 4, network, np.stack([image] * 2 * units))
                assert np.abs(last[row] - expected).max() < 1e-5 * np.abs(last).max() + ROUNDING, (
                    row
                )


@pytest.mark.parametrize("kind", PRESETS)
def test_tensorflow_agrees_at_full_size(kind):
    model = random_network(PRESETS[kind])
    network = weights.from_keras(model)
    images = tf.constant(random_images(1))
    with tf.GradientTape() as tape:
        tape.watch(images)
        logit = logits_model(model)(images)["logits"][0, 2]
    expected = np.asarray(tape.gradient(logit, images))[0] / network.scale
    states = {name: np.asarray(array)[0] for name, array in model(images).items()}
    found = backward.answer_gradients(network, states, 2)
    assert found.pixels.dtype == np.float32  # the states', and so the speed
    assert_close(found.pixels, expected, 1e-4)


def test_gradient_through_time_vanishes_with_small_weights():
    """Pascanu et al. 2013: |∂z/∂h_t| falls at least as fast as the powers of ‖W‖."""
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    cell = Cell(rng.normal(size=(28, 6)), 0.5 * turn, np.zeros(6))
    readout = Dense(rng.normal(size=(6, 10)), np.zeros(10))
    network = Network(1 / 255, (Layer(cell, None, "tanh", None, None),), readout, None)
    states = states_of(network, random_images(1)[0] / 10)
    norms = np.linalg.norm(backward.belief_gradients(network, states, 1), axis=1)
    assert (norms[:-1] <= 0.5 * norms[1:] + 1e-12).all()
    assert norms[0] > 0


def test_missing_states_are_named():
    network = weights.from_keras(random_network(CONFIGS["bidirectional"]))
    states = states_of(network, random_images(1)[0])
    del states[signature.hidden_backward(1)]
    with pytest.raises(KeyError, match=signature.hidden_backward(1)):
        backward.answer_gradients(network, states, 0)


ACTIVATIONS = {"tanh": jnp.tanh, "relu": jax.nn.relu}


def loss_in_jax(arrays: dict, network: Network, images: np.ndarray, labels: np.ndarray, piece=0):
    """Mean cross-entropy of the answer, from weights by their names in a file of arrays."""

    def read(reader, activation, x):
        W, b = arrays[f"{reader}.recurrent_kernel"], arrays[f"{reader}.bias"]

        def step(h, of):
            sums, cut = of
            h = jnp.where(cut, jax.lax.stop_gradient(h), h)
            h = ACTIVATIONS[activation](sums + h @ W + b)
            return h, h

        sums = jnp.swapaxes(x @ arrays[f"{reader}.kernel"], 0, 1)
        cuts = np.arange(len(sums)) % (piece or len(sums)) == 0
        return jnp.swapaxes(jax.lax.scan(step, jnp.zeros_like(sums[0]), (sums, cuts))[1], 0, 1)

    x = images * network.scale
    for number, layer in enumerate(network.layers, start=1):
        name, rows = f"layer_{number}", network.window if number == 1 else 1
        seen = reference.window(np.asarray(x), rows) if rows > 1 else x
        merged = read(f"{name}.forward", layer.activation, seen)
        if layer.backward is not None:
            seen = reference.window(np.asarray(x)[:, ::-1], rows) if rows > 1 else x[:, ::-1]
            k = read(f"{name}.backward", layer.activation, seen)[:, ::-1]
            both = [merged, k]
            merged = sum(both) if layer.merge_mode == "sum" else jnp.concatenate(both, axis=-1)
        if layer.normalization is not None:
            spread = jnp.sqrt(merged.var(axis=-1, keepdims=True) + layer.normalization.epsilon)
            unit = (merged - merged.mean(axis=-1, keepdims=True)) / spread
            name = f"{name}.normalization"
            merged = unit * arrays[f"{name}.gamma"] + arrays[f"{name}.beta"]
        x = merged
    y = x @ arrays["readout.kernel"] + arrays["readout.bias"]
    logits = y.mean(axis=1) if network.bidirectional else y[:, -1]
    return -jax.nn.log_softmax(logits)[np.arange(len(labels)), labels].mean()


def by_name(network: Network) -> dict[str, np.ndarray]:
    """All weights that an answer depends on, float64."""
    parts = {"readout": network.readout}
    for number, layer in enumerate(network.layers, start=1):
        for part in ("forward", "backward", "normalization"):
            if getattr(layer, part) is not None:
                parts[f"layer_{number}.{part}"] = getattr(layer, part)
    return {
        f"{name}.{field}": value.astype(np.float64)
        for name, part in parts.items()
        for field, value in vars(part).items()
        if isinstance(value, np.ndarray)
    }


@pytest.mark.parametrize(
    ("kind", "piece"),
    [("stacked", 0), ("window and score", 0), ("relu sum", 0), ("elman", 7), ("bidirectional", 5)],
)
def test_jax_agrees_on_all_weights(kind, piece):
    network = weights.from_keras(random_network(KINDS[kind]))
    images, labels = random_images(3).astype(np.float64), np.array([2, 7, 7])
    with jax.enable_x64(True):
        differentiate = jax.jit(
            jax.value_and_grad(lambda arrays: loss_in_jax(arrays, network, images, labels, piece))
        )
        expected_loss, expected = differentiate(by_name(network))
    loss, gradients = backward.loss_gradients(network, images, labels, piece)
    assert loss == pytest.approx(float(expected_loss), rel=1e-12)
    found = by_name(gradients)
    assert found.keys() == expected.keys()
    for name, array in found.items():
        other = np.asarray(expected[name])
        assert np.abs(array - other).max() <= 1e-12 * max(1e-6, np.abs(other).max()), name
    assert gradients.belief is gradients.score is None


def test_no_gradient_crosses_a_cut():
    """In pieces of one step only the last step's use of W counts; one piece is no cut at all."""
    network = weights.from_keras(random_network(KINDS["elman"]))
    image = random_images(1)
    whole, one, cut = (backward.loss_gradients(network, image, [3], p)[1] for p in (0, 28, 1))
    for name, array in by_name(whole).items():
        np.testing.assert_array_equal(by_name(one)[name], array)
    states = reference.forward(network, image)[signature.hidden_forward(1)][0]
    cell = cut.layers[0].forward
    np.testing.assert_allclose(cell.recurrent_kernel, np.outer(states[-2], cell.bias))
    assert np.abs(whole.layers[0].forward.kernel - cell.kernel).max() > 1e-3
