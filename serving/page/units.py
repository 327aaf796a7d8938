"""A stable order of a network's units for the eye: by the digit for which each is most active.

Unsorted, a picture of hidden states reads as noise. Here every network reads the same
small set of drawings, and a unit belongs to the digit for which its state, averaged over
the rows, stands highest above its own average. Within a group the clearest unit is first.
That is not the digit that the unit votes for (`serving.page.inspector`): most have no vote at all.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from model import signature
from model.images.preprocess import preprocess
from model.images.strokes import render
from model.predictor import Predictor

Strokes = list  # of strokes, each (points, 2) in the unit square, y down

_SLANTS = (-0.25, 0.0, 0.25)
_WIDTHS = (0.75, 1.0)
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
