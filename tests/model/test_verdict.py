"""The rule that rejects an answer, case by case, and the thresholds of a card."""

import numpy as np
import pytest

from model import signature
from model.verdict import NO_INK, NOT_A_DIGIT, SEVERAL_DIGITS, Thresholds, Verdict, judge

BOTH = Thresholds(score=0.7, confidence=0.6)


def probabilities(**digits: float) -> np.ndarray:
    """``probabilities(d4=0.5, d9=0.4)``; the other digits share the rest."""
    given = {int(name[1:]): value for name, value in digits.items()}
    rest = (1 - sum(given.values())) / (signature.DIGITS - len(given))
    return np.array([given.get(d, rest) for d in range(signature.DIGITS)], np.float32)


SURE = probabilities(d7=0.95)
UNSURE = probabilities(d4=0.5, d9=0.4)
CASES = [  # answer, score, thresholds, digits in the picture, verdict
    (SURE, 0.1, BOTH, 1, Verdict()),
    (SURE, 0.71, BOTH, 1, Verdict(NOT_A_DIGIT)),
    (SURE, 0.7, BOTH, 1, Verdict()),  # at the threshold it is not above it
    (UNSURE, 0.1, BOTH, 1, Verdict("not sure: 4 or 9", (4, 9))),
    (probabilities(d4=0.4, d9=0.5), 0.1, BOTH, 1, Verdict("not sure: 9 or 4", (9, 4))),
    (probabilities(d3=0.45, d1=0.45), 0.1, BOTH, 1, Verdict("not sure: 1 or 3", (1, 3))),
    (np.float64([0.6] + [0.4 / 9] * 9), 0.1, BOTH, 1, Verdict()),  # nor is this below it
    (UNSURE, 0.9, BOTH, 1, Verdict(NOT_A_DIGIT)),  # of two reasons, the graver one
    (UNSURE, None, BOTH, 1, Verdict("not sure: 4 or 9", (4, 9))),
    (SURE, None, BOTH, 1, Verdict()),
    (SURE, 0.99, Thresholds(confidence=0.6), 1, Verdict()),
    (UNSURE, 0.5, Thresholds(score=0.7), 1, Verdict()),
    (UNSURE, 0.99, Thresholds(), 1, Verdict()),
    (UNSURE, 1.0, Thresholds(score=1, confidence=0), 1, Verdict()),
    (UNSURE, 0.9, BOTH, 2, Verdict(SEVERAL_DIGITS)),
    (SURE, 0.1, Thresholds(), 3, Verdict(SEVERAL_DIGITS)),
    (UNSURE, 0.9, BOTH, 0, Verdict(NO_INK)),
    (SURE, None, Thresholds(), 0, Verdict(NO_INK)),
]


@pytest.mark.parametrize(("answer", "score", "thresholds", "digits", "expected"), CASES)
def test_the_rule(answer, score, thresholds, digits, expected):
    scores = None if score is None else np.array([[score]])
    [verdict] = judge(answer[None], scores, thresholds, digits)
    assert verdict == expected
    assert verdict.rejected == (verdict.reason is not None)


def test_many_answers_are_judged_each_for_itself():
    cases = [case for case in CASES if case[2] is BOTH and case[1] is not None]
    answers, scores, _, digits, expected = zip(*cases, strict=True)
    found = judge(np.stack(answers), np.array(scores)[:, None], BOTH, np.array(digits))
    assert found == list(expected)
    assert judge(np.zeros((0, 10)), None, BOTH) == []


def test_thresholds_of_a_card():
    for card, expected in (
        ({}, Thresholds()),
        ({"thresholds": {}}, Thresholds()),
        ({"thresholds": {"score": 0.7, "confidence": 0.6}}, BOTH),
        ({"thresholds": {"confidence": 1}}, Thresholds(confidence=1)),
    ):
        assert Thresholds.from_card(card) == expected


@pytest.mark.parametrize("name", ["score", "confidence"])
def test_a_threshold_is_a_number_from_0_to_1(name):
    for value in (-0.1, 1.01, "0.7", None, True, [0.7], float("nan"), float("inf")):
        with pytest.raises(ValueError, match=rf"{name} must be a number in 0\.\.1"):
            Thresholds.from_card({"thresholds": {name: value}})


def test_thresholds_are_an_object_of_known_names():
    for thresholds in (0.7, [0.7], None, "high"):
        with pytest.raises(ValueError, match="must be an object"):
            Thresholds.from_card({"thresholds": thresholds})
    with pytest.raises(ValueError, match="score and confidence, not 'confidance'"):
        Thresholds.from_card({"thresholds": {"score": 0.7, "confidance": 0.6}})
