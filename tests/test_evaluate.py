"""Figures from a model whose answers are known."""

import keras
import numpy as np
import pytest

from model import signature
from training.data import Digits
from training.evaluate import evaluate, wilson_interval


def scripted_model() -> keras.Model:
    """Answers with the brightest of the first ten pixels of row 1; believes in it from row 3."""
    images = keras.Input((28, 28), name=signature.IMAGES)
    first = images[:, 0, :10] / 10
    late = keras.ops.arange(28) >= 2
    belief = first[:, None, :] * keras.ops.cast(late, "float32")[None, :, None]
    return keras.Model(
        images,
        {
            signature.PROBABILITIES: keras.layers.Softmax()(first),
            signature.STEP_PROBABILITIES: keras.layers.Softmax()(belief),
        },
    )


def test_errors_confusion_and_belief():
    labels = np.array([3, 3, 5, 0])
    images = np.zeros((4, 28, 28), np.uint8)
    images[range(4), 0, [3, 4, 5, 0]] = 200  # the second one is wrong
    result = evaluate(scripted_model(), Digits(images, labels))
    assert (result.wrong, result.count, result.error) == (1, 4, 0.25)
    assert result.confusion[3, 3] == result.confusion[3, 4] == 1
    assert result.confusion.sum() == 4
    # No belief before row 3: argmax of equals is digit 0, right for the last image alone.
    np.testing.assert_allclose(result.belief_error, [0.75] * 2 + [0.25] * 26)
    right = np.log(1 + 9 * np.exp(-20.0))
    assert result.loss == pytest.approx((3 * right + 20) / 4, rel=1e-3)


def test_wilson_interval_of_known_cases():
    # Newcombe 1998, table I: 81 of 263, and 0 of 20.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-4)
    assert wilson_interval(0, 20) == pytest.approx((0, 0.1611), abs=5e-4)
    low, high = wilson_interval(20, 20)
    assert (1 - high, 1 - low) == pytest.approx((0, 0.1611), abs=5e-4)
