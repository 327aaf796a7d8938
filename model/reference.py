"""The forward pass by hand, in NumPy and float64: the oracle.

Hold each function against the equations in `model/network.py`; everything else that
computes this network (Keras, SavedModel, both ONNX forms) is tested against it.
"""

import numpy as np

from model import signature
from model.weights import Cell, Dense, Layer, Network, Normalization

ACTIVATIONS = {"tanh": np.tanh, "relu": lambda a: np.maximum(a, 0)}


def forward(network: Network, images: np.ndarray) -> dict[str, np.ndarray]:
    """Compute every output of the network.

    Args:
        network: from `model.weights.load`.
        images: (batch, 28, 28), raw pixels 0..255.

    Returns:
        Float64 arrays with the names and shapes of `model.signature`.
    """
    states = {}
    x = images.astype(np.float64) * network.scale  # (batch, steps, pixels)
    for number, layer in enumerate(network.layers, start=1):
        rows = network.window if number == 1 else 1
        h = read(layer.forward, layer.activation, window(x, rows))  # (batch, steps, units)
        states[signature.hidden_forward(number)] = h
        if layer.backward is not None:
            k = read_upward(layer.backward, layer.activation, x, rows)
            states[signature.hidden_backward(number)] = k
            h = merge(layer, h, k)
        x = h if layer.normalization is None else normalize(layer.normalization, h)

    y = dense(network.readout, x)  # (batch, steps, digits)
    logits = y.mean(axis=1) if network.bidirectional else y[:, -1]
    belief = y
    if network.belief is not None:
        belief = dense(network.belief, states[signature.hidden_forward(1)])
    score = {}
    if network.score is not None:
        hidden, readout = network.score
        features = np.maximum(dense(hidden, x.mean(axis=1)), 0)
        score = {signature.SCORE: 1 / (1 + np.exp(-dense(readout, features)))}  # (batch, 1)
    return {
        signature.PROBABILITIES: softmax(logits),
        signature.STEP_PROBABILITIES: softmax(belief),
        **score,
        **states,
    }


def read(cell: Cell, activation: str, x: np.ndarray) -> np.ndarray:
    """h_t = f(W h_{t-1} + U x_t + b), h_0 = 0: (batch, steps, inputs) to (batch, steps, units)."""
    f = ACTIVATIONS[activation]
    h = np.zeros((len(x), cell.units))
    states = []
    for t in range(x.shape[1]):
        h = f(h @ cell.recurrent_kernel + x[:, t] @ cell.kernel + cell.bias)
        states.append(h)
    return np.stack(states, axis=1)


def read_upward(cell: Cell, activation: str, x: np.ndarray, rows: int = 1) -> np.ndarray:
    """The same from the last row to the first; index t is the state at row t."""
    return read(cell, activation, window(x[:, ::-1], rows))[:, ::-1]


def window(x: np.ndarray, rows: int) -> np.ndarray:
    """The `rows` rows read last, oldest first, side by side; before the first one is nothing."""
    padded = np.pad(x, ((0, 0), (rows - 1, 0), (0, 0)))
    return np.concatenate([padded[:, k : k + x.shape[1]] for k in range(rows)], axis=-1)


def merge(layer: Layer, h: np.ndarray, k: np.ndarray) -> np.ndarray:
    """h_t + k_t, or [h_t, k_t]."""
    return h + k if layer.merge_mode == "sum" else np.concatenate([h, k], axis=-1)


def normalize(norm: Normalization, x: np.ndarray) -> np.ndarray:
    """Ba et al. 2016, eq. 4, for each image and step."""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    return centred / np.sqrt(variance + norm.epsilon) * norm.gamma + norm.beta


def dense(layer: Dense, x: np.ndarray) -> np.ndarray:
    """y = V x + c at every step."""
    return x @ layer.kernel + layer.bias


def softmax(logits: np.ndarray) -> np.ndarray:
    """exp(z_i) / sum_j exp(z_j); the largest is taken off first, so that exp cannot overflow."""
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def relative_error(expected: np.ndarray, actual: np.ndarray) -> float:
    """Largest absolute difference as a share of the largest |expected|, or of 1 if that is smaller.

    Raises:
        ValueError: the shapes differ. A NaN on either side counts as an infinite error.
    """
    if expected.shape != actual.shape:
        raise ValueError(f"shapes differ: expected {expected.shape}, got {actual.shape}")
    worst = np.abs(expected - actual).max()
    return float(worst / max(1.0, np.abs(expected).max())) if np.isfinite(worst) else float("inf")
