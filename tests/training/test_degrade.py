"""Degraded digits: changed, seen as the app would, and the same for the same seed."""

import numpy as np
import pytest

from model.images.preprocess import preprocess
from model.images.strokes import render
from tests.support.drawings import FOUR, SEVEN, ZERO
from training import degrade

DIGITS = np.stack(
    [np.rint(preprocess(render(d)).image).astype(np.uint8) for d in (SEVEN, FOUR, ZERO)] * 4
)


@pytest.mark.parametrize("kind", degrade.KINDS, ids=lambda kind: kind.__name__)
def test_each_kind_changes_the_digit_and_keeps_its_range(kind):
    rng = np.random.default_rng(0)
    changed = 0
    for image in DIGITS:
        before = image.copy()
        changed_image = np.asarray(kind(image, rng))
        np.testing.assert_array_equal(image, before)  # the original is not touched
        assert changed_image.shape == (28, 28)
        assert 0 <= changed_image.min() <= changed_image.max() <= 255
        changed += (np.abs(changed_image.astype(int) - image) > 20).any()
    assert changed >= len(DIGITS) - 3  # a gap may miss the ink, a cut go through none


def test_results_are_in_the_convention_and_seeded():
    first = degrade.degrade(DIGITS, np.random.default_rng(5))
    second = degrade.degrade(DIGITS, np.random.default_rng(5))
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.uint8
    assert (first != DIGITS).any(axis=(1, 2)).sum() >= len(DIGITS) - 2  # a gap may miss the ink
    assert (first.max(axis=(1, 2)) == 255).all()


def test_what_nothing_was_left_of_comes_back_as_it_was(monkeypatch):
    monkeypatch.setattr(degrade, "KINDS", (lambda image, _: np.zeros_like(image),))
    np.testing.assert_array_equal(degrade.degrade(DIGITS, np.random.default_rng(0)), DIGITS)
