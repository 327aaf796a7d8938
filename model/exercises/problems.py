"""The exercises: the right formula of each, the mistaken ones by name, and the numbers to use."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from model.cards import RELEASE
from model.images.preprocess import preprocess
from model.images.strokes import render
from model.signature import STEPS, WHITE
from model.weights import load_arrays

Formula = Callable[..., np.ndarray]
Arguments = Mapping[str, Any]


def cell(x, h0, W, U, b, f=np.tanh) -> np.ndarray:
    """h_t = f(W h_{t−1} + U x_t + b): (steps, units)."""
    h, states = h0, []
    for x_t in x:
        h = f(W @ h + U @ x_t + b)
        states.append(h)
    return np.array(states)


def bidirectional(x, A1, B1, c1, A2, B2, c2) -> np.ndarray:
    """y_t = h_t + k_t."""
    return _reader(x, A1, B1, c1) + _reader(x[::-1], A2, B2, c2)[::-1]


def saturation(x, h0, a, b, c) -> np.ndarray:
    """h_t = tanh(a x_t + b h_{t−1} + c): (steps,)."""
    return _as_cell(cell)(x, h0, a, b, c)


def digit(image, W, U, b, V, c) -> np.ndarray:
    """h_t of the rows of an image."""
    return _of_rows(cell)(image, W, U, b, V, c)


def _reader(x, A, B, c, **others) -> np.ndarray:
    return cell(x, np.zeros(len(c)), B, A, c, **others)


def _as_cell(formula: Formula) -> Formula:
    """A cell's formula for scalars."""
    return lambda x, h0, a, b, c: formula(
        np.reshape(x, (-1, 1)), np.array([h0]), *np.reshape([b, a], (2, 1, 1)), np.array([c])
    )[:, 0]


def _of_rows(formula: Formula) -> Formula:
    """A cell's formula for an image, from h_0 = 0."""
    return lambda image, W, U, b, V, c: formula(image / WHITE, np.zeros(len(b)), W, U, b)  # noqa: ARG005


def _shifted(x) -> np.ndarray:
    return np.concatenate([np.zeros_like(x[:1]), x[:-1]])


def _each_from(start: float) -> Formula:
    """Every step begins at h_0, or at 0, instead of at the state before."""
    return lambda x, h0, W, U, b: np.array(
        [cell(x[t : t + 1], start * h0, W, U, b)[0] for t in range(len(x))]
    )


def _with_h0(x, h0, W, U, b) -> np.ndarray:
    return np.concatenate([h0[None], cell(x, h0, W, U, b)])


