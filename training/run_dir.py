"""A run's folder: what may be written there, and the settings that a resumed run keeps."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.files import atomic
from training.errors import TrainingError

if TYPE_CHECKING:
    import keras

CONFIG, METRICS = "config.json", "metrics.json"
BEST, CHECKPOINT = "best.keras", "checkpoint.npz"


def prepare(out: Path, resume: bool) -> bool:
    """Make the folder; returns whether it holds a checkpoint to go on from.

    A run that was stopped in its first epoch has nothing to lose: it may be resumed, or
    started again.

    Raises:
        TrainingError: the folder holds something else, or a finished run.
    """
    if (out / METRICS).exists():
        raise TrainingError(
            f"{out} is a finished run: nothing is left to do; a new one needs a new --out"
        )
    has_checkpoint = (out / CHECKPOINT).exists()
    is_ours = (out / CONFIG).exists() and not has_checkpoint
    if not (resume or is_ours) and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainingError(f"{out} exists: give another --out, or --resume to go on with it")
    out.mkdir(parents=True, exist_ok=True)
    return resume and has_checkpoint


def read_settings(out: Path) -> dict[str, Any]:
    """What ``config.json`` holds.

    Raises:
        TrainingError: there is none, or it is damaged.
    """
    path = out / CONFIG
    if not path.is_file():
        raise TrainingError(f"nothing to resume: no {path}")
    try:
        settings = json.loads(path.read_text())
        settings["training"]["preset"], settings["network"]["units"]
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path} is damaged: start again with a new --out") from error
    return settings


def save_keras(model: "keras.Model", path: Path) -> None:
    """Under its name there is never a half-written file."""
    with atomic(path, ending=".part.keras") as part:  # Keras goes by the ending
        model.save(part)
