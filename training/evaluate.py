"""One model in, figures out."""

from dataclasses import dataclass
from math import sqrt
from typing import Any

import keras
import numpy as np

from model import signature
from training.data import Digits

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
        low, high = self.interval
        return {
            "count": self.count,
            "wrong": self.wrong,
            "error_percent": round(100 * self.error, 3),
            "interval_95_percent": [round(100 * low, 3), round(100 * high, 3)],
            "loss": round(self.loss, 5),
            "belief_error_percent_by_row": [round(100 * e, 2) for e in self.belief_error.tolist()],
        }


def evaluate(model: keras.Model, digits: Digits) -> Evaluation:
    """Run a network of `model.network` over labelled digits."""
    # Only what is scored: all states of 10,000 digits would fill half a gigabyte.
    names = (signature.PROBABILITIES, signature.STEP_PROBABILITIES)
    scored = keras.Model(model.input, {name: model.output[name] for name in names})
    outputs = scored.predict(digits.images.astype(np.float32), batch_size=BATCH, verbose=0)
    probabilities, beliefs = (outputs[name] for name in names)
    labels = digits.labels.astype(int)
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


def wilson_interval(wrong: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of an error rate (Wilson 1927): sound also near 0, unlike ± z·s."""
    share = wrong / count
    centre = share + z * z / (2 * count)
    half = z * sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)
