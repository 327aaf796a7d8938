"""`model.images.masks`: connected parts and runs."""

import numpy as np
from scipy import ndimage

from model.images.masks import label, opened


def test_parts_are_those_of_scipy():
    rng = np.random.default_rng(0)
    for _ in range(200):
        mask = rng.random(rng.integers(1, 30, 2)) < rng.random()
        labels, count = label(mask)
        expected, expected_count = ndimage.label(mask, np.ones((3, 3)))
        assert count == expected_count
        pairs = set(zip(labels.ravel().tolist(), expected.ravel().tolist(), strict=True))
        assert len(pairs) == len(np.unique(labels))


def test_runs_that_are_long_enough_are_kept():
    rng = np.random.default_rng(0)
    for length in (1, 3, 8):
        mask = rng.random((20, 30)) < 0.8
        expected = ndimage.binary_opening(mask, np.ones((1, length)))
        np.testing.assert_array_equal(opened(mask, length), expected)
