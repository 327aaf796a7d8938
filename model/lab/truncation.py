"""Exercise 7: a long sequence cut into pieces (truncated back-propagation through time).

carry  the state goes on over a cut, the gradient does not (Keras: stateful=True)
reset  pieces are sequences of their own: the state after a cut is 0
"""

import math
from typing import Any

from model.lab.parameters import MOST_STEPS, Series
from model.lab.scalar_rnn import forward, gradient, stored, walk


def truncation(
    steps: int = 28,
    piece: int = 7,
    W: float = 0.9,
    U: float = 0.8,
    V: float = 1.2,
    h0: float = 0.5,
    x: Series = (),
) -> dict[str, Any]:
    """Count, for the network of exercise 2, what is left of ∂z/∂W in pieces of `piece` steps.

    Args:
        steps: of the sequence, at most 200; with `x`, its length counts instead.
        piece: steps of each piece; the last may have fewer.

    Returns:
        `paths` of the whole, `paths_kept` within a piece, and `stored`, values of the `whole` and
        of one `piece`. With `x` also `whole`, `carry` and `reset`: `z`, `dz_dW`, `dz_dU`, `dz_dV`
        of each, and `cosine` with the whole gradient (null where one of them is 0).

    Raises:
        ValueError: more than 200 steps.
    """
    if steps > MOST_STEPS:
        raise ValueError(f"steps must be at most {MOST_STEPS}, not {steps}")
    T = len(x) or steps
    full, rest = divmod(T, piece)
    result = {
        "paths": T * (T + 1) // 2,
        "paths_kept": full * piece * (piece + 1) // 2 + rest * (rest + 1) // 2,
        "stored": {"whole": stored(T), "piece": stored(min(piece, T))},
    }
    if x:
        whole, reset = forward(W, U, V, h0, x), forward(W, U, V, h0, x, reset=piece)
        kinds = {"whole": (whole, 0), "carry": (whole, piece), "reset": (reset, piece)}
        found = {
            kind: {"z": f.z} | gradient(f, list(walk(f, W, V, piece=cut)))
            for kind, (f, cut) in kinds.items()
        }
        vectors = {kind: list(of.values())[1:] for kind, of in found.items()}
        for kind, of in found.items():
            of["cosine"] = _cosine(vectors["whole"], vectors[kind])
        result |= found
    return result


def _cosine(one: list[float], other: list[float]) -> float | None:
    norms = math.hypot(*one), math.hypot(*other)
    if 0 in norms:
        return None
    return math.fsum(a / norms[0] * (b / norms[1]) for a, b in zip(one, other, strict=True))
