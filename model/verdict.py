"""When an answer is believed, and when it is rejected with a reason: the one rule, for all.

In this order:

1. no ink: ``no ink``
2. a picture with several digits apart from each other: ``more than one digit``
3. the network is surer than `Thresholds.score` that it sees no digit: ``not a digit``
4. its best digit is less likely than `Thresholds.confidence`: ``not sure: 4 or 9``, the
   two likeliest digits, the likelier one first
5. else the answer is accepted.

How many digits a picture shows, 0 without ink, is counted when it is prepared
(`model.prediction`). A network without a score skips 3; a card without a threshold skips its
check. The thresholds are chosen on validation data, by `training`, and travel in the card.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from model import signature

NO_INK = "no ink"
SEVERAL_DIGITS = "more than one digit"
NOT_A_DIGIT = "not a digit"

_CONFIDENCE = "confidence"


@dataclass(frozen=True)
class Thresholds:
    """Where doubt begins, 0..1 each; None leaves the check out."""

    score: float | None = None
    confidence: float | None = None

    @classmethod
    def from_card(cls, card: dict[str, Any]) -> Self:
        """What a card holds as ``"thresholds": {"score": 0.7, "confidence": 0.6}``.

        Raises:
            ValueError: not an object, a value that is no number in 0..1, or an unknown
                name (a misspelt threshold would go unnoticed otherwise).
        """
        values = card.get("thresholds", {})
        if not isinstance(values, dict):
            raise ValueError("thresholds must be an object")
        known = (signature.SCORE, _CONFIDENCE)
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"thresholds may hold {' and '.join(known)}, not {name!r}")
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not (is_number and 0 <= value <= 1):  # NaN is not
                raise ValueError(f"thresholds: {name} must be a number in 0..1, found {value!r}")
        return cls(score=values.get(signature.SCORE), confidence=values.get(_CONFIDENCE))


@dataclass(frozen=True)
class Verdict:
    """Accepted where `reason` is None.

    `between` are the two digits that a network which is not sure wavers between.
    """

    reason: str | None = None
    between: tuple[int, int] | None = None

    @property
    def rejected(self) -> bool:
        return self.reason is not None


ACCEPTED = Verdict()


def judge(
    probabilities: np.ndarray,
    scores: np.ndarray | None,
    thresholds: Thresholds,
    digits: np.ndarray | int = 1,
) -> list[Verdict]:
    """Apply the rule to each answer.

    Args:
        probabilities: (count, 10).
        scores: (count, 1), how sure the network is that this is no digit, 0..1; None if it
            does not say.
        thresholds: of the network's card.
        digits: how many a picture seems to show, (count,) or one number for all; 0: no ink.
    """
    count = len(probabilities)
    digits = np.broadcast_to(digits, count)
    no_digit = unsure = np.zeros(count, bool)
    if scores is not None and thresholds.score is not None:
        no_digit = scores[:, 0].astype(np.float64) > thresholds.score
    if thresholds.confidence is not None:
        unsure = probabilities.max(axis=-1) < thresholds.confidence
    verdicts = [ACCEPTED] * count
    for index in np.flatnonzero((digits != 1) | no_digit | unsure).tolist():
        if digits[index] < 1:
            verdicts[index] = Verdict(NO_INK)
        elif digits[index] > 1:
            verdicts[index] = Verdict(SEVERAL_DIGITS)
        elif no_digit[index]:
            verdicts[index] = Verdict(NOT_A_DIGIT)
        else:
            first, second = np.argsort(-probabilities[index], kind="stable")[:2].tolist()
            verdicts[index] = Verdict(f"not sure: {first} or {second}", (first, second))
    return verdicts
