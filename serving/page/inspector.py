"""One unit of a network: what it looks at, whom it listens to, what it votes for."""

from typing import Any

import numpy as np

from model import signature
from model.weights import Network

PARTNERS = 6


class UnknownUnitError(LookupError):
    """No such reader, or no such unit in it; the message says which there are."""


def inspect_unit(network: Network, output: str, unit: str) -> dict[str, Any]:
    """Describe one unit.

    Args:
        output: name of its reader's states.
        unit: its number from 0, as an address writes it.

    Returns:
        ``input``: weights of the rows that it sees, a list of 28 for each row of the window, the
        one read first coming first (layer 1; else None). ``bias``. ``from``: the
        `PARTNERS` units of its reader whose previous states weigh most in its own, itself
        included, as {"unit", "weight"}, the largest magnitude first; ``to``: those in which
        its own weighs most. ``votes``: its weight in the ten logits of the output ``votes_in``,
        on its state, or on the normalised state where the layer is normalised; both None where
        no read-out sees it.

    Raises:
        UnknownUnitError: no such reader or unit.
    """
    readers = signature.output_names(len(network.layers), network.bidirectional)
    readers = [name for name in readers if signature.layer_of(name)]
    if output not in readers:
        raise UnknownUnitError(f"no reader {output[:80]!r} here: output is {' or '.join(readers)}")
    direction, number = signature.layer_of(output)
    layer = network.layers[number - 1]
    cell = layer.forward if direction == "forward" else layer.backward
    # int() alone would take "1_000" and digits of other scripts.
    if not (unit.isascii() and unit.isdecimal() and len(unit) < 9 and int(unit) < cell.units):
        raise UnknownUnitError(f"no unit {unit[:20]!r} in {output}: 0 to {cell.units - 1}")
    index = int(unit)
    votes, votes_in = _votes(network, direction, number, index)
    rows = cell.kernel[:, index].reshape(-1, signature.PIXELS) if number == 1 else None
    return {
        "input": None if rows is None else rows.tolist(),
        "bias": float(cell.bias[index]),
        "from": _strongest(cell.recurrent_kernel[:, index]),
        "to": _strongest(cell.recurrent_kernel[index]),
        "votes": None if votes is None else votes.tolist(),
        "votes_in": votes_in,
    }


def _votes(
    network: Network, direction: str, number: int, unit: int
) -> tuple[np.ndarray | None, str | None]:
    """Weights (10,), and the output that they count in."""
    if number == len(network.layers):
        layer = network.layers[-1]
        aside = direction == "backward" and layer.merge_mode == "concat"
        feature = layer.forward.units + unit if aside else unit
        gain = 1 if layer.normalization is None else layer.normalization.gamma[feature]
        return gain * network.readout.kernel[feature], signature.PROBABILITIES
    if network.belief is not None and (direction, number) == ("forward", 1):
        return network.belief.kernel[unit], signature.STEP_PROBABILITIES
    return None, None


def _strongest(weights: np.ndarray) -> list[dict[str, Any]]:
    order = np.argsort(-np.abs(weights), kind="stable")[:PARTNERS]
    return [{"unit": int(unit), "weight": float(weights[unit])} for unit in order]
