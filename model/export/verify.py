"""What an export must pass before it is written: every output equals the reference's."""

import zipfile
from pathlib import Path

import numpy as np

from model import reference, signature
from model.predictor import ModelError, open_session

TOLERANCE = 1e-5
CHECKED_IMAGES = 256


class ExportError(Exception):
    """A form was not written; the message says which, and why."""


def verify(expected: dict[str, np.ndarray], actual: dict[str, np.ndarray], what: str) -> float:
    """Hold `actual` against the reference's outputs; returns the worst relative error.

    Raises:
        ExportError: a missing or superfluous output, or one that differs by more than 1e-5
            of its largest absolute value (or of 1, where that is smaller).
    """
    if set(expected) != set(actual):
        raise ExportError(f"{what} has the outputs {sorted(actual)}, not {sorted(expected)}")
    worst, name = max(
        (reference.relative_error(expected[name], actual[name]), name) for name in expected
    )
    if worst > TOLERANCE:
        raise ExportError(
            f"{what}: {name} differs from the reference by {worst:.1e}, "
            f"more than {TOLERANCE:.0e}; it was not written"
        )
    return worst


def check_images(real: Path | None) -> np.ndarray:
    """256 random images and, where MNIST is given, 256 of its digits: (count, 28, 28)."""
    side = (signature.STEPS, signature.PIXELS)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (CHECKED_IMAGES, *side)).astype(np.float32)
    if real is None:
        return images
    path = real / "mnist.npz" if real.is_dir() else real
    try:
        if not zipfile.is_zipfile(path):
            raise ExportError(f"--data {path} is not there, or not an .npz file")
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            digits = file["x_train"][-CHECKED_IMAGES:]  # the end: held out from training
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ExportError(f"--data {path} is not a readable mnist.npz: {error}") from error
    return np.concatenate([images, digits.reshape(-1, *side).astype(np.float32)])


def run_onnx(model: bytes, images: np.ndarray, what: str) -> dict[str, np.ndarray]:
    """Every output of an ONNX file's bytes for `images`, (batch, 28, 28) float32.

    Raises:
        ExportError: ONNX Runtime cannot read it, or not with these images.
    """
    try:
        session = open_session(model, what)
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, {signature.IMAGES: images}), strict=True))
    except ModelError as error:
        raise ExportError(str(error).partition("\n")[0]) from error
    except Exception as error:  # onnxruntime's exceptions share no narrower base class
        first_line = str(error).strip().partition("\n")[0]
        raise ExportError(f"{what} is not a network of this project: {first_line}") from error
