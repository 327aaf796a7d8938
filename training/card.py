"""The model card: what a network is, how it came to be and how good it is, as JSON."""

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NAME = "card.json"
VERSION = "1"  # of the released network; also the version in the inference protocol


def make(settings: dict[str, Any], metrics: dict[str, Any]) -> dict[str, Any]:
    """Put a run's settings and figures together; `training.release` adds the files' hashes."""
    training = settings["training"]
    return {
        "name": "scanline",
        "version": VERSION,
        "preset": training["preset"],
        "network": settings["network"],
        "parameters": metrics["parameters"],
        "training_data": "MNIST (LeCun, Cortes, Burges), "
        f"{60_000 - training['validation']:,} of the 60,000 training digits",
        "command": settings["command"],
        "commit": settings["commit"],
        "date": datetime.now(UTC).date().isoformat(),
        "seed": training["seed"],
        "epochs": training["epochs"],
        "best_epoch": metrics["best_epoch"],
        "wall_time_seconds": metrics["seconds"],
        "device": settings["device"],
        "validation": metrics["validation"],
        "test": metrics["test"],
        "licence": "Apache-2.0",
    }


def write(path: Path, card: dict[str, Any]) -> None:
    path.write_text(json.dumps(card, indent=2) + "\n")


def commit() -> str | None:
    """The commit of the code, marked where it had changes; None outside a checkout."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
