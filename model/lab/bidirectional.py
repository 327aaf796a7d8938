"""Exercise 5: two readers, one from the start and one from the end.

h_t = tanh(A1 x_t + B1 h_{t−1} + c1)
k_t = tanh(A2 x_t + B2 k_{t+1} + c2)
y_t = h_t + k_t
"""

from typing import Any

import numpy as np

from model.lab.arithmetic import rounding, tanh
from model.lab.parameters import Series


def bidirectional(
    A1: float = 0.5,
    B1: float = 0.9,
    c1: float = 0.1,
    A2: float = -0.4,
    B2: float = 0.7,
    c2: float = 0.2,
    x: Series = (0.5, -1.0, 0.8),
    h0: float = 0.0,
    k_end: float = 0.0,
    on_paper: bool = False,
) -> dict[str, Any]:
    """Compute `h`, `k` and `y`, each of steps 1..T; `k_end` is k_{T+1}."""
    r = rounding(on_paper)
    T = len(x)
    x = [0.0, *x]
    h, k = np.zeros((2, T + 2))
    h[0], k[T + 1] = h0, k_end
    for t in range(1, T + 1):
        h[t] = tanh(r(r(r(A1 * x[t]) + r(B1 * h[t - 1])) + c1), r)
    for t in range(T, 0, -1):
        k[t] = tanh(r(r(r(A2 * x[t]) + r(B2 * k[t + 1])) + c2), r)
    y = [r(h[t] + k[t]) for t in range(1, T + 1)]
    return {"h": h[1:-1].tolist(), "k": k[1:-1].tolist(), "y": y}
