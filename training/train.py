"""One training run: settings in, run folder out.

``runs/NAME/`` holds ``config.json``, ``metrics.csv`` and ``metrics.json``, the pictures,
``tensorboard/``, ``best.keras`` (best on validation data), ``card.json`` and
``checkpoint.npz`` (to resume from).
"""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from model.network import PRESETS, NetworkConfig, build
from training import augment, card, checkpoint, data, device, folder, mixture, report
from training.config import TrainingConfig
from training.data import Digits
from training.errors import TrainingError
from training.finish import Progress, finish
from training.folder import BEST, CONFIG
from training.metrics import evaluate
from training.mixture import Part
from training.recurrent import HoistedRNN
from training.step import Trainer
from training.teacher import Teacher, start


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
    has_checkpoint = folder.prepare(out, resume)
    training, validation = data.load_training(data_path, config.validation)
    if resume:
        settings = _resumed(folder.read_settings(out), training)
    else:
        settings = _settings(config, data_path, training, command)
    folder.write_json(out / CONFIG, settings)
    shape = NetworkConfig.from_json(settings["network"])
    keras.utils.set_random_seed(config.seed)
    _make_deterministic()
    network = build(shape, HoistedRNN)
    parts = mixture.digits_only(training)
    if config.mix:
        parts = mixture.everything(training, _folder(data_path), config.seed, config.spoiled)
    batch = min(config.batch_size, len(training))
    steps = mixture.steps_an_epoch(parts, batch)
    teacher = None
    if config.teacher:
        teacher = Teacher(Path(config.teacher), mixture.first_count(parts, batch))
    if config.start or config.teacher:
        start(network, Path(config.start or config.teacher), has_score=config.start is not None)
    trainer = Trainer(network, config, config.epochs * steps, teacher)
    progress = Progress([], [], [])
    if has_checkpoint:
        progress = Progress(**checkpoint.load(out, trainer.variables))

    print(f"{device.describe()}: {config.preset}, {network.count_params():,} parameters")
    print(f"{len(training):,} digits to train, {len(validation):,} to validate, {batch} a step")
    print(
        f"the loss is that of the answer, plus {config.step_loss:g} x that of every step's answer, "
        f"plus {config.belief_loss:g} x that of the downward reader"
    )
    tensorboard = report.TensorBoard(out / "tensorboard")
    averaged = build(shape)
    for epoch in range(len(progress.history) + 1, config.epochs + 1):
        row = _epoch(epoch, trainer, parts, batch, steps, progress)
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
        is_best = progress.best is None or config.mix or score < progress.best
        if is_best:
            progress.best = score
            folder.save_keras(averaged, out / BEST)
        checkpoint.save(out, trainer.variables, vars(progress))
        report.write_csv(out / "metrics.csv", progress.history)
        tensorboard.write(row)
        print(_summary(row, config.epochs, is_best))
    tensorboard.close()
    return finish(config, data_path, out, progress, validation, settings)


def _epoch(
    epoch: int, trainer: Trainer, parts: list[Part], batch: int, steps: int, progress: Progress
) -> dict[str, Any]:
    """See each digit of MNIST once; extends `progress` and returns the epoch's row."""
    start = time.perf_counter()
    # Seeded by epoch, so that a resumed run draws what the first would have drawn.
    rng = np.random.default_rng([trainer.config.seed, epoch])
    losses, norms, largest = [], [], []
    bar = tqdm(
        mixture.batches(parts, batch, rng),
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


def _settings(
    config: TrainingConfig, data_path: Path | None, digits: Digits, command: str
) -> dict[str, Any]:
    """All that determines the run, and how it came to be."""
    return {
        "training": config.to_json(),
        "network": PRESETS[config.preset].to_json(),
        "data": str(data_path) if data_path else None,
        "data_sha256": digits.sha256(),
        "data_count": len(digits),
        "command": command,
        "commit": card.commit(),
        "device": device.describe(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _resumed(settings: dict[str, Any], digits: Digits) -> dict[str, Any]:
    """The stored settings, with a note of when and on what the run went on.

    Raises:
        TrainingError: the data are not those that the run began with.
    """
    if settings.get("data_sha256", digits.sha256()) != digits.sha256():
        raise TrainingError("other data than the run began with: give the same --data")
    again = {
        "commit": card.commit(),
        "device": device.describe(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return settings | {"resumed": [*settings.get("resumed", []), again]}


def _folder(data_path: Path | None) -> Path:
    """Where the files of the other sources lie: beside MNIST."""
    return data.find(data_path).parent


def _make_deterministic() -> None:
    """Same seed, same metrics; JAX needs no such switch on the CPU."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def _summary(row: dict[str, Any], epochs: int, is_best: bool) -> str:
    return (
        f"epoch {row['epoch']:3}/{epochs}  loss {row['loss']:.4f}  "
        f"validation error {row['validation_error_percent']:.2f} %  "
        f"downward reader {row['validation_belief_error_percent']:.2f} %  "
        f"{row['images_per_second']:,.0f} images/s{'  best' if is_best else ''}"
    )
