"""Exercises 1 to 3: h_t = tanh(W h_{t−1} + U x_t), y_t = V h_t, z = Π y_t, all of them scalars.

    τ_t = W h_{t−1} + U x_t

    ∂z/∂W = Σ_{s ≤ t} (Π_{i≠t} y_i) V [Π_{j=s+1..t} tanh'(τ_j) W] tanh'(τ_s) h_{s−1}

with a term, a path through the graph, for each step s at which W is used and each y_t through
which that use leaves. x_s in place of h_{s−1} gives ∂z/∂U.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from model.lab.arithmetic import Rounding, float64, product, rounding, slope, tanh, total
from model.lab.parameters import Series


@dataclass(frozen=True)
class Forward:
    """Everything that the forward pass computes; arrays (T + 1,), index t of step t.

    Index 0 has h_0 and is of no meaning elsewhere. `before` is h_{t−1}, or 0 after a reset;
    `slopes` tanh'(τ_t) and `others` Π_{i≠t} y_i.
    """

    x: np.ndarray
    before: np.ndarray
    tau: np.ndarray
    h: np.ndarray
    y: np.ndarray
    slopes: np.ndarray
    others: np.ndarray
    z: float

    @property
    def steps(self) -> range:
        return range(1, len(self.x))


def forward(
    W: float, U: float, V: float, h0: float, x: Series, r: Rounding = float64, reset: int = 0
) -> Forward:
    """The forward pass; with `reset` the state is set to 0 after each so many steps."""
    T = len(x)
    x = np.array([0.0, *x])
    before, tau, h, y, slopes = np.zeros((5, T + 1))
    h[0] = h0
    for t in range(1, T + 1):
        before[t] = 0 if reset and t > 1 and (t - 1) % reset == 0 else h[t - 1]
        tau[t] = r(r(W * before[t]) + r(U * x[t]))
        h[t] = tanh(tau[t], r)
        y[t] = r(V * h[t])
        slopes[t] = slope(tau[t], r)
    # Products from both sides, since z / y_t is 0/0 where y_t = 0.
    left, right = np.ones((2, T + 2))  # Π_{i<t} y_i and Π_{i>t} y_i
    for t in range(1, T + 1):
        left[t + 1] = r(left[t] * y[t])
    for t in range(T, 0, -1):
        right[t - 1] = r(right[t] * y[t])
    others = np.array([0.0] + [r(left[t] * right[t]) for t in range(1, T + 1)])
    return Forward(x, before, tau, h, y, slopes, others, float(left[T + 1]))


def walk(
    f: Forward, W: float, V: float, r: Rounding = float64, piece: int = 0
) -> Iterator[tuple[int, int, float]]:
    """All paths back from z: (s, t, ∂z/∂τ_s by way of y_t); with `piece` none crosses a cut."""
    for t in f.steps:
        first = t - (t - 1) % piece if piece else 1
        back = r(r(f.others[t] * V) * f.slopes[t])
        for s in range(t, first - 1, -1):
            yield s, t, back
            back = r(r(back * W) * f.slopes[s - 1])


def gradient(f: Forward, walked: list[tuple[int, int, float]], r: Rounding = float64) -> dict:
    """∂z/∂W, ∂z/∂U and ∂z/∂V, of the paths that were walked."""
    return {
        "dz_dW": total((r(back * f.before[s]) for s, _, back in walked), r),
        "dz_dU": total((r(back * f.x[s]) for s, _, back in walked), r),
        "dz_dV": total((r(f.others[t] * f.h[t]) for t in f.steps), r),
    }


def paths(
    W: float = 0.9,
    U: float = 0.8,
    V: float = 1.2,
    h0: float = 0.5,
    x: Series = (0.5, -1.0),
    on_paper: bool = False,
) -> dict[str, Any]:
    """Exercise 2: all T(T+1)/2 paths by which W reaches z, the gradients, and what is stored.

    Returns:
        `tau`, `h`, `y` and `slopes` (tanh'(τ_t)) of steps 1..T; `others`, Π_{i≠t} y_i; `z`;
        `paths`; `dz_dW`, `dz_dU`, `dz_dV`; `stored`, how many values besides parameters and
        inputs the backward pass for ∂z/∂W needs, with tanh' from τ or from h; and `chain`,
        ∂h_T/∂h_{T−k} = Π tanh'(τ_j) W for k = 0..T.
    """
    r = rounding(on_paper)
    f = forward(W, U, V, h0, x, r)
    T = len(x)
    walked = sorted(walk(f, W, V, r))
    chain = [1.0]
    for t in range(T, 0, -1):
        chain.append(product(chain[-1], f.slopes[t], W, r=r))
    return {
        "tau": f.tau[1:].tolist(),
        "h": f.h[1:].tolist(),
        "y": f.y[1:].tolist(),
        "z": f.z,
        "paths": [
            {"used_at": s, "leaves_at": t, "value": r(back * f.before[s])} for s, t, back in walked
        ],
        **gradient(f, walked, r),
        "stored": stored(T),
        "slopes": f.slopes[1:].tolist(),
        "others": f.others[1:].tolist(),
        "chain": chain,
    }


def stored(T: int) -> dict[str, int]:
    """Values that some local derivative on a path of ∂z/∂W contains, beside parameters and inputs.

    With tanh' from τ: τ_1..τ_T, h_1..h_{T−1} and y_1..y_T. With tanh' = 1 − h²: h_1..h_T and
    y_1..y_T. A single step has z = y_1, whose derivative by y_1 is 1.
    """
    outputs = T if T > 1 else 0
    return {"tau_and_h": T + (T - 1) + outputs, "h_only": T + outputs}


def inputs(
    W: float = 0.9,
    U: float = 0.8,
    V: float = 1.2,
    h0: float = 0.5,
    x: Series = (0.5, -1.0),
    on_paper: bool = False,
) -> dict[str, Any]:
    """Exercise 3: where the inputs are in ∂z/∂W: in no factor, but behind all stored values.

    Returns:
        `tau`, `h`, `y`, `z`, `dz_dW`, `dz_dU`; and `changes`, for each x the derivatives by it of
        all of these, exactly 0 where it cannot reach: steps before its own. `on_paper` rounds
        the values, not these derivatives, which no exercise asks for.
    """
    f = forward(W, U, V, h0, x)
    T = len(x)
    # Forward mode. Row t of each `_x` holds the derivatives by x_1..x_T.
    tau_x, h_x, y_x, slope_x = np.zeros((4, T + 1, T))
    x_x = np.eye(T + 1)[:, 1:]
    h_W, h_U = np.zeros((2, T + 1))  # dh_t/dW and dh_t/dU, by all paths
    h_W_x, h_U_x = np.zeros((2, T + 1, T))
    for t in f.steps:
        tau_x[t] = W * h_x[t - 1] + U * x_x[t]
        h_x[t] = f.slopes[t] * tau_x[t]
        y_x[t] = V * h_x[t]
        slope_x[t] = -2 * f.h[t] * f.slopes[t] * tau_x[t]  # tanh'' = −2 tanh tanh'
        tau_W, tau_W_x = f.h[t - 1] + W * h_W[t - 1], h_x[t - 1] + W * h_W_x[t - 1]
        tau_U, tau_U_x = f.x[t] + W * h_U[t - 1], x_x[t] + W * h_U_x[t - 1]
        h_W[t], h_W_x[t] = f.slopes[t] * tau_W, slope_x[t] * tau_W + f.slopes[t] * tau_W_x
        h_U[t], h_U_x[t] = f.slopes[t] * tau_U, slope_x[t] * tau_U + f.slopes[t] * tau_U_x
    others_x = _others_x(f.y, y_x)
    by_x = {
        "tau": tau_x[1:],
        "h": h_x[1:],
        "y": y_x[1:],
        "z": f.others @ y_x,
        "dz_dW": V * (h_W @ others_x + f.others @ h_W_x),
        "dz_dU": V * (h_U @ others_x + f.others @ h_U_x),
    }
    r = rounding(on_paper)
    shown = forward(W, U, V, h0, x, r)
    gradients = gradient(shown, sorted(walk(shown, W, V, r)), r)
    return {
        "tau": shown.tau[1:].tolist(),
        "h": shown.h[1:].tolist(),
        "y": shown.y[1:].tolist(),
        "z": shown.z,
        "dz_dW": gradients["dz_dW"],
        "dz_dU": gradients["dz_dU"],
        "changes": [
            {"x": t} | {name: by[..., t - 1].tolist() for name, by in by_x.items()} for t in f.steps
        ],
    }


def _others_x(y: np.ndarray, y_x: np.ndarray) -> np.ndarray:
    """Derivatives of Π_{i≠t} y_i by x_1..x_T, (T + 1, T); again without a division."""
    last = len(y) - 1
    before, after = np.ones((2, last + 2))
    before_x, after_x = np.zeros((2, last + 2, last))
    for t in range(1, last + 1):
        before[t + 1], before_x[t + 1] = before[t] * y[t], before_x[t] * y[t] + before[t] * y_x[t]
    for t in range(last, 0, -1):
        after[t - 1], after_x[t - 1] = after[t] * y[t], after_x[t] * y[t] + after[t] * y_x[t]
    return before_x[:-1] * after[:-1, None] + before[:-1, None] * after_x[:-1]


def graph(
    W: float = 0.9,
    U: float = 0.8,
    V: float = 1.2,
    h0: float = 0.5,
    x: Series = (0.5, -1.0),
    z: bool = False,
    on_paper: bool = False,
) -> dict[str, Any]:
    """Exercise 1, and with `z` exercise 2: the computation graph.

    Returns:
        `nodes`: `name`, `kind` ("input" and "parameter" are circles, "computation" a rectangle),
        `operation` of a computation ("multiply", "add", "tanh"), and `value`. `edges`: `from`,
        `to`, and the local `derivative` of the one's value by the other's. `computations` and
        `edge_count` count them: 5T and 9T, and with `z` 1 and T more.
    """
    r = rounding(on_paper)
    f = forward(W, U, V, h0, x, r)
    nodes = [{"name": "h_0", "kind": "input", "value": h0}]
    nodes += [{"name": f"x_{t}", "kind": "input", "value": f.x[t]} for t in f.steps]
    nodes += [
        {"name": name, "kind": "parameter", "value": value}
        for name, value in (("W", W), ("U", U), ("V", V))
    ]
    edges = []

    def compute(name: str, operation: str, value: float, **operands: float) -> None:
        """`operands` are the derivatives by the nodes of these names."""
        nodes.append({"name": name, "kind": "computation", "operation": operation, "value": value})
        edges.extend(
            {"from": operand, "to": name, "derivative": derivative}
            for operand, derivative in operands.items()
        )

    for t in f.steps:
        before, h, tau, Wh, Ux = f"h_{t - 1}", f"h_{t}", f"tau_{t}", f"Wh_{t - 1}", f"Ux_{t}"
        compute(Wh, "multiply", r(W * f.h[t - 1]), **{"W": f.h[t - 1], before: W})
        compute(Ux, "multiply", r(U * f.x[t]), **{"U": f.x[t], f"x_{t}": U})
        compute(tau, "add", f.tau[t], **{Wh: 1.0, Ux: 1.0})
        compute(h, "tanh", f.h[t], **{tau: f.slopes[t]})
        compute(f"y_{t}", "multiply", f.y[t], **{"V": f.h[t], h: V})
    if z:
        compute("z", "multiply", f.z, **{f"y_{t}": f.others[t] for t in f.steps})
    return {
        "nodes": [node | {"value": float(node["value"])} for node in nodes],
        "edges": [edge | {"derivative": float(edge["derivative"])} for edge in edges],
        "computations": sum(node["kind"] == "computation" for node in nodes),
        "edge_count": len(edges),
    }
