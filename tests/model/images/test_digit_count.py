"""Several digits in one picture are noticed; strokes of one digit are not taken for several."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from model.images.digit_count import count_digits
from model.images.strokes import render
from model.signature import DIGITS
from tests.support.drawings import DRAWINGS

TEMPLATES = json.loads((Path("serving/page/static/drawing") / "digits.json").read_text())


def drawn(digit: int) -> np.ndarray:
    """The ink of a digit, cut out."""
    return cut(render([np.array(stroke) for stroke in TEMPLATES[str(digit)]]))


def cut(ink: np.ndarray) -> np.ndarray:
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def joined(inks: list[np.ndarray], gap: int, axis: int) -> np.ndarray:
    """Put inks in a row (axis 1) or a column (axis 0), with `gap` blank pixels between them."""
    longest = max(ink.shape[1 - axis] for ink in inks)
    parts = []
    for ink in inks:
        grow = [(0, 0), (0, 0)]
        grow[1 - axis] = (0, longest - ink.shape[1 - axis])
        grow[axis] = (0, gap)
        parts.append(np.pad(ink, grow))
    return cut(np.concatenate(parts, axis))


def test_one_digit_is_one_in_however_many_strokes():
    for digit in range(DIGITS):
        assert count_digits(drawn(digit)) == 1
    for strokes in DRAWINGS.values():
        assert count_digits(cut(render(strokes, brush=0.03))) == 1
    five = drawn(5)
    broken = five.copy()
    broken[len(five) // 2 : len(five) // 2 + 5] = 0
    assert count_digits(broken) == 1
    bar = joined([np.full((20, 120), 255, np.uint8), five], 30, 0)
    assert count_digits(bar) == 1


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("count", [2, 3])
def test_digits_in_a_row_or_a_column(axis, count):
    for first in range(DIGITS):
        digits = [drawn((first + 3 * i) % DIGITS) for i in range(count)]
        assert count_digits(joined(digits, 40, axis)) == count


def test_faint_ink_counts_as_any():
    pair = joined([drawn(3), drawn(8)], 40, 1)
    assert count_digits(pair // 8) == 2


@pytest.mark.skipif(
    not Path(os.environ.get("SCANLINE_DATA", "-")).is_file(), reason="SCANLINE_DATA is not a file"
)
def test_mnists_digits_are_one_each():
    with np.load(os.environ["SCANLINE_DATA"]) as data:
        images = data["x_train"][-10_000:]  # validation
    assert sum(count_digits(cut(image)) > 1 for image in images) <= 15
