"""Everything a run needs to go on exactly, in one file that is never half written."""

import json
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from model.files import atomic
from training.errors import TrainingError
from training.run_dir import CHECKPOINT


def save(folder: Path, variables: list[keras.Variable], progress: dict[str, Any]) -> None:
    """Write all `variables` and the JSON-able `progress`; replaces the old file in one move."""
    arrays = {f"variable_{i}": ops.convert_to_numpy(v) for i, v in enumerate(variables)}
    with atomic(folder / CHECKPOINT) as part, part.open("wb") as file:
        np.savez(file, progress=np.array(json.dumps(progress)), **arrays)


def load(folder: Path, variables: list[keras.Variable]) -> dict[str, Any]:
    """Assign what `save` wrote; returns its `progress`.

    Raises:
        TrainingError: no checkpoint, a damaged one, or one of another network.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        raise TrainingError(f"nothing to resume: no {path}")
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = [file[f"variable_{i}"] for i in range(len(variables))]
            progress = json.loads(str(file["progress"]))
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise TrainingError(
            f"{path} is damaged or of another version ({error}): start again with a new --out"
        ) from error
    for variable, array in zip(variables, arrays, strict=True):
        if tuple(variable.shape) != array.shape:
            raise TrainingError(f"{path} belongs to another network: start again with a new --out")
        variable.assign(array)
    return progress
