"""Images to rows of a table: what `serving.batch` does in each of its processes."""

import json
import math
import multiprocessing
import os
import re
import stat
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from model import signature
from model.images.files import PictureError, open_picture
from model.prediction import Prediction, Prepared, predictions, prepare_many
from model.predictor import Predictor
from serving.batch.formats import Block, InputError, Item, need_pyarrow
from serving.batch.storage import fetched
from serving.settings import Settings

FORMATS = ("csv", "csv.gz", "jsonl", "jsonl.gz", "parquet")
_PLAIN_MODES = ("1", "L", "P", "RGB")  # Pillow's for 8 bits without transparency
_MOST_PIXELS = 2**22  # of decoded pictures that wait to be prepared together
_NO_INK = Prepared(np.zeros((signature.STEPS, signature.PIXELS), np.float32), 0)


@dataclass(frozen=True)
class Options:
    """What decides the table's content, beside input and network.

    Attributes:
        format: one of `FORMATS`.
        batch: images in one inference.
        raw: take 28 x 28 pixels as they are: white ink on black, centred as in MNIST.
        probabilities: a column for each digit's, ``p0`` to ``p9``.
        steps: a column `signature.STEP_PROBABILITIES`, 28 x 10.
        label: the name of the inputs' labels, for a column ``label``.
        states: a column for each of the network's hidden states, 28 x units.
        provider: what computes, see `model.predictor.open_session`.
    """

    format: str = "csv"
    batch: int = 64
    raw: bool = False
    probabilities: bool = False
    steps: bool = False
    states: bool = False
    label: str | None = None
    provider: str = "cpu"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Rows(NamedTuple):
    """A piece of the table, lines or a RecordBatch of pyarrow's, and what to count in it."""

    content: Any
    images: int
    rejected: int
    errors: int
    labelled: int = 0
    right: int = 0


class Reader:
    """Turns images into rows.

    Attributes:
        options: what was asked for.
        columns: the table's.

    Raises:
        ModelError: see `Predictor`.
        InputError: pyarrow is needed and not installed.
    """

    def __init__(self, model: Path, options: Options):
        self.options = options
        self._max_pixels = Settings().max_pixels
        self.predictor = Predictor(model, provider=options.provider)
        names = self.predictor.output_names
        self._outputs = list(self.predictor.answer_names)
        self._large = [signature.STEP_PROBABILITIES] if options.steps else []
        self._large += [name for name in names if options.states and signature.layer_of(name)]
        self._outputs += self._large
        digits = [f"p{digit}" for digit in range(signature.DIGITS)] if options.probabilities else []
        self.columns = ["source", "index", "digit", "confidence", "score", *digits]
        labels = ["label"] if options.label else []
        self.columns += ["rejected", "reason", "error", *labels, *self._large]
        if options.format == "parquet":
            need_pyarrow("to write Parquet")

    def read(self, chunk: Block | Sequence[Item]) -> Rows:
        """Read some images in one inference."""
        if isinstance(chunk, Block):
            images, chunk = chunk.images, chunk.items()
            if self.options.raw and _is_raw(images):
                return self._rows(chunk, self._read_raw(images))
        prepared = self.prepare(chunk)
        answers = self.predictor.predict(
            [each if isinstance(each, Prepared) else _NO_INK for each in prepared], self._outputs
        )
        return self._rows(
            chunk,
            [
                answer if isinstance(each, Prepared) else _message(each)
                for each, answer in zip(prepared, answers, strict=True)
            ],
        )

    def prepare(self, items: Sequence[Item]) -> list[Prepared | Exception]:
        """What the network gets of each, or why it gets nothing."""
        found: dict[int, Prepared | Exception] = {}
        waiting: dict[int, Image.Image | np.ndarray] = {}
        pixels = 0
        for row, item in enumerate(fetched(items)):
            try:
                picture = self._opened(item.image)
                if self.options.raw:
                    found[row] = _as_it_is(picture)
                    continue
            except (PictureError, InputError, OSError, MemoryError) as error:
                found[row] = error
                continue
            waiting[row] = picture
            is_image = isinstance(picture, Image.Image)
            pixels += math.prod(picture.size if is_image else picture.shape)
            if pixels > _MOST_PIXELS:
                found |= zip(waiting, prepare_many([*waiting.values()]), strict=True)
                waiting, pixels = {}, 0
        found |= zip(waiting, prepare_many([*waiting.values()]), strict=True)
        return [found[row] for row in range(len(items))]

    def _read_raw(self, images: np.ndarray) -> list[Prediction]:
        digits = images.any(axis=(1, 2)).astype(int)
        outputs = self.predictor.run(images, self._outputs)
        return predictions(outputs, self.predictor.thresholds, digits)

    def _opened(self, image: Any) -> Image.Image | np.ndarray:
        if isinstance(image, Exception):
            raise image
        if isinstance(image, str):
            image = _bytes_of(image)
        return open_picture(image, self._max_pixels) if isinstance(image, bytes) else image

    def _rows(self, items: Sequence[Item], answers: Sequence[Prediction | str]) -> Rows:
        rows, rejected, errors, labelled, right = [], 0, 0, 0, 0
        empty = [None] * (len(self.columns) - 2 - bool(self.options.label))
        at = self.columns.index("error") - 2
        for item, answer in zip(items, answers, strict=True):
            if isinstance(answer, str):
                cells = empty.copy()
                cells[at] = answer.encode("utf-8", "backslashreplace").decode()
                errors += 1
            else:
                cells = self._cells(answer)
                rejected += answer.verdict.rejected
            if self.options.label:
                label = _text(item.label)
                cells.insert(at + 1, label)
                labelled += label is not None and not isinstance(answer, str)
                right += label is not None and cells[0] is not None and str(cells[0]) == label
            rows.append((name_of(item), item.index, *cells))
        return Rows(self._encoded(rows), len(rows), rejected, errors, labelled, right)

    def _cells(self, answer: Prediction) -> list[Any]:
        """Those behind source and index; empty where there is no ink, and unknown scores."""
        verdict, has_ink = answer.verdict, answer.probabilities is not None
        ten = answer.probabilities.tolist() if has_ink else [None] * signature.DIGITS
        cells = [answer.digit, max(ten) if has_ink else None, answer.score]
        if self.options.probabilities:
            cells += ten
        cells += [verdict.rejected, verdict.reason, None]
        for name in self._large:
            states = answer.hidden_states | {
                signature.STEP_PROBABILITIES: answer.step_probabilities
            }
            cells.append(states.get(name) if has_ink else None)
        return cells

    def _encoded(self, rows: list[tuple]) -> Any:
        if self.options.format == "parquet":
            arrow = need_pyarrow("to write Parquet")
            columns = zip(*rows, strict=True)
            arrays = [
                arrow.array(
                    [c.tolist() if isinstance(c, np.ndarray) else c for c in column], field.type
                )
                for column, field in zip(columns, self.schema(), strict=True)
            ]
            return arrow.record_batch(arrays, schema=self.schema())
        if self.options.format.startswith("jsonl"):
            lines = (
                json.dumps(dict(zip(self.columns, map(_plain, row), strict=True))) for row in rows
            )
        else:
            lines = (",".join(map(_cell, row)) for row in rows)
        return "".join(f"{line}\n" for line in lines).encode()

    def schema(self) -> Any:
        """The table's columns for pyarrow."""
        arrow = need_pyarrow("to write Parquet")
        types = {"index": arrow.int64(), "digit": arrow.int8(), "rejected": arrow.bool_()}
        types |= dict.fromkeys(("source", "reason", "error", "label"), arrow.string())
        types |= dict.fromkeys(self._large, arrow.list_(arrow.list_(arrow.float32())))
        return arrow.schema([(name, types.get(name, arrow.float32())) for name in self.columns])

    def head(self) -> bytes:
        """What stands before the first row."""
        return f"{','.join(self.columns)}\n".encode() if self.options.format[:3] == "csv" else b""


