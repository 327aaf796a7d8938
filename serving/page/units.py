"""A network's units: their order for the eye, and what one of them looks at and votes for.

The order is by the digit for which each is most active. Unsorted, a picture of hidden states
reads as noise. Here every network reads the same small set of drawings, and a unit belongs to
the digit for which its state, averaged over the rows, stands highest above its own average.
Within a group the clearest unit is first. That is not the digit that the unit votes for
(`inspect_unit`): most have no vote at all.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from model import signature
from model.images.preprocess import preprocess
from model.images.strokes import render
from model.predictor import Predictor
from model.weights import Network

Strokes = list  # of strokes, each (points, 2) in the unit square, y down

_SLANTS = (-0.25, 0.0, 0.25)
_WIDTHS = (0.75, 1.0)
PARTNERS = 6
_NO_SPREAD = 1e-6  # of a unit's means, in its own unit; rounding alone makes less


def variants(strokes: Strokes) -> Iterable[Strokes]:
    """The same drawing, slanted and narrowed about the middle of the pad."""
    for slant in _SLANTS:
        for width in _WIDTHS:
            turn = np.array([[width, 0.0], [-slant, 1.0]])
            yield [np.clip((np.asarray(s) - 0.5) @ turn + 0.5, 0.0, 1.0) for s in strokes]


def read_templates(predictor: Predictor, templates: Mapping[str, Strokes]) -> dict[str, np.ndarray]:
    """Mean hidden state for each digit.

    Args:
        templates: strokes in the unit square by digit, ``"0"`` to ``"9"``.

    Returns:
        For each state's name an array (10, 28, units): the mean over a digit's variants.
    """
    images = [
        [preprocess(render(drawing)).image for drawing in variants(templates[str(digit)])]
        for digit in range(signature.DIGITS)
    ]
    names = [name for name in predictor.output_names if signature.layer_of(name)]
    states = predictor.run(np.concatenate(images), names)
    return {
        name: array.reshape(signature.DIGITS, -1, *array.shape[1:]).mean(axis=1)
        for name, array in states.items()
    }


def group_units(states: np.ndarray) -> list[dict]:
    """Sort units into groups by digit.

    Args:
        states: (10, 28, units), from `read_templates`.

    Returns:
        ``{"digit": d, "units": [index, ...]}`` for each digit that has units, digits
        ascending, and last, with the digit None, the units that are the same for all digits
        (a dead relu); together they hold every unit once.
    """
    profile = states.mean(axis=1)  # (digits, units)
    profile = profile - profile.mean(axis=0)
    spread = profile.std(axis=0)
    clarity = profile.max(axis=0) / np.maximum(spread, _NO_SPREAD)
    digit = np.where(spread > _NO_SPREAD, profile.argmax(axis=0), signature.DIGITS)
    order = np.lexsort((np.arange(digit.size), -clarity, digit))
    return [
        {
            "digit": d if d < signature.DIGITS else None,
            "units": [int(unit) for unit in order if digit[unit] == d],
        }
        for d in range(signature.DIGITS + 1)
        if np.any(digit == d)
    ]


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
