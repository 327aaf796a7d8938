"""How a number is kept at every step of a calculation, and tanh with its derivative.

Each equation of the Lab passes what it computes through a rounding `r`, one operation at a time.
"""

from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal

import numpy as np

Rounding = Callable[[float], float]


def float64(value: float) -> float:
    """All digits that there are."""
    return float(value)


def float32(value: float) -> float:
    """What networks train in: 24 bits."""
    return float(np.float32(value))


def on_paper(value: float) -> float:
    """Two decimals, a half away from zero, as people round."""
    if not np.isfinite(value):
        return float(value)
    # Twelve digits first: 0.35 · 0.1 is 0.034999… in float64, and 0.035 on paper.
    exact = Decimal(f"{value:.12g}")
    return float(exact.quantize(Decimal("0.01"), ROUND_HALF_UP)) + 0.0 if exact < 10**12 else value


def rounding(paper: bool) -> Rounding:
    return on_paper if paper else float64


def tanh(tau: float, r: Rounding = float64) -> float:
    return r(np.tanh(tau))


def slope(tau: float, r: Rounding = float64) -> float:
    """tanh'(τ).

    1/cosh²τ, from τ: 1 − tanh²τ has no digits left at τ = 18 and is 0 from 19.1 on. With fewer
    digits it is 1 − h² all the same, as on the sheet and in training.
    """
    if r is not float64:
        h = tanh(tau, r)
        return r(1 - r(h * h))
    e = np.exp(-2 * abs(tau))  # 1/cosh²τ = 4e/(1 + e)²: never too large
    return float(4 * e / (1 + e) ** 2)


def total(values, r: Rounding = float64) -> float:
    """The sum, from the first to the last."""
    result = 0.0
    for value in values:
        result = r(result + value)
    return result


def product(*values: float, r: Rounding = float64) -> float:
    """The product, from the first to the last."""
    result, *others = values
    for value in others:
        result = r(result * value)
    return float(result)
