"""Figures of merit: a model's answers in, numbers out."""

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from model import signature
from training.data import Digits

if TYPE_CHECKING:
    import keras

BATCH = 500


@dataclass(frozen=True)
class Evaluation:
    """How a model does on labelled digits."""

    count: int
    wrong: int
    loss: float
    """Mean cross-entropy of the answer, nats."""
    belief_error: np.ndarray
    """(28,): share of digits that the downward reader has wrong after each row."""
    confusion: np.ndarray
    """(10, 10): digits counted by label (row) and answer (column)."""

    @property
    def error(self) -> float:
        """Share of wrong answers, 0..1."""
        return self.wrong / self.count

    @property
    def interval(self) -> tuple[float, float]:
        return wilson_interval(self.wrong, self.count)

    def to_json(self) -> dict[str, Any]:
        return {
            **error_to_json(self.wrong, self.count),
            "loss": round(self.loss, 5),
            "belief_error_percent_by_row": [round(100 * e, 2) for e in self.belief_error.tolist()],
        }


def evaluate(model: "keras.Model", digits: Digits) -> Evaluation:
    """Run a network of `model.network` over labelled digits."""
    import keras  # figures of arrays need none

    # Only what is scored: all states of 10,000 digits would fill half a gigabyte.
    names = (signature.PROBABILITIES, signature.STEP_PROBABILITIES)
    scored = keras.Model(model.input, {name: model.output[name] for name in names})
    outputs = scored.predict(digits.images.astype(np.float32), batch_size=BATCH, verbose=0)
    return measure(*(outputs[name] for name in names), digits.labels)


def measure(probabilities: np.ndarray, beliefs: np.ndarray, labels: np.ndarray) -> Evaluation:
    """Hold answers (count, 10) and beliefs (count, 28, 10) against labels (count,)."""
    labels = labels.astype(int)
    answers = probabilities.argmax(axis=-1)
    confusion = np.zeros((signature.DIGITS, signature.DIGITS), int)
    np.add.at(confusion, (labels, answers), 1)
    likelihood = probabilities[np.arange(len(labels)), labels]
    return Evaluation(
        count=len(labels),
        wrong=int((answers != labels).sum()),
        loss=float(-np.log(np.maximum(likelihood, 1e-12)).mean()),
        belief_error=(beliefs.argmax(axis=-1) != labels[:, None]).mean(axis=0),
        confusion=confusion,
    )


def error_to_json(wrong: int, count: int) -> dict[str, Any]:
    """A share of wrong answers with its interval."""
    return {
        "count": count,
        "wrong": wrong,
        "error_percent": round(100 * wrong / count, 3),
        "interval_95_percent": [round(100 * end, 3) for end in wilson_interval(wrong, count)],
    }


def wilson_interval(wrong: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of an error rate (Wilson 1927): sound also near 0, unlike ± z·s."""
    share = wrong / count
    centre = share + z * z / (2 * count)
    half = z * sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


@dataclass(frozen=True)
class Reliability:
    """Answers by how sure they were: bin m holds confidences in ((m - 1) / bins, m / bins].

    Attributes, each (bins,), with 0 for an empty bin's means:
        share: of all answers.
        confidence: mean probability of the winning digit.
        accuracy: share of right answers.
    """

    share: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> Reliability:
    """Sort answers (count, 10) to digits with labels (count,) into bins of equal width."""
    confidence = probabilities.max(axis=-1).astype(np.float64)
    right = probabilities.argmax(axis=-1) == labels
    bin_of = np.ceil(confidence * bins).astype(int).clip(1, bins) - 1
    counts = np.bincount(bin_of, minlength=bins)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(bin_of, values, minlength=bins) / np.maximum(counts, 1)

    return Reliability(counts / len(labels), mean(confidence), mean(right))


def expected_calibration_error(
    probabilities: np.ndarray, labels: np.ndarray, bins: int = 15
) -> float:
    """How far confidence and accuracy lie apart, 0..1 (Guo et al. 2017, equation 3).

    Args:
        probabilities: (count, 10).
        labels: (count,), 0..9.
        bins: of equal width; the gap of each counts by its share of the answers.
    """
    seen = reliability(probabilities, labels, bins)
    return float((seen.share * np.abs(seen.accuracy - seen.confidence)).sum())


def auroc(positive_scores: np.ndarray, negative_scores: np.ndarray) -> float:
    """Area under the ROC curve: how often a positive scores above a negative, ties half.

    The Mann-Whitney statistic (Hanley and McNeil 1982) of two arrays (count,), each with one
    score at least.
    """
    negatives = np.sort(negative_scores)
    below = np.searchsorted(negatives, positive_scores, side="left")
    not_above = np.searchsorted(negatives, positive_scores, side="right")
    return float((below + not_above).mean() / (2 * len(negatives)))
