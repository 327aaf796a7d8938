"""One training run: settings in, run folder out.

``runs/NAME/`` holds ``config.json``, ``metrics.csv`` and ``metrics.json``, the pictures,
``tensorboard/``, ``best.keras`` (best on validation data), ``card.json`` and
``checkpoint.npz`` (to resume from).
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from model.network import PRESETS, build
from model.weights import load_keras
from training import augment, card, checkpoint, data, device, report
from training.config import TrainingConfig
from training.data import Digits
from training.errors import TrainingError
from training.evaluate import Evaluation, evaluate
from training.step import Trainer

CONFIG, METRICS, BEST = "config.json", "metrics.json", "best.keras"


@dataclass
class Progress:
    """How far a run has come; goes into the checkpoint."""

    history: list[dict[str, Any]]
    gradient_norm: list[float]
    largest_variable_norm: list[float]
    best: list[float] | None = None
    """Validation error and loss of ``best.keras``."""


def run(
    config: TrainingConfig, data_path: Path | None, out: Path, command: str, resume: bool = False
) -> dict[str, Any]:
    """Train, evaluate on the test set once, and write everything into `out`.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        TrainingError: bad data, `out` in use, or nothing to resume.
        OSError: the disk is full or not writable.
    """
    resume = _prepare_folder(out, resume)
    training, validation = data.load_training(data_path, config.validation)
    keras.utils.set_random_seed(config.seed)
    _make_deterministic()
    network = build(PRESETS[config.preset])
    batch = min(config.batch_size, len(training))
    steps = len(training) // batch
    trainer = Trainer(network, config, config.epochs * steps)
    progress = Progress([], [], [])
    if resume:
        progress = Progress(**checkpoint.load(out, trainer.variables))
    else:
        settings = {
            "training": config.to_json(),
            "network": PRESETS[config.preset].to_json(),
            "command": command,
            "data": str(data_path) if data_path else None,
            "commit": card.commit(),
            "device": device.describe(),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        _write_json(out / CONFIG, settings)

    print(f"{device.describe()}: {config.preset}, {network.count_params():,} parameters")
    print(f"{len(training):,} digits to train, {len(validation):,} to validate, {batch} a step")
    print(
        f"the loss is that of the answer, plus {config.step_loss:g} x that of every step's answer, "
        f"plus {config.belief_loss:g} x that of the downward reader"
    )
    tensorboard = report.TensorBoard(out / "tensorboard")
    averaged = build(PRESETS[config.preset])
    for epoch in range(len(progress.history) + 1, config.epochs + 1):
        row = _epoch(epoch, trainer, training, batch, steps, progress)
        for variable, value in zip(
            averaged.trainable_variables, trainer.evaluated_weights(), strict=True
        ):
            variable.assign(value)
        result = evaluate(averaged, validation)
        row |= {
            "validation_loss": result.loss,
            "validation_error_percent": 100 * result.error,
            "validation_belief_error_percent": 100 * float(result.belief_error[-1]),
        }
        progress.history.append(row)
        score = [result.error, result.loss]
        is_best = progress.best is None or score < progress.best
        if is_best:
            progress.best = score
            _save_keras(averaged, out / BEST)
        checkpoint.save(out, trainer.variables, vars(progress))
        report.write_csv(out / "metrics.csv", progress.history)
        tensorboard.write(row)
        print(_summary(row, config.epochs, is_best))
    tensorboard.close()
    return _finish(config, data_path, out, progress, validation)


def _epoch(
    epoch: int, trainer: Trainer, digits: Digits, batch: int, steps: int, progress: Progress
) -> dict[str, Any]:
    """Train on each digit once; extends `progress` and returns the epoch's row."""
    start = time.perf_counter()
    # Seeded by epoch, so that a resumed run draws what the first would have drawn.
    rng = np.random.default_rng([trainer.config.seed, epoch])
    losses, norms, largest = [], [], []
    bar = tqdm(
        _batches(digits, batch, steps, rng),
        f"epoch {epoch}",
        steps,
        leave=False,
        unit="step",
        disable=None,
    )
    for images, labels in bar:
        warp = augment.draw(rng, batch) if trainer.config.augment else None
        metrics = trainer.step(images, labels, warp)
        losses.append(float(metrics["loss"]))
        norms.append(float(metrics["gradient_norm"]))
        largest.append(float(metrics["largest_variable_norm"]))
        if not np.isfinite(losses[-1]):
            raise TrainingError(
                f"the loss is {losses[-1]} in epoch {epoch}: lower --learning-rate or --clipnorm"
            )
        bar.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
    trainer.sync()
    progress.gradient_norm += norms
    progress.largest_variable_norm += largest
    seconds = time.perf_counter() - start
    return {
        "epoch": epoch,
        "loss": float(np.mean(losses)),
        "gradient_norm": float(np.mean(norms)),
        "learning_rate": float(ops.convert_to_numpy(trainer.optimizer.learning_rate)),
        "seconds": round(seconds, 2),
        "images_per_second": round(batch * steps / seconds, 1),
    }


def _batches(
    digits: Digits, batch: int, steps: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every digit once in random order; what does not fill a batch waits for the next epoch."""
    order = rng.permutation(len(digits))
    for step in range(steps):
        chosen = order[step * batch : (step + 1) * batch]
        yield digits.images[chosen], digits.labels[chosen]


def _finish(
    config: TrainingConfig,
    data_path: Path | None,
    out: Path,
    progress: Progress,
    validation: Digits,
) -> dict[str, Any]:
    """Evaluate the best network, for the first and last time on the test set too."""
    best = load_keras(out / BEST)
    on_validation = evaluate(best, validation)
    on_test = evaluate(best, data.load_test(data_path))
    metrics = {
        "parameters": best.count_params(),
        "seconds": round(sum(row["seconds"] for row in progress.history), 1),
        "best_epoch": _best_epoch(progress.history),
        "validation": on_validation.to_json(),
        "test": on_test.to_json(),
        "history": progress.history,
    }
    _write_json(out / METRICS, metrics)
    settings = json.loads((out / CONFIG).read_text())
    card.write(out / card.NAME, card.make(settings, metrics))
    _write_pictures(config, out, progress, on_test)
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


def _prepare_folder(out: Path, resume: bool) -> bool:
    """Make the folder; returns whether it holds a checkpoint to go on from."""
    if (out / METRICS).exists():
        raise TrainingError(f"{out} is a finished run: give another --out")
    has_checkpoint = (out / checkpoint.NAME).exists()
    # A run that was stopped in its first epoch has nothing to lose.
    is_ours = (out / CONFIG).exists() and not has_checkpoint
    if not (resume or is_ours) and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainingError(f"{out} exists: give another --out, or --resume to go on with it")
    out.mkdir(parents=True, exist_ok=True)
    return resume and has_checkpoint


def _make_deterministic() -> None:
    """Same seed, same metrics; JAX needs no such switch on the CPU."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def _save_keras(model: keras.Model, path: Path) -> None:
    part = path.with_name(f"part-{path.name}")  # never a half-written file under its name
    model.save(part)
    part.replace(path)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")


def _summary(row: dict[str, Any], epochs: int, is_best: bool) -> str:
    return (
        f"epoch {row['epoch']:3}/{epochs}  loss {row['loss']:.4f}  "
        f"validation error {row['validation_error_percent']:.2f} %  "
        f"downward reader {row['validation_belief_error_percent']:.2f} %  "
        f"{row['images_per_second']:,.0f} images/s{'  best' if is_best else ''}"
    )
