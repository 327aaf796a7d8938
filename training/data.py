"""MNIST as arrays, split and checked.

Source: LeCun, Cortes, Burges, http://yann.lecun.com/exdb/mnist/ (CC BY-SA 3.0), as the
``mnist.npz`` that Keras distributes. Taken from ``--data``, else from SCANLINE_DATA, else
from Keras's downloader.
"""

import hashlib
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model import signature
from training.errors import TrainingError


@dataclass(frozen=True)
class Digits:
    """Labelled images."""

    images: np.ndarray  # (count, 28, 28) uint8
    labels: np.ndarray  # (count,) uint8

    def __len__(self) -> int:
        return len(self.labels)

    def sha256(self) -> str:
        """Of images and labels: tells whether two runs saw the same digits."""
        return hashlib.sha256(self.images.tobytes() + self.labels.tobytes()).hexdigest()


def load_training(path: Path | str | None, validation: int) -> tuple[Digits, Digits]:
    """The training digits, the last `validation` of them held out.

    Raises:
        TrainingError: no such file, not a data set, a wrong shape or labels outside 0..9.
    """
    digits = _load(path, "train")
    if not 0 < validation < len(digits):
        raise TrainingError(
            f"cannot hold {validation} of {len(digits)} digits out for validation: "
            "give a smaller --validation"
        )
    first = len(digits) - validation
    return (
        Digits(digits.images[:first], digits.labels[:first]),
        Digits(digits.images[first:], digits.labels[first:]),
    )


def load_test(path: Path | str | None) -> Digits:
    """The test digits: read once for each released model, after all choices are made."""
    return _load(path, "test")


def find(path: Path | str | None) -> Path:
    """The file: `path`, or SCANLINE_DATA, or Keras's download. Folders hold ``mnist.npz``."""
    path = path or os.environ.get("SCANLINE_DATA")
    if path:
        path = Path(path)
        path = path / "mnist.npz" if path.is_dir() else path
        if not path.is_file():
            raise TrainingError(f"no data at {path}: give --data the path of mnist.npz")
        return path
    import keras  # only its downloader needs it

    try:
        keras.datasets.mnist.load_data()
    except Exception as error:  # whatever the network or the cache folder answered
        raise TrainingError(
            f"MNIST cannot be downloaded ({error}): give --data the path of mnist.npz"
        ) from error
    return Path(keras.config.keras_home()) / "datasets" / "mnist.npz"


def _load(path: Path | str | None, split: str) -> Digits:
    path = find(path)
    if not zipfile.is_zipfile(path):
        raise TrainingError(f"{path} is not a readable .npz file")
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            images, labels = file[f"x_{split}"], file[f"y_{split}"]
    except KeyError as error:
        raise TrainingError(
            f"{path}: {error.args[0]}; the keys x_train, y_train, x_test and y_test are needed"
        ) from error
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise TrainingError(f"{path} is not a readable .npz file: {error}") from error
    return _checked(images, labels, f"{path}, {split}")


def _checked(images: np.ndarray, labels: np.ndarray, source: str) -> Digits:
    side = (signature.STEPS, signature.PIXELS)
    if images.ndim != 3 or images.shape[1:] != side or not len(images):
        raise TrainingError(f"{source}: images must be (count, 28, 28), not {images.shape}")
    if labels.shape != images.shape[:1]:
        raise TrainingError(
            f"{source}: one label an image is needed: {len(images)} images, labels {labels.shape}"
        )
    if not np.issubdtype(images.dtype, np.number) or not np.issubdtype(labels.dtype, np.integer):
        raise TrainingError(
            f"{source}: images must be numbers and labels whole numbers, "
            f"not {images.dtype} and {labels.dtype}"
        )
    if labels.min() < 0 or labels.max() >= signature.DIGITS:
        raise TrainingError(
            f"{source}: labels must be in 0..9, found {labels.min()}..{labels.max()}"
        )
    if not (images.min() >= 0 and images.max() <= signature.WHITE):  # also false for NaN
        raise TrainingError(f"{source}: pixels must be in 0..255")
    return Digits(images.astype(np.uint8), labels.astype(np.uint8))
