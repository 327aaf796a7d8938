"""A network's units: their order for the eye, and what is in one of them.

Unsorted, a picture of hidden states reads as noise. A unit belongs to the digit whose logit it
raises most where that digit is drawn: by its state times the logit's derivative by it, summed
over the rows and averaged over `examples`. Within a group the unit that does most is first.
"""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from model import backward, reference, signature
from model.images.preprocess import preprocess
from model.images.strokes import render
from model.lab.arithmetic import slope
from model.predictor import Predictor
from model.weights import Cell, Network

Strokes = list  # of strokes, each (points, 2) in the unit square, y down

_SLANTS = (-0.25, 0.0, 0.25)
_WIDTHS = (0.75, 1.0)
PARTNERS = 6
TERMS = 5  # of a state's sum
EXCITING = 3  # drawings


@cache
def templates() -> dict[str, Strokes]:
    """Our own strokes for the ten digits: {"0": [[[x, y], ...], ...], ...}, unit square."""
    return json.loads((Path(__file__).parent / "static" / "drawing" / "digits.json").read_text())


@cache
def examples() -> tuple[np.ndarray, list[int]]:
    """Each of our digits, slanted and narrowed: rows (60, 28, 28), and the digits."""
    drawn = [
        (preprocess(render(drawing)).image, int(digit))
        for digit, strokes in sorted(templates().items())
        for drawing in variants(strokes)
    ]
    images, digits = zip(*drawn, strict=True)
    return np.stack(images), [*digits]


def variants(strokes: Strokes) -> Iterable[Strokes]:
    """The same drawing, slanted and narrowed about the middle of the pad."""
    for slant in _SLANTS:
        for width in _WIDTHS:
            turn = np.array([[width, 0.0], [-slant, 1.0]])
            yield [np.clip((np.asarray(s) - 0.5) @ turn + 0.5, 0.0, 1.0) for s in strokes]


def effects(
    network: Network, states: dict[str, np.ndarray], digits: list[int]
) -> dict[str, np.ndarray]:
    """What each unit gives to the logit of the digit that is drawn, by the state's name.

    Args:
        states: (images, 28, units) by name, those of `examples`.
        digits: what each image shows.

    Returns:
        (10, units), Σ_t h_t ∂logit/∂h_t, the mean over each digit's images.
    """
    gradients = backward.answer_gradients(network, states, digits).states
    shown = np.array(digits)
    given = {name: (states[name] * by).sum(axis=1) for name, by in gradients.items()}
    return {
        name: np.stack([of[shown == digit].mean(axis=0) for digit in range(signature.DIGITS)])
        for name, of in given.items()
    }


def group_units(effect: np.ndarray) -> list[dict]:
    """Sort units into groups by digit.

    Args:
        effect: (10, units), from `effects`.

    Returns:
        ``{"digit": d, "units": [index, ...]}`` for each digit that has units, digits
        ascending, and last, with the digit None, the units that do nothing for any digit
        (a dead relu); together they hold every unit once.
    """
    most = effect.max(axis=0)
    digit = np.where(np.abs(effect).max(axis=0) > 0, effect.argmax(axis=0), signature.DIGITS)
    order = np.lexsort((np.arange(digit.size), -most, digit))
    return [
        {
            "digit": d if d < signature.DIGITS else None,
            "units": [int(unit) for unit in order if digit[unit] == d],
        }
        for d in range(signature.DIGITS + 1)
        if np.any(digit == d)
    ]


class UnknownUnitError(LookupError):
    """No such reader, unit or row; the message says which there are."""


