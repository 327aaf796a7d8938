"""Pen drawings, photos of them and how near two are, for several tests."""

import numpy as np
import pytest

from model.images.strokes import render
from model.signature import WHITE

SEVEN = [np.array([[0.3, 0.2], [0.7, 0.25], [0.45, 0.8]])]
ONE = [np.array([[0.55, 0.15], [0.5, 0.85]])]
ZERO = [np.array([[0.5 + 0.2 * np.sin(t), 0.5 - 0.3 * np.cos(t)] for t in np.linspace(0, 6.3, 40)])]
FOUR = [np.array([[0.35, 0.2], [0.3, 0.55], [0.7, 0.55]]), np.array([[0.6, 0.15], [0.6, 0.85]])]
DRAWINGS = {"seven": SEVEN, "one": ONE, "zero": ZERO, "four": FOUR}

drawings = pytest.mark.parametrize("strokes", DRAWINGS.values(), ids=DRAWINGS)


def paper(height, width, light=(230, 120), noise=8, vignette=30, seed=0):
    """A photographed page: light falls off from left to right and to the corners."""
    y, x = np.mgrid[0:height, 0:width]
    x, y = x / width, y / height
    page = light[0] + (light[1] - light[0]) * x - vignette * ((x - 0.5) ** 2 + (y - 0.5) ** 2)
    return page + np.random.default_rng(seed).normal(0, noise, page.shape)


def photo(strokes, page, left, top, side):
    """Draw with a pen that leaves a quarter of the light on a page, (left, top) first."""
    ink = np.zeros(page.shape)
    ink[top : top + side, left : left + side] = render(strokes, side) / WHITE
    return np.rint((page * (1 - 0.75 * ink)).clip(0, WHITE)).astype(np.uint8)


def assert_same(result, expected, tolerance=2):
    assert result.has_ink
    assert np.abs(result.image - expected.image).max() <= tolerance


def correlation(a, b):
    """Of the pixels; whole-pixel centring may put two near-equal digits one pixel apart."""
    shifts = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    return max(np.corrcoef(np.roll(a, by, (0, 1)).ravel(), b.ravel())[0, 1] for by in shifts)
