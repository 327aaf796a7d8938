"""One training run: settings in, run folder out.

``runs/NAME/`` holds ``config.json``, ``metrics.csv`` and ``metrics.json``, the pictures,
``tensorboard/``, ``best.keras`` (best on validation data), ``card.json`` and
``checkpoint.npz`` (to resume from).
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras

from model import cards
from model.network import PRESETS, NetworkConfig
from training import card, checkpoint, data, device, distribute, report
from training import provenance as lineage
from training import run_dir as folder
from training.config import TrainingConfig
from training.data import Digits
from training.errors import TrainingError
from training.finish import Progress, finish
from training.loop import Loop
from training.run_dir import BEST, CHECKPOINT, CONFIG


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
        has_checkpoint = folder.prepare(out, resume)
    else:
        has_checkpoint = resume and (out / CHECKPOINT).exists()
    digits = data.load_training(data_path, config.validation)
    if resume:
        settings = _resumed(folder.read_settings(out), digits[0])
    else:
        settings = _settings(config, data_path, digits[0], command)
    if writes:
        folder.write_json(out / CONFIG, settings)
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
            folder.save_keras(loop.averaged, out / BEST)
        checkpoint.save(out, loop.trainer.variables, vars(progress))
        report.write_csv(out / "metrics.csv", progress.history)
        tensorboard.write(row)
        print(_summary(row, config.epochs, shape.bidirectional, is_best))
    tensorboard.close()
    return finish(config, data_path, out, progress, digits[1], settings)


def _settings(
    config: TrainingConfig, data_path: Path | None, digits: Digits, command: str
) -> dict[str, Any]:
    """All that determines the run, and how it came to be."""
    settings = {
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
    for name in ("start", "teacher"):
        if path := getattr(config, name):
            settings[f"{name}_sha256"] = _sha256(name, Path(path))
    # Now, not at the end: what cannot be read there must not cost the run.
    return settings | {"commands": lineage.commands(settings)}


def _sha256(name: str, path: Path) -> str:
    try:
        return cards.sha256(path)
    except OSError as error:
        raise TrainingError(f"--{name} {path} cannot be read: {error.strerror}") from error


def _resumed(settings: dict[str, Any], digits: Digits) -> dict[str, Any]:
    """The stored settings, with a note of when and on what the run went on.

    Raises:
        TrainingError: the data or the teacher are not those that the run began with.
    """
    if settings.get("data_sha256", digits.sha256()) != digits.sha256():
        raise TrainingError("other data than the run began with: give the same --data")
    teacher, expected = settings["training"].get("teacher"), settings.get("teacher_sha256")
    if expected and _sha256("teacher", Path(teacher)) != expected:
        raise TrainingError(f"{teacher} has changed since the run began: put the old one back")
    again = {
        "commit": card.commit(),
        "device": device.describe(),
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
        f"{device.describe()}: {config.preset}, {loop.averaged.count_params():,} parameters\n"
        f"{training:,} digits to train, {validation:,} to validate, {loop.batch} a step"
        f"{distribute.describe(loop.trainer.distribution)}\n"
        "the loss is that of the answer, "
        f"plus {every_step:g} x that of every step's answer{downward}"
    )


def _summary(row: dict[str, Any], epochs: int, two_readers: bool, is_best: bool) -> str:
    downward = f"downward reader {row['validation_belief_error_percent']:.2f} %  "
    return (
        f"epoch {row['epoch']:3}/{epochs}  loss {row['loss']:.4f}  "
        f"validation error {row['validation_error_percent']:.2f} %  {downward * two_readers}"
        f"{row['images_per_second']:,.0f} images/s{'  best' if is_best else ''}"
    )
