"""The sheet's exercises on a drawing, with the trained `elman` and with fresh ones.

h_t = tanh(W h_{t−1} + U x_t + b), z = V h_28 + c, 128 units, 28 rows of 28 pixels, in float64.
Rows count from 1, as t does, units and strokes from 0. A gradient is that of the cross-entropy of
the answer at the `label`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model import reference, signature
from model.backward import loss_gradients
from model.fresh import fresh
from model.images.preprocess import preprocess
from model.images.strokes import render, without_each
from model.lab import clipping as methods
from model.lab.arithmetic import slope
from model.lab.parameters import Whole
from model.weights import Network

TRAINED, SATURATED = "elman", "elman-saturated"
GAINS = (1.0, 3.0, 10.0, 30.0)
SATURATES = 0.99  # |h| above it
MOST_STROKES = 20  # a digit has five at most
BLOCK = 4  # rows of a picture that has no strokes


@dataclass(frozen=True)
class Drawing:
    """What a panel is asked about.

    Attributes:
        rows: (28, 28), raw pixels 0..255, as the network gets them.
        network: finds a trained network by its name.
        strokes: (points, 2) each, as the pen drew them; None for a picture.
    """

    rows: np.ndarray
    network: Callable[[str], Network]
    strokes: Sequence[np.ndarray] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", np.asarray(self.rows, np.float64))

    def read_by(self, name: str) -> Network:
        """The network `name`.

        Raises:
            ValueError: it is not the textbook's.
        """
        network = self.network(name)
        [first, *others] = network.layers
        plain = not (others or first.backward or first.normalization or network.window > 1)
        if not plain or first.activation != "tanh":
            raise ValueError(
                f"the network called {name!r} here is not one tanh reader: take the one of "
                "model/release"
            )
        return network


def variables(network: Network) -> dict[str, np.ndarray]:
    """The weights of the textbook's network, or their gradients, by their letters."""
    cell, readout = network.layers[0].forward, network.readout
    return {
        "U": cell.kernel,
        "W": cell.recurrent_kernel,
        "b": cell.bias,
        "V": readout.kernel,
        "c": readout.bias,
    }


def _gradient(
    network: Network, rows: np.ndarray, label: int, piece: int = 0
) -> tuple[float, dict[str, np.ndarray]]:
    """Loss and gradient, in rows of numbers by letter."""
    loss, gradients = loss_gradients(network, rows[None], np.array([label]), piece)
    return loss, {name: of.ravel() for name, of in variables(gradients).items()}


def _label(drawing: Drawing, label: int | None) -> int:
    """`label`, or what the trained network answers.

    Raises:
        ValueError: it is no digit.
    """
    if label is None:
        network = drawing.read_by(TRAINED)
        return int(reference.forward(network, drawing.rows[None])[signature.PROBABILITIES].argmax())
    if label >= signature.DIGITS:
        raise ValueError(f"label must be a digit, not {label}")
    return label


def graph(drawing: Drawing, row: int = 14, unit: Whole = 0) -> dict[str, Any]:
    """Exercise 1: what one unit of the trained `elman` computes at one row.

    Returns:
        `row` and `unit`; `x` (28), the row's pixels scaled to 0..1, `U` (28), the unit's weights
        of them, and `Ux`, their products; `before` (128), h_{t−1}, with `W` and `Wh` alike; the
        sums `sum_Ux` and `sum_Wh`; `b`, `tau`, `h` and `slope`, tanh'(τ).

    Raises:
        ValueError: no such row or unit.
    """
    network = drawing.read_by(TRAINED)
    cell = network.layers[0].forward
    if row > signature.STEPS:
        raise ValueError(f"row must be 1 to {signature.STEPS}, not {row}")
    if unit >= cell.units:
        raise ValueError(f"unit must be 0 to {cell.units - 1}, not {unit}")
    terms = reference.state_terms(network, drawing.rows, signature.hidden_forward(1), row, unit)
    return {
        "row": row,
        "unit": unit,
        "x": terms.x.tolist(),
        "U": cell.kernel[:, unit].tolist(),
        "Ux": terms.inputs.tolist(),
        "before": terms.before.tolist(),
        "W": cell.recurrent_kernel[:, unit].tolist(),
        "Wh": terms.recurrent.tolist(),
        "sum_Ux": float(terms.inputs.sum()),
        "sum_Wh": float(terms.recurrent.sum()),
        "b": terms.bias,
        "tau": terms.total,
        "h": terms.state,
        "slope": slope(terms.total),
    }


