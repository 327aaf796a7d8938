"""MNIST as arrays, split and checked.

Source: LeCun, Cortes, Burges, http://yann.lecun.com/exdb/mnist/ (CC BY-SA 3.0), as files that
`model.digit_files` reads. Taken from ``--data``, else from SCANLINE_DATA, else from Keras's
downloader.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model import digit_files, signature
from training.errors import TrainingError

MOST_BLANK = 0.01  # of the images
MOST_LIGHT = 0.1


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
    """The file (`model.digit_files`): `path`, or SCANLINE_DATA, or Keras's download."""
    path = path or os.environ.get("SCANLINE_DATA")
    if path:
        path = Path(path)
        found = digit_files.find(path)
        if found is None:
            raise TrainingError(
                f"no data at {path}: give --data mnist.npz, or the folder of MNIST's IDX files or "
                "CSV tables"
            )
        return found
    import keras  # only its downloader needs it

    try:
        keras.datasets.mnist.load_data()
    except Exception as error:  # whatever the network or the cache folder answered
        raise TrainingError(
            f"MNIST cannot be downloaded ({error}): give --data the path of mnist.npz"
        ) from error
    return Path(keras.config.keras_home()) / "datasets" / "mnist.npz"


def require_test(path: Path | str | None) -> None:
    """Refuse data without test digits: they are wanted when all epochs are done.

    Raises:
        TrainingError: there are none.
    """
    path = find(path)
    if not digit_files.has_part(path, "test"):
        raise TrainingError(
            f"{path}: no test digits (x_test and y_test, or the test file beside it); they are "
            "read at the end of the run"
        )


def _load(path: Path | str | None, part: str) -> Digits:
    path = find(path)
    try:
        images, labels = digit_files.read(path, part)
    except ValueError as error:
        raise TrainingError(str(error)) from error
    return _checked(images, labels, f"{path}, {part}")


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
    if images.max() <= 1:
        if not np.issubdtype(images.dtype, np.floating):
            raise TrainingError(f"{source}: pixels are 0 and 1 alone; multiply them by 255")
        images = images * signature.WHITE  # floats 0..1
    pixels = np.rint(images).astype(np.uint8)
    _refuse_what_cannot_be_read(pixels, source)
    return Digits(pixels, labels.astype(np.uint8))


def _refuse_what_cannot_be_read(images: np.ndarray, source: str) -> None:
    """
    Raises:
        TrainingError: many images are blank, or show dark digits on a light page.
    """
    blank = (images.max(axis=(1, 2)) == images.min(axis=(1, 2))).mean()
    if blank > MOST_BLANK:
        raise TrainingError(f"{source}: {100 * blank:.0f} % of the images are blank")
    rim = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1)
    light = (rim.mean(axis=1) > signature.WHITE / 2).mean()
    if light > MOST_LIGHT:
        raise TrainingError(
            f"{source}: {100 * light:.0f} % of the images are light at the rim; white ink on black "
            "is needed: give 255 - x"
        )
