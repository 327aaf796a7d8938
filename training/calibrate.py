"""Probabilities that mean what they say, and thresholds for what is no digit.

Temperature scaling (Guo et al. 2017): logits are divided by the one number that makes digits
that were not trained on most likely. The number is folded into the read-outs' weights, so that
every export and every engine has it. The thresholds go into the card.
"""

from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from scipy.optimize import minimize_scalar

from model import network, signature
from training.data import Digits

# Clean digits that may be rejected at most, by each of the two reasons.
REJECTED_BY_SCORE = 0.004
REJECTED_BY_CONFIDENCE = 0.002
_BATCH = 500


@dataclass(frozen=True)
class Calibration:
    """What was found on the validation digits."""

    temperature: float
    belief_temperature: float
    thresholds: dict[str, float]
    """``confidence``, and ``score`` where the network has one: see `model.verdict`."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def calibrate(model: keras.Model, digits: Digits, degraded: Digits | None = None) -> Calibration:
    """Fit on labelled digits that the network was not trained on, and change `model` by it.

    Args:
        model: of `model.network`.
        digits: clean ones, for the temperature and the thresholds.
        degraded: more for the temperature; most of these may be rejected.
    """
    images, labels = digits.images, digits.labels.astype(int)
    if degraded is not None:
        images = np.concatenate([images, degraded.images])
        labels = np.concatenate([labels, degraded.labels.astype(int)])
    outputs = network.logits_model(model).predict(
        images.astype(np.float32), batch_size=_BATCH, verbose=0
    )
    every_row = np.repeat(labels[:, None], signature.STEPS, axis=1)
    temperature = fit_temperature(outputs["logits"], labels)
    belief_temperature = fit_temperature(outputs["belief_logits"], every_row)
    _divide(model.get_layer("readout"), temperature)
    if "belief" in {layer.name for layer in model.layers}:
        _divide(model.get_layer("belief"), belief_temperature)
    else:  # one read-out for both: the answer's calibration counts
        belief_temperature = temperature

    clean = slice(len(digits))
    confidence = _softmax(outputs["logits"][clean] / temperature).max(axis=-1)
    thresholds = {"confidence": _rounded(np.quantile(confidence, REJECTED_BY_CONFIDENCE))}
    if "score_logits" in outputs:
        scores = 1 / (1 + np.exp(-outputs["score_logits"][clean, 0].astype(np.float64)))
        thresholds["score"] = _rounded(np.quantile(scores, 1 - REJECTED_BY_SCORE))
    return Calibration(round(temperature, 4), round(belief_temperature, 4), thresholds)


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The T for which softmax(logits / T) makes `labels` most likely.

    Args:
        logits: (..., 10).
        labels: (...), 0..9.
    """
    flat, right = logits.reshape(-1, signature.DIGITS).astype(np.float64), labels.ravel()
    rows = np.arange(len(right))

    def surprise(log_temperature: float) -> float:
        scaled = flat * np.exp(-log_temperature)
        top = scaled.max(axis=-1)
        total = top + np.log(np.exp(scaled - top[:, None]).sum(axis=-1))
        return float((total - scaled[rows, right]).mean())

    return float(np.exp(minimize_scalar(surprise, bounds=(-3, 3), method="bounded").x))


def _divide(readout: keras.layers.Dense, temperature: float) -> None:
    for variable in (readout.kernel, readout.bias):
        variable.assign(ops.convert_to_numpy(variable) / temperature)


def _softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