def clipping(
    drawing: Drawing, c: float = 1.0, label: Whole | None = None, seed: int = 1
) -> dict[str, Any]:
    """Exercise 4: the first gradient of a fresh `elman`, clipped in each way.

    Args:
        c: the threshold of all three.
        label: what the drawing shows; as the trained `elman` answers, if it is not told.
        seed: of the fresh weights.

    Returns:
        `label`, `loss`, `norm` of the whole gradient and `norms` by variable; and `clipped`: by
        method `norm`, `norms` and `angle` to the gradient in degrees.

    Raises:
        ValueError: c is not above 0, or `label` is no digit.
    """
    label = _label(drawing, label)
    loss, gradient = _gradient(fresh(seed=seed), drawing.rows, label)
    vectors = [*gradient.values()]
    whole = np.concatenate(vectors)

    def norms(of: list[np.ndarray]) -> dict[str, Any]:
        return {
            "norm": methods.norm(np.concatenate(of)),
            "norms": {name: methods.norm(v) for name, v in zip(gradient, of, strict=True)},
        }

    return {
        "label": label,
        "loss": loss,
        **norms(vectors),
        "clipped": {
            method: norms(of) | {"angle": methods.angle(whole, np.concatenate(of))}
            for method, of in methods.clip(vectors, c).items()
        },
    }


def saturation(drawing: Drawing, label: Whole | None = None, seed: int = 1) -> dict[str, Any]:
    """Exercise 6: the states of a fresh `elman` by the gain of its input weights.

    Args:
        label, seed: as of `clipping`.

    Returns:
        `label`; `fresh`, for each `input_gain` `saturated`, the share of all |h| above 0.99, and
        `slope`, the median of tanh'(τ), `loss`, and `norms` of ∂L/∂U, ∂L/∂W and ∂L/∂b; and
        `trained`, `saturated` and `slope` of `elman` and `elman-saturated` by name. The gradient
        has tanh' = 1 − h², wrong by 1e-16 at most, which no norm shows.

    Raises:
        ValueError: `label` is no digit.
    """
    label = _label(drawing, label)

    def start(gain: float) -> dict[str, Any]:
        network = fresh(gain, seed)
        loss, gradient = _gradient(network, drawing.rows, label)
        norms = {name: methods.norm(gradient[name]) for name in ("U", "W", "b")}
        return {"input_gain": gain, **_saturation(network, drawing.rows)} | {
            "loss": loss,
            "norms": norms,
        }

    return {
        "label": label,
        "fresh": [start(gain) for gain in GAINS],
        "trained": {
            name: _saturation(drawing.read_by(name), drawing.rows) for name in (TRAINED, SATURATED)
        },
    }


def _saturation(network: Network, rows: np.ndarray) -> dict[str, float]:
    cell, h = network.layers[0].forward, _states(network, rows)
    before = np.concatenate([np.zeros_like(h[:1]), h[:-1]])
    tau = before @ cell.recurrent_kernel + rows * network.scale @ cell.kernel + cell.bias
    e = np.exp(-2 * np.abs(tau))  # as in `arithmetic.slope`
    return {
        "saturated": float((np.abs(h) > SATURATES).mean()),
        "slope": float(np.median(4 * e / (1 + e) ** 2)),
    }


def _states(network: Network, rows: np.ndarray) -> np.ndarray:
    """(28, units). One picture at a time: in a batch, equal rows may differ in the last digit."""
    return reference.forward(network, rows[None])[signature.hidden_forward(1)][0]


