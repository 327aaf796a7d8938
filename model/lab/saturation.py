"""Exercise 6: which start learns, h_t = tanh(a x_t + b h_{t−1} + c), L = Σ h_t².

τ_t = a x_t + b h_{t−1} + c
∂L/∂h_t = 2 h_t + b ∂L/∂τ_{t+1},   ∂L/∂τ_t = tanh'(τ_t) ∂L/∂h_t
∂L/∂a = Σ ∂L/∂τ_t x_t,   ∂L/∂b = Σ ∂L/∂τ_t h_{t−1},   ∂L/∂c = Σ ∂L/∂τ_t
"""

from typing import Any

import numpy as np

from model.lab import arithmetic
from model.lab.arithmetic import Rounding, slope, tanh, total
from model.lab.parameters import Series

MOST_DESCENT = 1000


def saturation(
    a: float = 20.0,
    b: float = 1.0,
    c: float = 1.0,
    x: Series = (0.5, -1.0),
    h0: float = 0.0,
    on_paper: bool = False,
    float32: bool = False,
    descent: int = 0,
    rate: float = 0.1,
) -> dict[str, Any]:
    """Compute the loss and its gradient, in float64 unless told otherwise.

    Args:
        on_paper: with two decimals at every step.
        float32: as networks train, where tanh' = 1 − h² is exactly 0 from τ = 9.02 on.
        descent: steps of gradient descent to take, at most 1000.
        rate: their learning rate.

    Returns:
        `tau`, `h` and `slopes` (tanh'(τ_t)) of steps 1..T, `loss`, `dL_da`, `dL_db`, `dL_dc`.
        With `descent` also `losses`, before each step and after the last, and `learnt`, the
        parameters after it.

    Raises:
        ValueError: both `on_paper` and `float32`, or too many steps of descent.
    """
    if on_paper and float32:
        raise ValueError("on_paper and float32 exclude each other")
    if descent > MOST_DESCENT:
        raise ValueError(f"descent must be at most {MOST_DESCENT} steps, not {descent}")
    r = arithmetic.float32 if float32 else arithmetic.rounding(on_paper)
    if float32:
        a, b, c, h0, *x = map(r, (a, b, c, h0, *x))
    result = _step(a, b, c, x, h0, r)
    if descent:
        losses, last = [result["loss"]], result
        for _ in range(descent):
            a = r(a - r(rate * last["dL_da"]))
            b = r(b - r(rate * last["dL_db"]))
            c = r(c - r(rate * last["dL_dc"]))
            last = _step(a, b, c, x, h0, r)
            losses.append(last["loss"])
        result |= {"losses": losses, "learnt": {"a": a, "b": b, "c": c}}
    return result


def _step(a: float, b: float, c: float, x: Series, h0: float, r: Rounding) -> dict[str, Any]:
    T = len(x)
    x = [0.0, *x]
    tau, h, slopes, by_h, by_tau = np.zeros((5, T + 2))
    h[0] = h0
    for t in range(1, T + 1):
        tau[t] = r(r(r(a * x[t]) + r(b * h[t - 1])) + c)
        h[t] = tanh(tau[t], r)
        slopes[t] = slope(tau[t], r)
    for t in range(T, 0, -1):
        by_h[t] = r(r(2 * h[t]) + r(b * by_tau[t + 1]))
        by_tau[t] = r(slopes[t] * by_h[t])
    steps = range(1, T + 1)
    return {
        "tau": tau[1:-1].tolist(),
        "h": h[1:-1].tolist(),
        "slopes": slopes[1:-1].tolist(),
        "loss": total((r(h[t] * h[t]) for t in steps), r),
        "dL_da": total((r(by_tau[t] * x[t]) for t in steps), r),
        "dL_db": total((r(by_tau[t] * h[t - 1]) for t in steps), r),
        "dL_dc": total((by_tau[t] for t in steps), r),
    }
