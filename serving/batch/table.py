"""Images to the rows of a CSV table; what `serving.batch` does in each of its processes."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from model import signature
from model.images.digit_count import preprocess_counted
from model.images.files import PictureError, open_picture
from model.predictor import Predictor
from model.verdict import judge
from serving.batch.inputs import Item
from serving.settings import Settings

_DIGITS = [f"p{digit}" for digit in range(signature.DIGITS)]
COLUMNS = ["source", "index", "digit", "confidence", *_DIGITS, "rejected", "reason", "error"]
_EMPTY = [""] * COLUMNS[2:].index("error")
_PLAIN_MODES = ("1", "L", "P", "RGB")  # Pillow's for 8 bits without transparency


class Rows(NamedTuple):
    """A piece of the table, and what to count in it."""

    text: str
    images: int
    rejected: int
    errors: int


class Reader:
    """Turns chunks of images into rows.

    Args:
        model: the ``.onnx`` file.
        raw: take 28 x 28 pixels as they are: white ink on black, centred as in MNIST.

    Raises:
        ModelError: see `Predictor`.
    """

    def __init__(self, model: Path, raw: bool):
        self._predictor = Predictor(model)
        self._raw = raw
        wanted = (signature.PROBABILITIES, signature.SCORE)
        self._outputs = [name for name in self._predictor.output_names if name in wanted]

    def read(self, chunk: Sequence[Item]) -> Rows:
        """Read some images in one inference."""
        images, digits, errors = [], [], []
        for item in chunk:
            try:
                image, count = self._prepare(item.image)
                images.append(image)
                digits.append(count)
                errors.append(None)
            except (PictureError, ValueError, OSError) as error:
                images.append(np.zeros((signature.STEPS, signature.PIXELS), np.float32))
                digits.append(1)
                errors.append(" ".join(str(error).split()))
        arrays = self._predictor.run(np.stack(images), self._outputs)
        scores = arrays.get(signature.SCORE)
        rejected = 0
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        for row, item in enumerate(chunk):
            if errors[row] is not None:
                table.writerow([item.source, item.index, *_EMPTY, errors[row]])
                continue
            has_ink = images[row].any()
            probabilities = arrays[signature.PROBABILITIES][row] if has_ink else None
            score = None if scores is None else float(scores[row, 0])
            verdict = judge(probabilities, score, self._predictor.thresholds, digits[row])
            rejected += verdict.rejected
            flag = "true" if verdict.rejected else "false"
            answer = _answer(probabilities)
            table.writerow([item.source, item.index, *answer, flag, verdict.reason, ""])
        failed = len(errors) - errors.count(None)
        return Rows(text.getvalue(), len(chunk), rejected, failed)

    def _prepare(self, image: Path | np.ndarray) -> tuple[np.ndarray, int]:
        """(28, 28) as the network wants it, and how many digits the picture shows."""
        if isinstance(image, Path):
            image = open_picture(image.read_bytes(), Settings().max_pixels)
            if self._raw:
                if image.mode not in _PLAIN_MODES or "transparency" in image.info:
                    raise PictureError("--raw needs 8 bits a pixel and no transparency")
                image = np.asarray(image.convert("L"))
        if not self._raw:
            seen, digits = preprocess_counted(image)
            return seen.image, digits
        if image.shape != (signature.STEPS, signature.PIXELS):
            height, width = image.shape
            raise PictureError(f"--raw needs 28 x 28 pixels, not {width} x {height}")
        return image, 1


def _answer(probabilities: np.ndarray | None) -> list[str]:
    """Digit, confidence and each digit's probability; empty where there is no ink."""
    if probabilities is None:
        return [""] * (2 + len(_DIGITS))
    shown = [f"{p:.7g}" for p in probabilities.tolist()]
    best = int(probabilities.argmax())
    return [str(best), shown[best], *shown]
