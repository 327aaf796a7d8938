"""The rule that rejects an answer, case by case, and the thresholds of a card."""

import numpy as np
import pytest

from model import signature
from model.verdict import NO_INK, NOT_A_DIGIT, Thresholds, Verdict, judge

BOTH = Thresholds(score=0.7, confidence=0.6)


def probabilities(**digits: float) -> np.ndarray:
    """``probabilities(d4=0.5, d9=0.4)``; the other digits share the rest."""
    given = {int(name[1:]): value for name, value in digits.items()}
    rest = (1 - sum(given.values())) / (signature.DIGITS - len(given))
    return np.array([given.get(d, rest) for d in range(signature.DIGITS)], np.float32)


SURE = probabilities(d7=0.95)
UNSURE = probabilities(d4=0.5, d9=0.4)


@pytest.mark.parametrize(
    ("answer", "score", "thresholds", "expected"),
    [
        (SURE, 0.1, BOTH, Verdict()),
        (SURE, 0.71, BOTH, Verdict(NOT_A_DIGIT)),
        (SURE, 0.7, BOTH, Verdict()),  # at the threshold it is not above it
        (UNSURE, 0.1, BOTH, Verdict("not sure: 4 or 9", (4, 9))),
        (probabilities(d4=0.4, d9=0.5), 0.1, BOTH, Verdict("not sure: 9 or 4", (9, 4))),
        (probabilities(d3=0.45, d1=0.45), 0.1, BOTH, Verdict("not sure: 1 or 3", (1, 3))),
        (np.float64([0.6] + [0.4 / 9] * 9), 0.1, BOTH, Verdict()),  # nor is this below it
        (UNSURE, 0.9, BOTH, Verdict(NOT_A_DIGIT)),  # of two reasons, the graver one
        (UNSURE, None, BOTH, Verdict("not sure: 4 or 9", (4, 9))),
        (SURE, None, BOTH, Verdict()),
        (SURE, 0.99, Thresholds(confidence=0.6), Verdict()),
        (UNSURE, 0.99, Thresholds(score=0.7), Verdict(NOT_A_DIGIT)),
        (UNSURE, 0.5, Thresholds(score=0.7), Verdict()),
        (UNSURE, 0.99, Thresholds(), Verdict()),
        (UNSURE, 1.0, Thresholds(score=1, confidence=0), Verdict()),
        (None, None, BOTH, Verdict(NO_INK)),
        (None, 0.9, Thresholds(), Verdict(NO_INK)),
    ],
)
def test_the_rule(answer, score, thresholds, expected):
    verdict = judge(answer, score, thresholds)
    assert verdict == expected
    assert verdict.rejected == (verdict.reason is not None)


def test_several_digits_come_before_every_doubt_but_not_before_ink():
    assert judge(UNSURE, 0.9, BOTH, digits=2) == Verdict("more than one digit")
    assert judge(SURE, 0.1, Thresholds(), digits=2).rejected
    assert judge(None, None, BOTH, digits=2) == Verdict(NO_INK)


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ({}, Thresholds()),
        ({"thresholds": {}}, Thresholds()),
        ({"thresholds": {"score": 0.7, "confidence": 0.6}}, BOTH),
        ({"thresholds": {"confidence": 1}}, Thresholds(confidence=1)),
    ],
)
def test_thresholds_of_a_card(card, expected):
    assert Thresholds.from_card(card) == expected


@pytest.mark.parametrize(
    "value", [-0.1, 1.01, 70, "0.7", None, True, [0.7], {}, float("nan"), float("inf")]
)
@pytest.mark.parametrize("name", ["score", "confidence"])
def test_a_threshold_is_a_number_from_0_to_1(name, value):
    with pytest.raises(ValueError, match=rf"{name} must be a number in 0\.\.1"):
        Thresholds.from_card({"thresholds": {name: value}})


@pytest.mark.parametrize("thresholds", [0.7, [0.7], None, "high"])
def test_thresholds_are_an_object(thresholds):
    with pytest.raises(ValueError, match="must be an object"):
        Thresholds.from_card({"thresholds": thresholds})


def test_a_misspelt_threshold_is_told():
    with pytest.raises(ValueError, match="score and confidence, not 'confidance'"):
        Thresholds.from_card({"thresholds": {"score": 0.7, "confidance": 0.6}})