def inspect_unit(network: Network, output: str, unit: str) -> dict[str, Any]:
    """Describe one unit by its weights.

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
    direction, number, index = find_unit(network, output, unit)
    cell = _cell(network, direction, number)
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


def find_unit(network: Network, output: str, unit: str) -> tuple[str, int, int]:
    """Direction, layer and number of a unit that an address names.

    Raises:
        UnknownUnitError: no such reader or unit.
    """
    readers = signature.output_names(len(network.layers), network.bidirectional)
    readers = [name for name in readers if signature.layer_of(name)]
    if output not in readers:
        raise UnknownUnitError(f"no reader {output[:80]!r} here: output is {' or '.join(readers)}")
    direction, number = signature.layer_of(output)
    units = _cell(network, direction, number).units
    # int() alone would take "1_000" and digits of other scripts.
    if not (unit.isascii() and unit.isdecimal() and len(unit) < 9 and int(unit) < units):
        raise UnknownUnitError(f"no unit {unit[:20]!r} in {output}: 0 to {units - 1}")
    return direction, number, int(unit)


def _cell(network: Network, direction: str, number: int) -> Cell:
    layer = network.layers[number - 1]
    return layer.forward if direction == "forward" else layer.backward


def exciting(predictor: Predictor, output: str, unit: int) -> list[dict[str, Any]]:
    """The drawings of `examples`, of different digits, in which a unit's state is highest.

    Returns:
        The highest first: ``digit``, ``row`` (1..28) and ``state`` there, and ``image``, 28 x 28
        pixels 0..255.
    """
    images, digits = examples()
    states = predictor.run(images, [output])[output][:, :, unit]  # (images, 28)
    found: dict[int, dict[str, Any]] = {}
    for index in np.argsort(-states.max(axis=1), kind="stable"):
        row = int(states[index].argmax())
        found.setdefault(
            digits[index],
            {
                "digit": digits[index],
                "row": row + 1,
                "state": float(states[index, row]),
                "image": images[index].astype(np.uint8).ravel().tolist(),
            },
        )
    return [*found.values()][:EXCITING]


def explain_state(
    network: Network, image: np.ndarray, output: str, row: str, unit: str
) -> dict[str, Any]:
    """One state as the sum that it is f of (`reference.state_terms`), in float64.

    Args:
        image: (28, 28), raw pixels 0..255.
        row: 1..28, as an address writes it.

    Returns:
        ``activation``; ``sum_inputs``, ``sum_recurrent``, ``bias`` and ``total``, their sum;
        ``slope``, f'(total), and ``state``; ``inputs`` and ``recurrent``, the `TERMS` terms of
        largest magnitude in each sum as {"of", "weight", "value", "term"}. ``of`` is {"row",
        "pixel"} in layer 1, the row as it is in the picture; else {"unit"}, and {"reader"} where
        two readers are put side by side.

    Raises:
        UnknownUnitError: no such reader, unit or row.
    """
    direction, number, index = find_unit(network, output, unit)
    if row not in map(str, range(1, signature.STEPS + 1)):
        raise UnknownUnitError(f"no row {row[:20]!r}: 1 to {signature.STEPS}")
    at = int(row)
    layer, cell = network.layers[number - 1], _cell(network, direction, number)
    terms = reference.state_terms(network, image, output, at, index)
    below = network.layers[number - 2] if number > 1 else None

    def source(place: int) -> dict[str, Any]:
        if below is None:
            age = network.window - 1 - place // signature.PIXELS  # 0: the row it stands at
            seen = at + age if direction == "backward" else at - age
            return {"row": seen, "pixel": place % signature.PIXELS}
        if below.merge_mode == "concat":
            units = below.forward.units
            return {"reader": "forward" if place < units else "backward", "unit": place % units}
        return {"unit": place}

    def largest(products: np.ndarray, weights: np.ndarray, values: np.ndarray, of: Any) -> list:
        places = np.argsort(-np.abs(products), kind="stable")[:TERMS]
        return [
            {
                "of": of(int(place)),
                "weight": float(weights[place]),
                "value": float(values[place]),
                "term": float(products[place]),
            }
            for place in places
            if products[place]
        ]

    weights = cell.kernel[:, index], cell.recurrent_kernel[:, index]
    tanh = layer.activation == "tanh"
    return {
        "activation": layer.activation,
        "sum_inputs": float(terms.inputs.sum()),
        "sum_recurrent": float(terms.recurrent.sum()),
        "bias": terms.bias,
        "total": terms.total,
        "slope": slope(terms.total) if tanh else float(terms.total > 0),
        "state": terms.state,
        "inputs": largest(terms.inputs, weights[0], terms.x, source),
        "recurrent": largest(terms.recurrent, weights[1], terms.before, lambda i: {"unit": i}),
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