# What people do instead, by name; each may have been done in several ways.
Mistakes = dict[str, tuple[Formula, ...]]
TRANSPOSED = "W is transposed"
NO_BIAS = "the bias is left out"
NO_START = "h_0 is ignored"
START_FIRST = "h_0 is returned as the first step"
SHIFTED = "x_{t−1} is used in place of x_t"
NO_TANH = "tanh is left out"
NOT_CARRIED = "the previous h is not carried on"
CELL: Mistakes = {
    TRANSPOSED: (lambda x, h0, W, U, b: cell(x, h0, W.T, U, b),),
    NO_BIAS: (lambda x, h0, W, U, b: cell(x, h0, W, U, 0 * b),),
    NO_START: (lambda x, h0, W, U, b: cell(x, 0 * h0, W, U, b),),
    START_FIRST: (_with_h0, lambda *of: _with_h0(*of)[:-1]),
    SHIFTED: (
        lambda x, h0, W, U, b: cell(_shifted(x), h0, W, U, b),
        lambda x, h0, W, U, b: cell(np.roll(x, 1, axis=0), h0, W, U, b),
    ),
    NO_TANH: (lambda x, h0, W, U, b: cell(x, h0, W, U, b, f=lambda tau: tau),),
    NOT_CARRIED: (_each_from(1.0), _each_from(0.0)),
}
TWO_READERS: Mistakes = {
    TRANSPOSED.replace("W", "B1 or B2"): (
        lambda x, A1, B1, c1, A2, B2, c2: bidirectional(x, A1, B1.T, c1, A2, B2.T, c2),
        lambda x, A1, B1, c1, A2, B2, c2: bidirectional(x, A1, B1.T, c1, A2, B2, c2),
        lambda x, A1, B1, c1, A2, B2, c2: bidirectional(x, A1, B1, c1, A2, B2.T, c2),
    ),
    NO_BIAS: (
        lambda x, A1, B1, c1, A2, B2, c2: bidirectional(x, A1, B1, 0 * c1, A2, B2, 0 * c2),
        lambda x, A1, B1, c1, A2, B2, c2: bidirectional(x, A1, B1, 0 * c1, A2, B2, c2),
        lambda x, A1, B1, c1, A2, B2, c2: bidirectional(x, A1, B1, c1, A2, B2, 0 * c2),
    ),
    NO_TANH: (
        lambda x, A1, B1, c1, A2, B2, c2: (
            _reader(x, A1, B1, c1, f=lambda tau: tau)
            + _reader(x[::-1], A2, B2, c2, f=lambda tau: tau)[::-1]
        ),
    ),
    NOT_CARRIED: (
        lambda x, A1, B1, c1, A2, B2, c2: bidirectional(x, A1, 0 * B1, c1, A2, 0 * B2, c2),
    ),
    "the upward reader runs from the top": (
        lambda x, A1, B1, c1, A2, B2, c2: _reader(x, A1, B1, c1) + _reader(x, A2, B2, c2),
    ),
    "the upward states are added in the order in which they were read": (
        lambda x, A1, B1, c1, A2, B2, c2: _reader(x, A1, B1, c1) + _reader(x[::-1], A2, B2, c2),
    ),
}
SCALARS: Mistakes = {
    name: tuple(map(_as_cell, formulas)) for name, formulas in CELL.items() if name != TRANSPOSED
} | {"a and b are swapped": (lambda x, h0, a, b, c: saturation(x, h0, b, a, c),)}
ROWS: Mistakes = {
    name: tuple(map(_of_rows, formulas)) for name, formulas in CELL.items() if name != NO_START
} | {
    "the pixels are not divided by 255": (
        lambda image, W, U, b, V, c: digit(image * WHITE, W, U, b, V, c),
    ),
    "columns are read in place of rows": (
        lambda image, W, U, b, V, c: digit(image.T, W, U, b, V, c),
    ),
    "y_t = V h_t + c is returned in place of h_t": (
        lambda image, W, U, b, V, c: digit(image, W, U, b, V, c) @ V.T + c,
    ),
}


@dataclass(frozen=True)
class Exercise:
    """`draw` makes arguments from a generator and a number of steps; `sheet` are the sheet's."""

    formula: Formula
    mistakes: Mistakes
    draw: Callable[[np.random.Generator, int], Arguments]
    sheet: Arguments | None
    steps: tuple[int, ...]  # of the random cases


@dataclass(frozen=True)
class Problem:
    """What a student is asked: the outputs of `steps`, counted from 1, for `arguments`."""

    exercise: str
    seed: int
    arguments: Arguments
    steps: tuple[int, ...]

    @property
    def answer(self) -> np.ndarray:
        """The output of every step, from the right formula."""
        return EXERCISES[self.exercise].formula(*self.arguments.values())


