"""Which drawings a network's card rejects: the rule of the app, for whole arrays."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model import cards
from model.signature import PROBABILITIES, SCORE
from training.errors import TrainingError


@dataclass(frozen=True)
class Thresholds:
    """Where doubt begins, 0..1; what is None rejects nothing."""

    score: float | None = None
    """Above it: not a digit."""
    confidence: float | None = None
    """A winning probability below it: not sure."""

    @classmethod
    def beside(cls, model: Path) -> "Thresholds":
        """What the network's card says under "thresholds", if anything.

        Raises:
            TrainingError: the card is not JSON, or a threshold is not a number in 0..1.
        """
        path = cards.card_path(model)
        try:
            thresholds = cls(**cards.read(path).get("thresholds", {}))
            for value in (thresholds.score, thresholds.confidence):
                if value is not None and not 0 <= value <= 1:
                    raise ValueError(f"{value} is not in 0..1")
        except (ValueError, TypeError) as error:
            raise TrainingError(
                f"{path}: a JSON object is needed whose thresholds, if any, are score and "
                f"confidence, 0..1 each: {error}"
            ) from error
        return thresholds

    def reject(self, outputs: dict[str, np.ndarray]) -> np.ndarray:
        """Which drawings are rejected: bool (count,).

        Args:
            outputs: `probabilities` (count, 10) and, where the network has it, `score`
                (count, 1).
        """
        rejected = np.zeros(len(outputs[PROBABILITIES]), bool)
        if self.score is not None and SCORE in outputs:
            rejected |= outputs[SCORE][:, 0] > self.score
        if self.confidence is not None:
            rejected |= outputs[PROBABILITIES].max(axis=-1) < self.confidence
        return rejected
