"""Exercise 4: three ways of clipping a gradient that has grown too large.

clipnorm         g_v ← c · g_v / ‖g_v‖ where ‖g_v‖ > c, for each variable v by itself
global_clipnorm  g ← c · g / ‖g‖ where ‖g‖ > c, ‖·‖ over all variables (Pascanu et al. 2013)
clipvalue        g_i ← min(max(g_i, −c), c), for each number by itself

Only the second keeps the direction. The names are Keras's.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from model.lab import arithmetic
from model.lab.parameters import Vectors

Rounding = Callable[[Any], np.ndarray]  # of all numbers of an array


def clipping(
    g: Vectors = ((3.0, 4.0), (0.6, 0.8, 0.0)), c: float = 1.0, on_paper: bool = False
) -> dict[str, Any]:
    """Clip a gradient of several variables in each way.

    Returns:
        `norm`, ‖g‖; `clipnorm`, `global_clipnorm` and `clipvalue`, the gradients, variable by
        variable; and by method `norms` and `angles` to g in degrees (0 for a zero gradient).

    Raises:
        ValueError: c is not above 0.
    """
    r = np.vectorize(arithmetic.on_paper, otypes=[float]) if on_paper else np.asarray
    vectors = [np.array(v) for v in g]
    whole, clipped = np.concatenate(vectors), clip(vectors, c, r)
    return {
        "norm": norm(whole, r),
        **{method: [v.tolist() for v in of] for method, of in clipped.items()},
        "norms": {method: norm(np.concatenate(of), r) for method, of in clipped.items()},
        "angles": {
            method: float(r(angle(whole, np.concatenate(of)))) for method, of in clipped.items()
        },
    }


def clip(g: Sequence[np.ndarray], c: float, r: Rounding = np.asarray) -> dict[str, list]:
    """A gradient, each variable's numbers in one row, clipped in each way: by method, as `g`.

    Raises:
        ValueError: c is not above 0.
    """
    if not c > 0:
        raise ValueError(f"c must be above 0, not {c:g}")
    whole = norm(np.concatenate(g), r)
    return {
        "clipnorm": [_shortened(v, norm(v, r), c, r) for v in g],
        "global_clipnorm": [_shortened(v, whole, c, r) for v in g],
        "clipvalue": [v.clip(-c, c) for v in g],
    }


def norm(vector: np.ndarray, r: Rounding = np.asarray) -> float:
    return float(r(math.hypot(*vector.tolist())))  # whose squares cannot overflow


def _shortened(vector: np.ndarray, length: float, c: float, r: Rounding) -> np.ndarray:
    return r(c * r(vector / length)) if length > c else vector


def angle(one: np.ndarray, other: np.ndarray) -> float:
    """Degrees; Kahan's formula, as an arccosine has no digits left near 0."""
    norms = norm(one), norm(other)
    if 0 in norms:
        return 0.0
    units = one / norms[0], other / norms[1]
    apart = 2 * math.atan2(norm(units[0] - units[1]), norm(units[0] + units[1]))
    return round(math.degrees(apart), 9)