def inputs(drawing: Drawing) -> dict[str, Any]:
    """Exercise 3: which states of the trained `elman` each part of the drawing changes.

    A part is a stroke or, of a picture or more than 20 strokes, a block of four rows that has
    ink. What is left without it stays where it is.

    Returns:
        `kind`, "stroke" or "rows"; `parts`, each with `rows`, the first and the last whose pixels
        it changes (null where other strokes hide it), `first_row`, the first whose state it
        changes, and `changes`, ‖h_t − h_t without it‖ / ‖h_t‖ by row, exactly 0 before that; a
        stroke has its number as `stroke`. And `first_changed`, by row of the picture, the first
        row whose state its ink changes (null for a row without).
    """
    network, rows = drawing.read_by(TRAINED), drawing.rows
    h = _states(network, rows)
    norms = np.linalg.norm(h, axis=1)

    def change(other: np.ndarray) -> np.ndarray:
        moved = np.linalg.norm(h - _states(network, other), axis=1)
        return np.divide(moved, norms, out=np.zeros_like(moved), where=norms > 0)

    def first(changes: np.ndarray) -> int | None:
        return int(changes.argmax()) + 1 if (changes := changes > 0).any() else None

    def without(*erased: int) -> np.ndarray:
        other = rows.copy()
        other[[*erased]] = 0
        return other

    strokes = drawing.strokes or []
    by_stroke = 1 <= len(strokes) <= MOST_STROKES
    if by_stroke:
        place = preprocess(render(strokes)).place
        left = [place(picture).astype(np.float64) for picture in without_each(strokes)]
    else:
        blocks = range(0, signature.STEPS, BLOCK)
        left = [without(*range(block, block + BLOCK)) for block in blocks]
    parts = []
    for number, other in enumerate(left):
        inked = np.flatnonzero((rows != other).any(axis=1)) + 1
        changes = change(other)
        if by_stroke or len(inked):
            parts.append(
                {
                    **({"stroke": number} if by_stroke else {}),
                    "rows": [int(inked[0]), int(inked[-1])] if len(inked) else None,
                    "first_row": first(changes),
                    "changes": changes.tolist(),
                }
            )
    return {
        "kind": "stroke" if by_stroke else "rows",
        "parts": parts,
        "first_changed": [first(change(without(row))) for row in range(signature.STEPS)],
    }


def truncation(drawing: Drawing, piece: int = 7) -> dict[str, Any]:
    """Exercise 7: the trained `elman` with its 28 rows cut into pieces of `piece` rows.

    The label is its own answer.

    Returns:
        `label`; `stored`, states that the backward pass keeps of the `whole` and of one `piece`,
        each of `units` numbers; and `whole`, `carry` and `reset`. Each has `answer`,
        `probabilities` (10), `belief` (28, 10), `rows`, how many of them the answer depends on,
        `gradient_rows`, through how many the gradient goes back, and by letter, for ∂L/∂W and
        ∂L/∂U, `cosine` with the whole one (null where one is 0) and `ratio` of its norm to it.
    """
    network, rows = drawing.read_by(TRAINED), drawing.rows
    cuts = range(0, signature.STEPS, piece)
    last = signature.STEPS - cuts[-1]
    whole = reference.forward(network, rows[None])
    parts = [reference.forward(network, rows[None, cut : cut + piece]) for cut in cuts]
    label = int(whole[signature.PROBABILITIES].argmax())
    belief = np.concatenate([part[signature.STEP_PROBABILITIES][0] for part in parts])
    _, expected = _gradient(network, rows, label)

    def described(
        belief: np.ndarray, seen: int, felt: int, gradient: dict[str, np.ndarray]
    ) -> dict[str, Any]:
        compared = {name: _compared(expected[name], gradient[name]) for name in ("W", "U")}
        return {
            "answer": int(belief[-1].argmax()),
            "probabilities": belief[-1].tolist(),
            "belief": belief.tolist(),
            "rows": seen,
            "gradient_rows": felt,
            **{kind: {n: of[kind] for n, of in compared.items()} for kind in ("cosine", "ratio")},
        }

    carried = whole[signature.STEP_PROBABILITIES][0]
    carry = _gradient(network, rows, label, piece)[1]
    reset = _gradient(network, rows[-last:], label)[1]  # h before them is 0
    return {
        "label": label,
        "units": network.layers[0].forward.units,
        "stored": {"whole": signature.STEPS, "piece": min(piece, signature.STEPS)},
        "whole": described(carried, signature.STEPS, signature.STEPS, expected),
        "carry": described(carried, signature.STEPS, last, carry),
        "reset": described(belief, last, last, reset),
    }


def _compared(whole: np.ndarray, other: np.ndarray) -> dict[str, float | None]:
    norms = methods.norm(whole), methods.norm(other)
    if 0 in norms:
        return {"cosine": None, "ratio": None if norms[0] == 0 else 0.0}
    cosine = (whole / norms[0]) @ (other / norms[1])
    return {"cosine": float(cosine), "ratio": norms[1] / norms[0]}
