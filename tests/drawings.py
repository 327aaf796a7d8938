"""Pen drawings that several tests share."""

import numpy as np
import pytest

SEVEN = [np.array([[0.3, 0.2], [0.7, 0.25], [0.45, 0.8]])]
ONE = [np.array([[0.55, 0.15], [0.5, 0.85]])]
ZERO = [np.array([[0.5 + 0.2 * np.sin(t), 0.5 - 0.3 * np.cos(t)] for t in np.linspace(0, 6.3, 40)])]
FOUR = [np.array([[0.35, 0.2], [0.3, 0.55], [0.7, 0.55]]), np.array([[0.6, 0.15], [0.6, 0.85]])]
DRAWINGS = {"seven": SEVEN, "one": ONE, "zero": ZERO, "four": FOUR}

drawings = pytest.mark.parametrize("strokes", DRAWINGS.values(), ids=DRAWINGS)
