"""One training run: settings in, run folder out.

``runs/NAME/`` holds ``config.json``, ``metrics.csv`` and ``metrics.json``, the pictures,
``tensorboard/``, ``best.keras`` (best on validation data), ``card.json`` and
``checkpoint.npz`` (to resume from).
"""

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np

from model import cards
from model.files import write_json
from model.network import PRESETS, NetworkConfig
from model.weights import load_keras
from training import card, checkpoint, data, distribute, mixture, provenance, report, run_dir
from training.calibrate import calibrate
from training.config import TrainingConfig, several
from training.data import Digits
from training.errors import TrainingError
from training.evaluation.metrics import Evaluation, evaluate
from training.loop import Loop, Progress
from training.run_dir import BEST, CHECKPOINT, CONFIG, METRICS


def run(
    config: TrainingConfig,
    data_path: Path | None,
    out: Path,
    command: str,
    resume: bool = False,
    distribution: keras.distribution.DataParallel | None = None,
) -> dict[str, Any] | None:
    """Train, evaluate on the test set once, and write everything into `out`.

    With a `distribution` of several processes (`training.distribute`) all must see the same
    data and, to resume, the same `out`; process 0 writes.

    Returns:
        What ``metrics.json`` holds; None where another process wrote it.

    Raises:
        TrainingError: bad data, `out` in use, or nothing to resume.
        OSError: the disk is full or not writable.
    """
    writes = distribute.writes()
    if writes:
        has_checkpoint = run_dir.prepare(out, resume)
    else:
        has_checkpoint = resume and (out / CHECKPOINT).exists()
    digits = data.load_training(data_path, config.validation)
    if resume:
        settings = _resumed(run_dir.read_settings(out), digits[0])
    else:
        settings = _settings(config, data_path, digits[0], command)
    if writes:
        write_json(out / CONFIG, settings)
    shape = NetworkConfig.from_json(settings["network"])
    loop = Loop(config, shape, data_path, digits, distribution, is_resumed=has_checkpoint)
    if has_checkpoint:
        loop.progress = Progress(**checkpoint.load(out, loop.trainer.variables))
    if not writes:
        for _ in loop.epochs():
            pass
        return None

    print(_introduction(config, shape, loop, *map(len, digits)))
    tensorboard = report.TensorBoard(out / "tensorboard")
    progress = loop.progress
    for row, result in loop.epochs():
        score = [result.error, result.loss]
        is_best = progress.best is None or config.mix or score < progress.best
        if is_best:
            progress.best = score
            run_dir.save_keras(loop.averaged, out / BEST)
        checkpoint.save(out, loop.trainer.variables, vars(progress))
        report.write_csv(out / "metrics.csv", progress.history)
        tensorboard.write(row)
        print(_summary(row, config.epochs, shape.bidirectional, is_best))
    tensorboard.close()
    return _finish(config, data_path, out, progress, digits[1], settings)