def name_of(item: Item | Block) -> str:
    """Its source as the table has it: bytes that are no UTF-8 as escapes."""
    return item.source.encode("utf-8", "backslashreplace").decode()


def _as_it_is(picture: Image.Image | np.ndarray) -> Prepared:
    """28 x 28 pixels for the network, untouched."""
    if isinstance(picture, Image.Image):
        if picture.mode not in _PLAIN_MODES or "transparency" in picture.info:
            raise PictureError("--raw needs 8 bits a pixel and no transparency")
        picture = np.asarray(picture.convert("L"))
    if not _is_raw(picture[None]):
        raise PictureError(
            "--raw needs uint8 of 28 x 28 pixels, not "
            f"{picture.dtype} of {' x '.join(map(str, picture.shape[1::-1]))}"
        )
    return Prepared(picture, int(picture.any()))


def _message(error: Exception) -> str:
    return " ".join(str(error).split()) or "not enough memory"


def _is_raw(images: np.ndarray) -> bool:
    size = (signature.STEPS, signature.PIXELS)
    return images.shape[1:] == size and images.dtype == np.uint8


def _text(label: Any) -> str | None:
    """A label as the table has it: of numbers with gaps 7.0 is 7, and NaN none."""
    if label is None or label != label:
        return None
    is_whole = isinstance(label, float) and label.is_integer()
    return str(int(label) if is_whole else label)


def _bytes_of(path: str) -> bytes:
    try:
        # A pipe would never end.
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116, paths are texts
            raise PictureError("it is no file: a pipe, a device or a folder")
        with open(path, "rb") as file:  # noqa: PTH123, paths are texts
            return file.read()
    except OSError as error:
        raise PictureError(f"the file cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise PictureError(f"the file cannot be read: {error}") from error


def _plain(cell: Any) -> Any:
    """A cell for JSON: seven digits say all that float32 knows."""
    if isinstance(cell, float):
        return float(f"{cell:.7g}")
    if isinstance(cell, np.ndarray):
        return [[float(f"{number:.7g}") for number in row] for row in cell.tolist()]
    return cell


def _cell(cell: Any) -> str:
    """A cell for CSV. The csv module of Python 3.11 leaves a CR unquoted."""
    kind = type(cell)
    if kind is float:
        return f"{cell:.7g}"
    if kind is str:
        return '"' + cell.replace('"', '""') + '"' if re.search('[,"\r\n]', cell) else cell
    if cell is None:
        return ""
    if kind is np.ndarray:
        return f'"{json.dumps(_plain(cell))}"'
    return str(cell).lower()  # numbers, true and false


_reader: Reader  # of a worker


def start_worker(model: Path, options: Options) -> None:
    """Make a process's `Reader`; here, for a new process cannot import a ``__main__``."""
    global _reader
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _reader = Reader(model, options)


def _end_with_parent() -> None:
    """Killed outright, a parent cannot end its workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def work(chunk: Block | Sequence[Item]) -> Rows:
    """Read some images with it."""
    return _reader.read(chunk)
