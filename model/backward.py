"""The backward pass by hand, in NumPy: how a logit depends on every pixel and every state.

Back-propagation through time (Werbos 1990) for the equations in `model/network.py`. With z the
logit and f'(a) = 1 - h² for tanh, 1 where h > 0 for relu, a reader's total derivatives are

    δ_t = ∂z/∂h_t = g_t + Wᵀ (f'(a_{t+1}) δ_{t+1}),  δ = 0 after its last row
    ∂z/∂x_t = Uᵀ (f'(a_t) δ_t)

where g_t comes from what stands above the reader. Only the states of a forward pass are needed,
not its sums a_t: both derivatives f' follow from h. The upward reader is the same from the last
row to the first.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from model import reference, signature
from model.weights import Cell, Layer, Network, Normalization

SLOPES = {"tanh": lambda h: 1 - h**2, "relu": lambda h: (h > 0).astype(h.dtype)}


@dataclass(frozen=True)
class Gradients:
    """Derivatives of one logit for one image; a state's holds all that it changes later on.

    `pixels` is (28, 28), per unit of a pixel scaled to 0..1; `states` has (28, units) by output
    name, in the order of `model.signature`.
    """

    pixels: np.ndarray
    states: dict[str, np.ndarray]


def answer_gradients(network: Network, states: Mapping[str, np.ndarray], digit: int) -> Gradients:
    """Differentiate the answer's logit of `digit`, the number before the softmax.

    Args:
        network: from `model.weights`.
        states: (28, units) by output name, as `reference.forward` or the exported network gave
            them for the image; other outputs may be there too. Their dtype is that of the
            computation and the result.
        digit: 0..9.

    Raises:
        KeyError: a reader's states are missing.
    """
    above = _readout(network, digit, states[signature.hidden_forward(1)].dtype)
    found = {}
    for number, layer in reversed(list(enumerate(network.layers, start=1))):
        rows = network.window if number == 1 else 1
        down, up = signature.hidden_forward(number), signature.hidden_backward(number)
        h, k = states[down], None if layer.backward is None else states[up]
        if layer.normalization is not None:
            merged = h if k is None else reference.merge(layer, h, k)
            above = normalization_gradient(layer.normalization, merged, above)
        to_h, to_k = _parts(layer, above)
        found[down], steps = reader_gradients(layer.forward, layer.activation, h, to_h)
        above = window_gradient(steps, rows)
        if k is not None:
            turned, steps = reader_gradients(layer.backward, layer.activation, k[::-1], to_k[::-1])
            found[up] = turned[::-1]
            above = above + window_gradient(steps, rows)[::-1]
    return Gradients(above, {name: found[name] for name in states if name in found})


def belief_gradients(network: Network, states: Mapping[str, np.ndarray], digit: int) -> np.ndarray:
    """Differentiate the last belief's logit of `digit` by the first layer's downward states.

    Their norms over the rows are the gradient through time that vanishes or explodes (Pascanu
    et al. 2013, eq. 5): the further a row lies back, the more factors Wᵀ f' stand before it.

    Args:
        network, states, digit: as in `answer_gradients`.

    Returns:
        (28, units), row by row.
    """
    name = signature.hidden_forward(1)
    if network.belief is None:  # then the last belief is the answer
        return answer_gradients(network, states, digit).states[name]
    h = states[name]
    above = np.zeros_like(h)
    above[-1] = network.belief.kernel[:, digit]
    layer = network.layers[0]
    return reader_gradients(layer.forward, layer.activation, h, above)[0]


def reader_gradients(
    cell: Cell, activation: str, h: np.ndarray, above: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """δ_t and ∂z/∂x_t of one reader that goes from the first row to the last.

    Args:
        h: (steps, units), its states.
        above: (steps, units), g_t.

    Returns:
        (steps, units) and (steps, inputs).
    """
    # Each Wᵀ is the array itself: `Cell` keeps the transposed matrices.
    recurrent = cell.recurrent_kernel.astype(h.dtype, copy=False)
    slopes = SLOPES[activation](h)
    total = above.copy()
    for t in range(len(h) - 1, 0, -1):
        total[t - 1] += recurrent @ (slopes[t] * total[t])
    return total, (slopes * total) @ cell.kernel.T


def normalization_gradient(norm: Normalization, x: np.ndarray, above: np.ndarray) -> np.ndarray:
    """∂z/∂x of y = γ x̂ + β, x̂ = (x - μ) / σ, for each step (Ioffe & Szegedy 2015, section 3,
    with the mean over the features): (γg - mean(γg) - x̂ mean(γg x̂)) / σ.

    Args:
        x: (steps, features), before the normalization.
        above: (steps, features), g = ∂z/∂y.
    """
    centred = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + norm.epsilon)
    unit = centred / deviation
    scaled = above * norm.gamma
    along = (scaled * unit).mean(axis=-1, keepdims=True)
    return (scaled - scaled.mean(axis=-1, keepdims=True) - unit * along) / deviation


def window_gradient(above: np.ndarray, rows: int) -> np.ndarray:
    """(steps, rows * inputs) to (steps, inputs): a row counts in each step that still sees it."""
    steps = len(above)
    padded = np.zeros((steps + rows - 1, above.shape[1] // rows), above.dtype)
    for age, part in enumerate(np.split(above, rows, axis=1)):  # oldest first
        padded[age : age + steps] += part
    return padded[rows - 1 :]


def _readout(network: Network, digit: int, dtype: np.dtype) -> np.ndarray:
    """Derivative by what the read-out sees, (28, features): of the mean of all y_t, or the last."""
    column = network.readout.kernel[:, digit].astype(dtype)
    above = np.zeros((signature.STEPS, len(column)), dtype)
    if network.bidirectional:
        above[:] = column / signature.STEPS
    else:
        above[-1] = column
    return above


def _parts(layer: Layer, above: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For the downward and the upward states, of the derivative by both merged."""
    if layer.merge_mode == "concat":
        down, up = np.split(above, [layer.forward.units], axis=1)
        return down, up
    return above, above
