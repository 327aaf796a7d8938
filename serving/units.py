"""A stable order of a network's units for the eye: by the digit that moves each one most.

Unsorted, a picture of hidden states reads as noise. Here every network reads the same
small set of drawings, and a unit belongs to the digit for which its state, averaged over
the rows, stands highest above its own average. Within a group the clearest unit is first.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from model import signature
from model.preprocess import preprocess
from model.strokes import render
from serving.predictor import Predictor

Strokes = list  # of strokes, each (points, 2) in the unit square, y down

_SLANTS = (-0.25, 0.0, 0.25)
_WIDTHS = (0.75, 1.0)


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
        ascending; together they hold every unit once.
    """
    profile = states.mean(axis=1)  # (digits, units)
    profile = profile - profile.mean(axis=0)
    # A constant unit (a dead relu) has no spread; it then counts as digit 0's last.
    clarity = profile.max(axis=0) / np.maximum(profile.std(axis=0), 1e-9)
    digit = profile.argmax(axis=0)
    order = np.lexsort((np.arange(digit.size), -clarity, digit))
    return [
        {"digit": d, "units": [int(unit) for unit in order if digit[unit] == d]}
        for d in range(signature.DIGITS)
        if np.any(digit == d)
    ]