def problem(exercise: str, seed: int) -> Problem:
    """The numbers of one student, or of a whole course that shares a seed.

    Raises:
        ValueError: no such exercise, or the seed is no whole number from 0 on.
    """
    if exercise not in EXERCISES:
        raise ValueError(f"no exercise {exercise!r}: it is one of {', '.join(EXERCISES)}")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed must be a whole number from 0 on, not {seed!r}")
    rng = np.random.default_rng([seed, list(EXERCISES).index(exercise)])
    steps = STEPS if exercise == "digit" else 7
    arguments = EXERCISES[exercise].draw(rng, steps)
    return Problem(exercise, seed, arguments, (1, steps // 2, steps))


def _draw_cell(rng: np.random.Generator, steps: int) -> Arguments:
    inputs, units = rng.permutation([2, 3, 4])[:2]
    return {
        "x": _numbers(rng, steps, inputs),
        "h0": _numbers(rng, units),
        "W": _numbers(rng, units, units),
        "U": _numbers(rng, units, inputs),
        "b": _numbers(rng, units),
    }


def _draw_two_readers(rng: np.random.Generator, steps: int) -> Arguments:
    inputs, units = rng.permutation([2, 3, 4])[:2]
    readers = {
        f"{name}{reader}": _numbers(rng, units, *columns)
        for reader in (1, 2)
        for name, columns in (("A", (inputs,)), ("B", (units,)), ("c", ()))
    }
    return {"x": _numbers(rng, steps, inputs), **readers}


def _draw_scalars(rng: np.random.Generator, steps: int) -> Arguments:
    return {"x": _numbers(rng, steps)} | {
        name: float(_numbers(rng)) for name in ("h0", "a", "b", "c")
    }


def _draw_digit(rng: np.random.Generator, steps: int) -> Arguments:  # noqa: ARG001
    strokes = STROKES[rng.integers(len(STROKES))]
    jittered = [np.array(stroke) + rng.normal(0, 0.02, (len(stroke), 2)) for stroke in strokes]
    return {"image": preprocess(render(jittered)).image.astype(np.float64), **_elman()}


def _numbers(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """0.1 to 1.2, of either sign, with two decimals: easy to copy, and far from saturation."""
    return np.round(rng.choice([-1, 1], shape) * rng.uniform(0.1, 1.2, shape), 2)


# A 7, a 1, a 4, a 3 and a 2, as strokes in the unit square.
STROKES = (
    ([[0.3, 0.2], [0.7, 0.22], [0.45, 0.8]],),
    ([[0.55, 0.15], [0.5, 0.85]],),
    ([[0.35, 0.2], [0.3, 0.55], [0.7, 0.55]], [[0.6, 0.15], [0.6, 0.85]]),
    ([[0.3, 0.2], [0.65, 0.2], [0.45, 0.45], [0.7, 0.65], [0.5, 0.85], [0.3, 0.75]],),
    ([[0.3, 0.3], [0.5, 0.15], [0.7, 0.3], [0.3, 0.8], [0.72, 0.8]],),
)


@cache
def _elman() -> Arguments:
    """The released network's weights, as on the sheet: transposed to what Keras keeps."""
    network = load_arrays(RELEASE / "elman.npz")
    reader, readout = network.layers[0].forward, network.readout
    arrays = {
        "W": reader.recurrent_kernel.T,
        "U": reader.kernel.T,
        "b": reader.bias,
        "V": readout.kernel.T,
        "c": readout.bias,
    }
    return {name: np.ascontiguousarray(array, np.float64) for name, array in arrays.items()}


SHORT_AND_LONG = (1, 2, 7) * 7
EXERCISES: dict[str, Exercise] = {
    "elman-cell": Exercise(
        cell,
        CELL,
        _draw_cell,
        {
            "x": np.array([[0.5], [-1.0]]),
            "h0": np.array([0.5]),
            "W": np.array([[0.9]]),
            "U": np.array([[0.8]]),
            "b": np.zeros(1),
        },
        SHORT_AND_LONG[:20],
    ),
    "bidirectional-cell": Exercise(
        bidirectional,
        TWO_READERS,
        _draw_two_readers,
        {"x": np.array([[0.5], [-1.0], [0.8]])}
        | {name: np.array([[value]]) for name, value in (("A1", 0.5), ("B1", 0.9))}
        | {"c1": np.array([0.1])}
        | {name: np.array([[value]]) for name, value in (("A2", -0.4), ("B2", 0.7))}
        | {"c2": np.array([0.2])},
        SHORT_AND_LONG[:20],
    ),
    "saturation": Exercise(
        saturation,
        SCALARS,
        _draw_scalars,
        {"x": np.array([0.5, -1.0]), "h0": 0.0, "a": 1.0, "b": 1.0, "c": 0.0},
        SHORT_AND_LONG[:20],
    ),
    "digit": Exercise(digit, ROWS, _draw_digit, None, (STEPS, STEPS)),
}