def _settings(
    config: TrainingConfig, data_path: Path | None, digits: Digits, command: str
) -> dict[str, Any]:
    """All that determines the run, and how it came to be."""
    settings = {
        "training": config.to_json(),
        "network": _network(config).to_json(),
        "data": str(data_path) if data_path else None,
        "data_sha256": digits.sha256(),
        "data_count": len(digits),
        "command": command,
        "commit": card.commit(),
        "device": _device(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if config.start:
        settings["start_sha256"] = _sha256("start", config.start)
    settings["teacher_sha256"] = [_sha256("teacher", path) for path in config.teacher]
    if config.mix:
        settings["fonts"] = mixture.fonts_learnt(data.find(data_path).parent)
    # Now, not at the end: what cannot be read there must not cost the run.
    return settings | {"commands": provenance.commands(settings)}


def _network(config: TrainingConfig) -> NetworkConfig:
    shape = PRESETS[config.preset]
    return shape if config.input_gain is None else replace(shape, input_gain=config.input_gain)


def _sha256(name: str, path: str) -> str:
    try:
        return cards.sha256(Path(path))
    except OSError as error:
        raise TrainingError(f"--{name} {path} cannot be read: {error.strerror}") from error


def _resumed(settings: dict[str, Any], digits: Digits) -> dict[str, Any]:
    """The stored settings, with a note of when and on what the run went on.

    Raises:
        TrainingError: the data or the teacher are not those that the run began with.
    """
    if settings.get("data_sha256", digits.sha256()) != digits.sha256():
        raise TrainingError("other data than the run began with: give the same --data")
    teachers, hashes = settings["training"].get("teacher"), settings.get("teacher_sha256")
    for teacher, expected in zip(several(teachers), several(hashes), strict=False):
        if _sha256("teacher", teacher) != expected:
            raise TrainingError(f"{teacher} has changed since the run began: put the old one back")
    if "fonts" in settings:
        found = mixture.fonts_learnt(data.find(settings["data"]).parent)
        if found != settings["fonts"]:
            raise TrainingError("other fonts than the run began with: put the old ones back")
    again = {
        "commit": card.commit(),
        "device": _device(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return settings | {"resumed": [*settings.get("resumed", []), again]}


def _introduction(
    config: TrainingConfig, shape: NetworkConfig, loop: Loop, training: int, validation: int
) -> str:
    every_step, downward = config.step_loss, ""
    if shape.bidirectional:
        downward = f", plus {config.belief_loss:g} x that of the downward reader"
    else:  # whose answers they are
        every_step += config.belief_loss
    return (
        f"{_device()}: {config.preset}, {loop.averaged.count_params():,} parameters\n"
        f"{training:,} digits to train, {validation:,} to validate, {loop.batch} a step"
        f"{distribute.describe(loop.trainer.distribution)}\n"
        "the loss is that of the answer, "
        f"plus {every_step:g} x that of every step's answer{downward}{_pieces(config)}"
    )


def _pieces(config: TrainingConfig) -> str:
    if config.truncate is None:
        return ""
    state = "starts from 0" if config.reset else "is carried on"
    return f"\nno gradient goes back over the end of {config.truncate} steps; the state {state}"


def _summary(row: dict[str, Any], epochs: int, two_readers: bool, is_best: bool) -> str:
    downward = f"downward reader {row['validation_belief_error_percent']:.2f} %  "
    return (
        f"epoch {row['epoch']:3}/{epochs}  loss {row['loss']:.4f}  "
        f"validation error {row['validation_error_percent']:.2f} %  {downward * two_readers}"
        f"{row['images_per_second']:,.0f} images/s{'  best' if is_best else ''}"
    )


def _finish(
    config: TrainingConfig,
    data_path: Path | None,
    out: Path,
    progress: Progress,
    validation: Digits,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Calibrate and evaluate the best network, for the first and last time on the test set."""
    best = load_keras(out / BEST)
    calibration = calibrate(
        best, *(mixture.like_use(validation, config.seed) if config.mix else [validation])
    )
    run_dir.save_keras(best, out / BEST)
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
    write_json(out / cards.NAME, card.make(settings, metrics))
    write_json(out / METRICS, metrics)  # last: it marks the run as finished
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


def _device() -> str:
    """In words, as ``tensorflow 2.21.0 on CPU (cores: 4)`` or ``jax 0.10.2 on NVIDIA H100``."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        details = [
            tf.config.experimental.get_device_details(device).get("device_name", "GPU")
            for device in tf.config.list_physical_devices("GPU")
        ]
        version, gpu = tf.__version__, ", ".join(details)
    else:
        import jax

        version = jax.__version__
        gpu = ", ".join(d.device_kind for d in jax.devices() if d.platform != "cpu")
    may_use = getattr(os, "sched_getaffinity", None)  # Linux alone tells which are ours
    cores = len(may_use(0)) if may_use else os.cpu_count()
    return f"{backend} {version} on {gpu or f'CPU (cores: {cores})'}"
