"""Images to the rows of a table; what `serving.batch` does in each of its processes."""

import csv
import io
import json
import multiprocessing
import os
import threading
from collections.abc import Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from model import signature
from model.images.files import PictureError, open_picture
from model.prediction import Prediction, Prepared, prepare
from model.predictor import Predictor
from serving.batch.inputs import Item
from serving.settings import Settings

COLUMNS = ["source", "index", "digit", "confidence", "score"]
COLUMNS += [f"p{digit}" for digit in range(signature.DIGITS)]
COLUMNS += ["rejected", "reason", "error"]
CSV, JSON = FORMATS = ("csv", "jsonl")
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
        kind: of the rows, `CSV` or `JSON` (an object a line).

    Raises:
        ModelError: see `Predictor`.
    """

    def __init__(self, model: Path, raw: bool, kind: str):
        self._predictor = Predictor(model)
        self._raw = raw
        self._as_text = {CSV: _csv, JSON: _json}[kind]

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
        rows = [
            [item.source, item.index, None, errors[row]]
            if row in errors
            else [item.source, item.index, next(answers), None]
            for row, item in enumerate(chunk)
        ]
        rejected = sum(answer.verdict.rejected for _, _, answer, _ in rows if answer)
        return Rows(self._as_text(rows), len(chunk), rejected, len(errors))

    def _prepare(self, image: Path | bytes | np.ndarray | PictureError) -> Prepared:
        if isinstance(image, PictureError):
            raise image
        if isinstance(image, Path):
            if not image.is_file():  # a pipe would never end
                raise PictureError("there is no such file" if not image.exists() else "not a file")
            image = image.read_bytes()
        if isinstance(image, bytes):
            image = open_picture(image, Settings().max_pixels)
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


def start_worker(model: Path, raw: bool, kind: str) -> None:
    """Make a process's `Reader`; here, for a new process cannot import a ``__main__``."""
    global _reader
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _reader = Reader(model, raw, kind)


def _end_with_parent() -> None:
    """A parent that was killed cannot end its workers."""
    wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def work(chunk: Sequence[Item]) -> Rows:
    """Read some images with it."""
    return _reader.read(chunk)


def header(kind: str) -> str:
    """What stands above the rows."""
    return ",".join(COLUMNS) + "\n" if kind == CSV else ""


_Row = tuple[str, int, Prediction | None, str | None]  # source, index, answer or error


def _csv(rows: Sequence[_Row]) -> str:
    """Empty where there is no ink or an error, and the score where the network has none."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    for source, index, answer, error in rows:
        cells, verdict = [""] * (3 + signature.DIGITS), ["", "", error]
        if answer is not None:
            flag = "true" if answer.verdict.rejected else "false"
            verdict = [flag, answer.verdict.reason, ""]
            if answer.probabilities is not None:
                shown = [f"{p:.7g}" for p in answer.probabilities.tolist()]
                score = "" if answer.score is None else f"{answer.score:.7g}"
                cells = [str(answer.digit), shown[answer.digit], score, *shown]
        table.writerow([source, index, *cells, *verdict])
    return text.getvalue()


def _json(rows: Sequence[_Row]) -> str:
    """The same with null for empty, and ``probabilities`` as one list."""
    return "".join(json.dumps(_object(*row)) + "\n" for row in rows)


def _object(source: str, index: int, answer: Prediction | None, error: str | None) -> dict:
    def rounded(value: float | None) -> float | None:
        return None if value is None else float(f"{value:.7g}")

    values: dict[str, Any] = dict.fromkeys(
        ("digit", "confidence", "score", "probabilities", "rejected", "reason")
    )
    if answer is not None:
        values |= {
            "digit": answer.digit,
            "confidence": rounded(answer.confidence),
            "score": rounded(answer.score),
            "rejected": answer.verdict.rejected,
            "reason": answer.verdict.reason or None,
        }
        if answer.probabilities is not None:
            values["probabilities"] = [rounded(p) for p in answer.probabilities.tolist()]
    return {"source": source, "index": index, **values, "error": error}
