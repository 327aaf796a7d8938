"""Digits of 13 other people, scanned from a form and reduced to 8 x 8 pixels.

Source: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits" (1998), UCI Machine
Learning Repository, https://doi.org/10.24432/C50P49 (CC BY 4.0): its test part, 1,797 lines of 64
values 0..16 and a label. scikit-learn's wheel holds it as ``sklearn/datasets/data/digits.csv.gz``.
Only for evaluation: nothing is trained on it.
"""

import zlib
from pathlib import Path

import numpy as np

from training.data import Digits
from training.errors import TrainingError

FILES = ("optdigits.tes", "digits.csv.gz")
_SIDE, _MOST = 8, 16


def find(folder: Path) -> Path | None:
    """The first of FILES that `folder` holds."""
    return next((folder / name for name in FILES if (folder / name).is_file()), None)


def load(path: Path) -> Digits:
    """White ink on black, uint8 (count, 8, 8), and labels.

    Raises:
        TrainingError: not such a file, or a damaged one.
    """
    try:
        table = np.loadtxt(path, delimiter=",", ndmin=2)
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise TrainingError(f"{path} cannot be read: {error}") from error
    most = np.array([_MOST] * _SIDE * _SIDE + [9])
    if table.shape[1:] != most.shape or not ((table >= 0) & (table <= most)).all():
        raise TrainingError(f"{path} is not a table of 64 values 0..{_MOST} and a label")
    images = np.rint(table[:, :-1] * (255 / _MOST)).astype(np.uint8)
    return Digits(images.reshape(-1, _SIDE, _SIDE), table[:, -1].astype(np.uint8))
