"""The backward pass by hand, in NumPy: how a logit depends on every pixel and every state, and
how the loss depends on every weight.

Back-propagation through time (Werbos 1990) for the equations in `model/network.py`. With z the
logit and f'(a) = 1 - h² for tanh, 1 where h > 0 for relu, a reader's total derivatives are

    δ_t = ∂z/∂h_t = g_t + Wᵀ (f'(a_{t+1}) δ_{t+1}),  δ = 0 after its last row
    ∂z/∂x_t = Uᵀ (f'(a_t) δ_t)

    ∂z/∂W = Σ_t f'(a_t) δ_t h_{t-1}ᵀ,  ∂z/∂U = Σ_t f'(a_t) δ_t x_tᵀ,  ∂z/∂b = Σ_t f'(a_t) δ_t

where g_t comes from what stands above the reader. Only the states of a forward pass are needed,
not its sums a_t: both derivatives f' follow from h. The upward reader is the same from the last
row to the first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from model import reference, signature
from model.weights import Cell, Dense, Layer, Network, Normalization

SLOPES = {"tanh": lambda h: 1 - h**2, "relu": lambda h: (h > 0).astype(h.dtype)}


@dataclass(frozen=True)
class Gradients:
    """Derivatives of one logit for one image; a state's holds all that it changes later on.

    `pixels` is (28, 28), per unit of a pixel scaled to 0..1; `states` has (28, units) by output
    name, in the order of `model.signature`.
    """

    pixels: np.ndarray
    states: dict[str, np.ndarray]


def answer_gradients(
    network: Network, states: Mapping[str, np.ndarray], digit: int | Sequence[int]
) -> Gradients:
    """Differentiate the answer's logit of `digit`, the number before the softmax.

    Args:
        network: from `model.weights`.
        states: (28, units) by output name, as `reference.forward` or the exported network gave
            them for the image; other outputs may be there too. Their dtype is that of the
            computation and the result.
        digit: 0..9. With several, one for each image, all arrays have an axis for the images first.

    Raises:
        KeyError: a reader's states are missing.
    """
    dtype = states[signature.hidden_forward(1)].dtype
    if isinstance(digit, Sequence):
        above = np.stack([_readout(network, each, dtype) for each in digit])
    else:
        above = _readout(network, digit, dtype)
    found, _, pixels = _back(network, states, above)
    return Gradients(pixels, {name: found[name] for name in states if name in found})


def _back(
    network: Network, states: Mapping[str, np.ndarray], above: np.ndarray, piece: int = 0
) -> tuple[dict[str, np.ndarray], dict[int, np.ndarray], np.ndarray]:
    """From ∂z/∂(what the read-out sees) to the first layer's pixels; leading axes are a batch.

    Returns:
        δ by the state's name, ∂z/∂(its output) by the layer's number, and ∂z/∂pixels.
    """
    found, outputs = {}, {}
    for number, layer in reversed(list(enumerate(network.layers, start=1))):
        outputs[number] = above
        rows = network.window if number == 1 else 1
        down, up = signature.hidden_forward(number), signature.hidden_backward(number)
        h, k = states[down], None if layer.backward is None else states[up]
        if layer.normalization is not None:
            above = normalization_gradient(layer.normalization, _merged(layer, h, k), above)
        to_h, to_k = _parts(layer, above)
        found[down], steps = reader_gradients(layer.forward, layer.activation, h, to_h, piece)
        above = window_gradient(steps, rows)
        if k is not None:
            turned, steps = reader_gradients(
                layer.backward, layer.activation, _turned(k), _turned(to_k), piece
            )
            found[up] = _turned(turned)
            above = above + _turned(window_gradient(steps, rows))
    return found, outputs, above


def loss_gradients(
    network: Network, images: np.ndarray, labels: np.ndarray, piece: int = 0
) -> tuple[float, Network]:
    """Differentiate the mean cross-entropy of the answer by every weight that it depends on.

    Args:
        network: from `model.weights`.
        images: (batch, 28, 28), raw pixels 0..255.
        labels: (batch,), digits.
        piece: steps after which each reader hands no gradient back (truncated back-propagation
            through time, the state carried on); 0: never.

    Returns:
        The loss, and a `Network` that holds each weight's derivative in float64 in the weight's
        place. Belief and score are None: the answer does not depend on them.
    """
    states = reference.forward(network, images)
    error = states[signature.PROBABILITIES].copy()  # ∂loss/∂logits = (p - 1 at the label) / batch
    rows = np.arange(len(images))
    loss = -np.log(np.maximum(error[rows, labels], np.finfo(float).tiny)).mean()
    error[rows, labels] -= 1
    error /= len(images)

    inputs = [images * network.scale]  # of each layer, and last of the read-out
    for number, layer in enumerate(network.layers, start=1):
        h = states[signature.hidden_forward(number)]
        k = states.get(signature.hidden_backward(number))
        merged = _merged(layer, h, k)
        norm = layer.normalization
        inputs.append(merged if norm is None else reference.normalize(norm, merged))
    seen = inputs[-1].mean(axis=1) if network.bidirectional else inputs[-1][:, -1]
    above = np.zeros_like(inputs[-1])
    to_seen = (error @ network.readout.kernel.T)[:, None]
    if network.bidirectional:
        above += to_seen / signature.STEPS
    else:
        above[:, -1:] = to_seen
    found, outputs, _ = _back(network, states, above, piece)

    def layer_gradients(number: int, layer: Layer) -> Layer:
        x, window = inputs[number - 1], network.window if number == 1 else 1
        down, up = signature.hidden_forward(number), signature.hidden_backward(number)
        seen_down = reference.window(x, window)
        changes = {
            "forward": cell_gradients(layer.activation, seen_down, states[down], found[down])
        }
        if layer.backward is not None:
            turned = (_turned(array) for array in (states[up], found[up]))
            seen_up = reference.window(_turned(x), window)
            changes["backward"] = cell_gradients(layer.activation, seen_up, *turned)
        norm = layer.normalization
        if norm is not None:
            plain = replace(norm, gamma=np.ones_like(norm.gamma), beta=np.zeros_like(norm.beta))
            merged = _merged(layer, states[down], states.get(up))
            unit, by = reference.normalize(plain, merged), outputs[number]
            changes["normalization"] = replace(
                norm, gamma=(by * unit).sum(axis=(0, 1)), beta=by.sum(axis=(0, 1))
            )
        return replace(layer, **changes)

    return float(loss), replace(
        network,
        layers=tuple(layer_gradients(n, layer) for n, layer in enumerate(network.layers, start=1)),
        readout=Dense(seen.T @ error, error.sum(axis=0)),
        belief=None,
        score=None,
    )


def cell_gradients(activation: str, x: np.ndarray, h: np.ndarray, total: np.ndarray) -> Cell:
    """∂L/∂U, ∂L/∂W and ∂L/∂b of one reader, each in the place of the weight.

    Args:
        x: (batch, steps, inputs), what it read, in its own order.
        h: (batch, steps, units), its states, from h_0 = 0 on.
        total: (batch, steps, units), δ_t.
    """
    local = SLOPES[activation](h) * total
    before = np.concatenate([np.zeros_like(h[:, :1]), h[:, :-1]], axis=1)
    both = ([0, 1], [0, 1])  # summed over images and steps
    return Cell(
        kernel=np.tensordot(x, local, both),
        recurrent_kernel=np.tensordot(before, local, both),
        bias=local.sum(axis=(0, 1)),
    )


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
    cell: Cell, activation: str, h: np.ndarray, above: np.ndarray, piece: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """δ_t and ∂z/∂x_t of one reader that goes from the first row to the last.

    Args:
        h: (..., steps, units), its states.
        above: (..., steps, units), g_t.
        piece: steps after which nothing is handed back to the state before; 0: never.

    Returns:
        (..., steps, units) and (..., steps, inputs).
    """
    # Each Wᵀ is the array itself: `Cell` keeps the transposed matrices.
    recurrent = cell.recurrent_kernel.astype(h.dtype, copy=False)
    slopes = SLOPES[activation](h)
    total = above.copy()
    for t in range(h.shape[-2] - 1, 0, -1):
        if not (piece and t % piece == 0):
            total[..., t - 1, :] += (slopes[..., t, :] * total[..., t, :]) @ recurrent.T
    return total, (slopes * total) @ cell.kernel.T


def normalization_gradient(norm: Normalization, x: np.ndarray, above: np.ndarray) -> np.ndarray:
    """∂z/∂x of y = γ x̂ + β, x̂ = (x - μ) / σ, for each step (Ioffe & Szegedy 2015, section 3,
    with the mean over the features): (γg - mean(γg) - x̂ mean(γg x̂)) / σ.

    Args:
        x: (..., features), before the normalization.
        above: (..., features), g = ∂z/∂y.
    """
    centred = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + norm.epsilon)
    unit = centred / deviation
    scaled = above * norm.gamma
    along = (scaled * unit).mean(axis=-1, keepdims=True)
    return (scaled - scaled.mean(axis=-1, keepdims=True) - unit * along) / deviation


def window_gradient(above: np.ndarray, rows: int) -> np.ndarray:
    """(..., steps, rows * inputs) to (..., steps, inputs): a row counts where it is still seen."""
    steps = above.shape[-2]
    shape = (*above.shape[:-2], steps + rows - 1, above.shape[-1] // rows)
    padded = np.zeros(shape, above.dtype)
    for age, part in enumerate(np.split(above, rows, axis=-1)):  # oldest first
        padded[..., age : age + steps, :] += part
    return padded[..., rows - 1 :, :]


def _turned(x: np.ndarray) -> np.ndarray:
    """From the last row to the first."""
    return x[..., ::-1, :]


def _merged(layer: Layer, h: np.ndarray, k: np.ndarray | None) -> np.ndarray:
    return h if k is None else reference.merge(layer, h, k)


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
        down, up = np.split(above, [layer.forward.units], axis=-1)
        return down, up
    return above, above
