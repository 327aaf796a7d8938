"""The forward pass by hand, in NumPy and float64: the oracle.

Hold each function against the equations in `model/network.py`; everything else that
computes this network (Keras, SavedModel, both ONNX forms) is tested against it. Print the
hidden states that a network has for an image:

python -m model.reference IMAGE --steps 1,14,28
"""

import argparse
import csv
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model import signature
from model.cards import RELEASE
from model.weights import Cell, Dense, Layer, Network, Normalization, load_arrays

ACTIVATIONS = {"tanh": np.tanh, "relu": lambda a: np.maximum(a, 0)}


def forward(network: Network, images: np.ndarray) -> dict[str, np.ndarray]:
    """Compute every output of the network.

    Args:
        network: from `model.weights.load`.
        images: (batch, 28, 28), raw pixels 0..255.

    Returns:
        Float64 arrays with the names and shapes of `model.signature`.
    """
    states, [*_, x] = read_layers(network, images)
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


def read_layers(
    network: Network, images: np.ndarray
) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    """The states by name, and what each layer reads, then the read-out: (batch, steps, inputs)."""
    states = {}
    inputs = [images.astype(np.float64) * network.scale]
    for number, layer in enumerate(network.layers, start=1):
        rows = network.window if number == 1 else 1
        h = read(layer.forward, layer.activation, window(inputs[-1], rows))
        states[signature.hidden_forward(number)] = h
        if layer.backward is not None:
            k = read_upward(layer.backward, layer.activation, inputs[-1], rows)
            states[signature.hidden_backward(number)] = k
            h = merge(layer, h, k)
        inputs.append(h if layer.normalization is None else normalize(layer.normalization, h))
    return states, inputs


@dataclass(frozen=True)
class StateTerms:
    """A unit's state at a step, h_t[j] = f(Σ_i U[j, i] x_t[i] + Σ_i W[j, i] h_{t−1}[i] + b[j])."""

    x: np.ndarray  # (inputs,), x_t; with a window its rows, the one read first first
    before: np.ndarray  # (units,), h_{t−1}, or k_{t+1} of an upward reader
    inputs: np.ndarray  # (inputs,), U[j, i] x_t[i]
    recurrent: np.ndarray  # (units,), W[j, i] h_{t−1}[i]
    bias: float
    total: float  # f's argument
    state: float


def state_terms(
    network: Network, image: np.ndarray, output: str, step: int, unit: int
) -> StateTerms:
    """Everything that one state is the sum of.

    Args:
        image: (28, 28), raw pixels 0..255.
        output: name of the reader's states, as in `model.signature`.
        step: 1..28, the row.
        unit: from 0.

    Raises:
        KeyError: no such output. IndexError: no such step or unit.
    """
    states, inputs = read_layers(network, image[None])
    [h] = states[output]
    if not (1 <= step <= len(h) and 0 <= unit < h.shape[-1]):
        raise IndexError(f"{output} has steps 1 to {len(h)} and units 0 to {h.shape[-1] - 1}")
    direction, number = signature.layer_of(output)
    layer = network.layers[number - 1]
    upward = direction == "backward"
    cell = layer.backward if upward else layer.forward
    x, t = inputs[number - 1], step - 1
    if upward:  # it reads the rows turned round
        x, h, t = x[:, ::-1], h[::-1], signature.STEPS - step
    [seen] = window(x, network.window if number == 1 else 1)
    before = h[t - 1] if t else np.zeros(cell.units)
    by_input = seen[t] * cell.kernel[:, unit]
    recurrent = before * cell.recurrent_kernel[:, unit]
    total = by_input.sum() + recurrent.sum() + cell.bias[unit]
    bias, state = float(cell.bias[unit]), float(h[t, unit])
    return StateTerms(seen[t], before, by_input, recurrent, bias, float(total), state)


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


def read_image(path: Path) -> np.ndarray:
    """(28, 28), raw pixels 0..255: an image file made ready by `model.images`, a ``.npy`` as it is.

    Raises:
        ValueError: one line that says why it cannot be read.
    """
    from model.images.files import PictureError, open_picture  # Pillow, for the command alone
    from model.images.preprocess import preprocess

    if not path.is_file():
        raise ValueError(f"no such file: {path}")
    if path.suffix == ".npy":
        try:
            image = np.load(path, allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise ValueError(f"{path} is not a readable .npy file: {error}") from error
        shape = (signature.STEPS, signature.PIXELS)
        if image.shape != shape or image.dtype.kind not in "buif":
            raise ValueError(f"{path} must hold 28 x 28 numbers, not {image.dtype} {image.shape}")
        image = image.astype(np.float64)
        if not ((image >= 0) & (image <= signature.WHITE)).all():
            raise ValueError(f"{path} must hold pixels 0..255")
        return image
    try:
        found = preprocess(open_picture(path.read_bytes(), MOST_PIXELS))
    except PictureError as error:
        raise ValueError(f"{path}: {error}") from error
    if not found.has_ink:
        raise ValueError(f"{path} shows no ink")
    return found.image


MOST_PIXELS = 50_000_000  # of an image file


def parse_steps(text: str) -> list[int]:
    """``1,14,28`` as numbers 1..28."""
    steps = [int(part) if part.strip().isdecimal() else 0 for part in text.split(",")]
    if not all(1 <= step <= signature.STEPS for step in steps):
        raise ValueError(f"--steps must be numbers from 1 to {signature.STEPS}, not {text!r}")
    return steps


def as_text(states: dict[str, np.ndarray], steps: Sequence[int]) -> str:
    """Eight units a line, after the number of the first, counted from 0."""
    lines = []
    for name, array in states.items():
        for step, state in zip(steps, array, strict=True):
            lines.append(f"{name}, step {step}")
            for first in range(0, len(state), 8):
                row = " ".join(f"{value:11.8f}" for value in state[first : first + 8])
                lines.append(f"{first:5d}  {row}")
    return "\n".join(lines) + "\n"


def as_csv(states: dict[str, np.ndarray], steps: Sequence[int]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("state", "step", "unit", "value"))
    for name, array in states.items():
        for step, state in zip(steps, array, strict=True):
            writer.writerows((name, step, unit, value) for unit, value in enumerate(state.tolist()))
    return file.getvalue()


def as_npz(states: dict[str, np.ndarray], steps: Sequence[int]) -> bytes:
    file = io.BytesIO()
    np.savez(file, steps=np.array(steps), **states)
    return file.getvalue()


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "python -m model.reference",
        description="Print the hidden states that a network has for an image, in float64.",
    )
    parser.add_argument(
        "image", type=Path, help="an image file, or a .npy of 28 x 28 pixels 0..255"
    )
    parser.add_argument("--steps", default=",".join(map(str, range(1, 29))), help="(all of 1..28)")
    parser.add_argument(
        "--network", type=Path, default=RELEASE / "elman.npz", help="weights, .npz (elman)"
    )
    parser.add_argument("--format", choices=("text", "csv", "npz"), default="text", help="(text)")
    options = parser.parse_args(argv)
    try:
        steps = parse_steps(options.steps)
        network, image = load_arrays(options.network), read_image(options.image)
    except (ValueError, OSError) as error:
        print(f"python -m model.reference: {error}", file=sys.stderr)
        return 2
    outputs = forward(network, image[None])
    rows = [step - 1 for step in steps]
    states = {name: of[0, rows] for name, of in outputs.items() if signature.layer_of(name)}
    if options.format == "npz":
        sys.stdout.buffer.write(as_npz(states, steps))
    else:
        sys.stdout.write({"text": as_text, "csv": as_csv}[options.format](states, steps))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
