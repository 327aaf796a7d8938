"""Exercise 4: three ways of clipping a gradient that has grown too large.

clipnorm         g_v ← c · g_v / ‖g_v‖ where ‖g_v‖ > c, for each variable v by itself
global_clipnorm  g ← c · g / ‖g‖ where ‖g‖ > c, ‖·‖ over all variables (Pascanu et al. 2013)
clipvalue        g_i ← min(max(g_i, −c), c), for each number by itself

Only the second keeps the direction. The names are Keras's.
"""

import math
from typing import Any

from model.lab.arithmetic import Rounding, rounding
from model.lab.parameters import Series, Vectors


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
    if not c > 0:
        raise ValueError(f"c must be above 0, not {c:g}")
    r = rounding(on_paper)
    whole = _flat(g)
    clipped = {
        "clipnorm": [_shortened(v, _norm(v, r), c, r) for v in g],
        "global_clipnorm": [_shortened(v, _norm(whole, r), c, r) for v in g],
        "clipvalue": [[min(max(value, -c), c) for value in v] for v in g],
    }
    return {
        "norm": _norm(whole, r),
        **clipped,
        "norms": {method: _norm(_flat(of), r) for method, of in clipped.items()},
        "angles": {method: r(_angle(whole, _flat(of))) for method, of in clipped.items()},
    }


def _flat(vectors: Vectors) -> list[float]:
    return [value for vector in vectors for value in vector]


def _norm(vector: Series, r: Rounding) -> float:
    return r(math.hypot(*vector))  # whose squares cannot overflow


def _shortened(vector: Series, norm: float, c: float, r: Rounding) -> list[float]:
    return [r(c * r(value / norm)) for value in vector] if norm > c else list(vector)


def _angle(one: Series, other: Series) -> float:
    """Degrees; Kahan's formula, as an arccosine has no digits left near 0."""
    norms = math.hypot(*one), math.hypot(*other)
    if 0 in norms:
        return 0.0
    units = [(a / norms[0], b / norms[1]) for a, b in zip(one, other, strict=True)]
    across, along = (math.hypot(*(a + sign * b for a, b in units)) for sign in (-1, 1))
    return round(math.degrees(2 * math.atan2(across, along)), 9)
