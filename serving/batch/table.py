"""Images to the rows of a CSV table; what `serving.batch` does in each of its processes."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from model import signature
from model.images.files import PictureError, open_picture
from model.prediction import Prediction, Prepared, prepare
from model.predictor import Predictor
from serving.batch.inputs import Item
from serving.settings import Settings

_DIGITS = [f"p{digit}" for digit in range(signature.DIGITS)]
_ANSWER = ["digit", "confidence", "score", *_DIGITS]
COLUMNS = ["source", "index", *_ANSWER, "rejected", "reason", "error"]
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

    def read(self, chunk: Sequence[Item]) -> Rows:
        """Read some images in one inference."""
        prepared: list[Prepared] = []
        errors: dict[int, str] = {}
        for row, item in enumerate(chunk):
            try:
                prepared.append(self._prepare(item.image))
            except (PictureError, OSError) as error:
                errors[row] = " ".join(str(error).split())
        answers = iter(self._predictor.predict(prepared))
        rejected = 0
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        for row, item in enumerate(chunk):
            if row in errors:
                table.writerow([item.source, item.index, *_EMPTY, errors[row]])
                continue
            answer = next(answers)
            rejected += answer.verdict.rejected
            flag = "true" if answer.verdict.rejected else "false"
            cells = _cells(answer)
            table.writerow([item.source, item.index, *cells, flag, answer.verdict.reason, ""])
        return Rows(text.getvalue(), len(chunk), rejected, len(errors))

    def _prepare(self, image: Path | np.ndarray) -> Prepared:
        if isinstance(image, Path):
            image = open_picture(image.read_bytes(), Settings().max_pixels)
            if self._raw:
                if image.mode not in _PLAIN_MODES or "transparency" in image.info:
                    raise PictureError("--raw needs 8 bits a pixel and no transparency")
                image = np.asarray(image.convert("L"))
        if not self._raw:
            return prepare(image)
        if image.shape != (signature.STEPS, signature.PIXELS):
            height, width = image.shape
            raise PictureError(f"--raw needs 28 x 28 pixels, not {width} x {height}")
        return Prepared(image, int(image.any()))


_reader: Reader  # of a worker


def start_worker(model: Path, raw: bool) -> None:
    """Make a process's `Reader`; here, for a new process cannot import a ``__main__``."""
    global _reader
    _reader = Reader(model, raw)


def work(chunk: Sequence[Item]) -> Rows:
    """Read some images with it."""
    return _reader.read(chunk)


def _cells(answer: Prediction) -> list[str]:
    """`_ANSWER`; empty where there is no ink, and the score where the network has none."""
    if answer.probabilities is None:
        return [""] * len(_ANSWER)
    shown = [f"{p:.7g}" for p in answer.probabilities.tolist()]
    score = "" if answer.score is None else f"{answer.score:.7g}"
    return [str(answer.digit), shown[answer.digit], score, *shown]
