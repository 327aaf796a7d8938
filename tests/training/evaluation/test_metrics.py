"""Figures of answers that are known, worked by hand."""

import keras
import numpy as np
import pytest

from model import signature
from training.data import Digits
from training.evaluation.metrics import (
    auroc,
    evaluate,
    expected_calibration_error,
    reliability,
    wilson_interval,
)


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


def answers(*sure: float) -> np.ndarray:
    """Answers with digit 3, each as sure as given; the rest goes to the others evenly."""
    probabilities = np.repeat(np.array(sure)[:, None], 10, axis=1)
    probabilities = (1 - probabilities) / 9
    probabilities[:, 3] = sure
    return probabilities


def test_calibration_error_worked_by_hand():
    # Bins of a fifth: two answers of 0.9, one of them right; 0.7, right; 0.5, wrong.
    probabilities, labels = answers(0.9, 0.9, 0.7, 0.5), np.array([3, 0, 3, 0])
    by_hand = 2 / 4 * abs(0.5 - 0.9) + 1 / 4 * abs(1 - 0.7) + 1 / 4 * abs(0 - 0.5)
    assert expected_calibration_error(probabilities, labels, bins=5) == pytest.approx(by_hand)
    seen = reliability(probabilities, labels, bins=5)
    np.testing.assert_allclose(seen.share, [0, 0, 0.25, 0.25, 0.5])
    np.testing.assert_allclose(seen.confidence, [0, 0, 0.5, 0.7, 0.9])
    np.testing.assert_allclose(seen.accuracy, [0, 0, 0, 1, 0.5])


def test_calibration_error_at_the_ends_and_the_edge_of_a_bin():
    # 0.5 belongs to (0, 0.5]: alone there, its gap does not cancel that of 0.75.
    apart = expected_calibration_error(answers(0.5, 0.75), np.array([3, 0]), bins=2)
    assert apart == pytest.approx((0.5 + 0.75) / 2)
    assert expected_calibration_error(answers(1.0, 1.0), np.array([3, 3])) == 0
    assert expected_calibration_error(answers(1.0, 1.0), np.array([0, 0])) == 1


def test_answers_drawn_as_often_as_they_say_are_calibrated():
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.2, 1, 50_000)
    labels = np.where(rng.random(50_000) < sure, 3, 0)
    assert expected_calibration_error(answers(*sure), labels) < 0.01
    assert expected_calibration_error(answers(*(sure**0.5)), labels) > 0.1


@pytest.mark.parametrize(
    ("positives", "negatives", "expected"),
    [
        ([3, 1], [2, 0], 3 / 4),  # 3 > 2, 3 > 0, 1 > 0
        ([1, 1], [1, 0], 3 / 4),  # two ties, two wins
        ([5], [5, 5], 1 / 2),
        ([2, 3], [0, 1, 1], 1),
        ([0], [1, 2], 0),
    ],
)
def test_auroc_worked_by_hand(positives, negatives, expected):
    assert auroc(np.array(positives), np.array(negatives)) == expected


def test_auroc_of_many_is_the_share_of_pairs():
    rng = np.random.default_rng(0)
    positives, negatives = rng.integers(0, 20, 300), rng.integers(-5, 15, 200)
    above = positives[:, None] > negatives
    equal = positives[:, None] == negatives
    assert auroc(positives, negatives) == pytest.approx((above + equal / 2).mean())
