"""The end of a run: the best network calibrated, evaluated and described."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model import cards
from model.weights import load_keras
from training import card, data, report
from training import run_dir as folder
from training.calibrate import calibrate
from training.config import TrainingConfig
from training.data import Digits
from training.evaluation.metrics import Evaluation, evaluate
from training.run_dir import BEST, METRICS


@dataclass
class Progress:
    """How far a run has come; goes into the checkpoint."""

    history: list[dict[str, Any]]
    gradient_norm: list[float]
    largest_variable_norm: list[float]
    best: list[float] | None = None
    """Validation error and loss of ``best.keras``."""


def finish(
    config: TrainingConfig,
    data_path: Path | None,
    out: Path,
    progress: Progress,
    validation: Digits,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Calibrate and evaluate the best network, for the first and last time on the test set."""
    best = load_keras(out / BEST)
    calibration = calibrate(best, validation)
    folder.save_keras(best, out / BEST)
    on_validation = evaluate(best, validation)
    on_test = evaluate(best, data.load_test(data_path))
    metrics = {
        "parameters": best.count_params(),
        "seconds": round(sum(row["seconds"] for row in progress.history), 1),
        "best_epoch": config.epochs if config.mix else _best_epoch(progress.history),
        "calibration": calibration.to_json(),
        "validation": on_validation.to_json(),
        "test": on_test.to_json(),
        "history": progress.history,
    }
    report.write_csv(out / "metrics.csv", progress.history)
    _write_pictures(config, out, progress, on_test)
    folder.write_json(out / cards.NAME, card.make(settings, metrics))
    folder.write_json(out / METRICS, metrics)  # last: it marks the run as finished
    low, high = (100 * end for end in on_test.interval)
    print(
        f"test error {100 * on_test.error:.2f} % (95 % interval {low:.2f} to {high:.2f}), "
        f"validation {100 * on_validation.error:.2f} %\nwritten to {out}"
    )
    return metrics


def _write_pictures(
    config: TrainingConfig, out: Path, progress: Progress, on_test: Evaluation
) -> None:
    report.write_curves(out / "learning_curves.png", progress.history)
    report.write_gradient_norm(
        out / "gradient_norm.png",
        np.array(progress.gradient_norm),
        np.array(progress.largest_variable_norm),
        config.clipnorm or config.global_clipnorm,
        clip_is_global=config.global_clipnorm is not None,
    )
    title = f"Test set: {on_test.wrong} of {on_test.count:,} wrong"
    report.write_confusion(out / "confusion.png", on_test.confusion, title)


def _best_epoch(history: list[dict[str, Any]]) -> int:
    def score(row: dict[str, Any]) -> tuple[float, float]:
        return row["validation_error_percent"], row["validation_loss"]

    return min(history, key=score)["epoch"]
