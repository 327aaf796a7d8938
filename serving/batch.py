"""Digits by the thousand: ``python -m serving.batch INPUT --output predictions.csv``.

INPUT is a folder of pictures (with the folders in it), one picture, or an .npz with the array
``images``, uint8 (n, height, width). The table has a row for each image, in the order of the
input. A picture that cannot be read has its ``error`` and spoils no other.

Exit codes: 0; 1 if a row has an error; 2 if nothing could be done, with one line on why; 130
if stopped, by Ctrl-C or SIGTERM.
"""

import os

# Read by NumPy at import, here and in the workers: each uses one core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import csv
import io
import multiprocessing
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from model import signature
from model.preprocess import preprocess
from serving.inputs import Input, InputError, Item, open_input
from serving.pictures import PictureError, open_picture
from serving.predictor import ModelError, Predictor
from serving.settings import Parser, Settings, variable_of, whole
from serving.verdict import judge

_DIGITS = [f"p{digit}" for digit in range(signature.DIGITS)]
COLUMNS = ["source", "index", "digit", "confidence", *_DIGITS, "rejected", "reason", "error"]
_EMPTY = [""] * COLUMNS[2:].index("error")
_PLAIN_MODES = ("1", "L", "P", "RGB")  # Pillow's for 8 bits without transparency
STOPPED = 130


class BatchError(Exception):
    """The table cannot be made; the message says what to do."""


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
        images, errors = [], []
        for item in chunk:
            try:
                images.append(self._prepare(item.image))
                errors.append(None)
            except (PictureError, ValueError, OSError) as error:
                images.append(np.zeros((signature.STEPS, signature.PIXELS), np.float32))
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
            verdict = judge(probabilities, score, self._predictor.thresholds)
            rejected += verdict.rejected
            flag = "true" if verdict.rejected else "false"
            answer = _answer(probabilities)
            table.writerow([item.source, item.index, *answer, flag, verdict.reason, ""])
        failed = len(errors) - errors.count(None)
        return Rows(text.getvalue(), len(chunk), rejected, failed)

    def _prepare(self, image: Path | np.ndarray) -> np.ndarray:
        """(28, 28) as the network wants it."""
        if isinstance(image, Path):
            image = open_picture(image.read_bytes(), Settings.max_pixels)
            if self._raw:
                if image.mode not in _PLAIN_MODES or "transparency" in image.info:
                    raise PictureError("--raw needs 8 bits a pixel and no transparency")
                image = np.asarray(image.convert("L"))
        if not self._raw:
            return preprocess(image).image
        if image.shape != (signature.STEPS, signature.PIXELS):
            height, width = image.shape
            raise PictureError(f"--raw needs 28 x 28 pixels, not {width} x {height}")
        return image


def _answer(probabilities: np.ndarray | None) -> list[str]:
    """Digit, confidence and each digit's probability; empty where there is no ink."""
    if probabilities is None:
        return [""] * (2 + len(_DIGITS))
    shown = [f"{p:.7g}" for p in probabilities.tolist()]
    best = int(probabilities.argmax())
    return [str(best), shown[best], *shown]


_reader: Reader  # of a worker


def _start_worker(model: Path, raw: bool) -> None:
    global _reader
    _reader = Reader(model, raw)


def _work(chunk: list[Item]) -> Rows:
    return _reader.read(chunk)


def _in_processes(chunks: Iterable[list[Item]], reader: tuple, processes: int) -> Iterator[Rows]:
    """Map `Reader(*reader).read` over the chunks, in order, few of them in memory at a time."""
    # Spawned, for a fork of a process with ONNX Runtime's threads may hang.
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, spawn, _start_worker, reader)
    waiting: deque[Future[Rows]] = deque()
    try:
        for chunk in chunks:
            waiting.append(_submit(pool, chunk))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise BatchError(
            "a worker ended unexpectedly, perhaps for lack of memory: take fewer --processes"
        ) from error
    finally:
        if waiting:  # stopped before the end: what the workers still read is of no use
            for worker in multiprocessing.active_children():
                worker.terminate()
        pool.shutdown(cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, chunk: list[Item]) -> Future[Rows]:
    # This may start a worker, which inherits the mask: Ctrl-C is for this process alone.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(_work, chunk)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def write_table(
    images: Input, output: Path, model: Path, raw: bool, processes: int, batch: int
) -> Rows:
    """Read all images and write `output`, which appears only when it is whole.

    Args:
        images: see `serving.inputs`.
        output: the CSV file; until the end its name has ``.part`` behind it.
        model: the ``.onnx`` file.
        raw: see `Reader`.
        processes: workers; with 1 the work is done in this process.
        batch: images in one inference.

    Returns:
        The table's counts, with an empty text.

    Raises:
        BatchError: the file cannot be written, or a worker died.
        InputError: see `Input.chunks`.
        ModelError: see `Predictor`.
    """
    reader = Reader(model, raw)  # here, too, so that a bad model is told in its own words
    chunks = images.chunks(batch)
    if processes > 1 and images.count > batch:
        pieces = _in_processes(chunks, (model, raw), min(processes, -(-images.count // batch)))
    else:
        pieces = (reader.read(chunk) for chunk in chunks)
    done = rejected = errors = 0
    part = _part(output)
    try:
        if output.is_dir():
            raise BatchError(f"cannot write {output}: it is a folder, name a file")
        with (
            part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
            closing(pieces),
            tqdm(total=images.count, unit=" images", disable=None) as progress,
        ):
            file.write(",".join(COLUMNS) + "\n")
            for rows in pieces:
                file.write(rows.text)
                done += rows.images
                rejected += rows.rejected
                errors += rows.errors
                progress.update(rows.images)
        part.replace(output)
    except OSError as error:
        raise BatchError(f"cannot write {part}: {error.strerror}") from error
    return Rows("", done, rejected, errors)


def _part(output: Path) -> Path:
    return output.with_name(output.name + ".part")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; see the module's docstring."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parser = _parser()
    settings = parser.parse_args(argv)
    try:
        if settings.output.resolve() == settings.input.resolve():
            raise BatchError(f"--output would overwrite the input {settings.input}")
        images = open_input(settings.input, settings.raw)
        rows = write_table(
            images, settings.output, settings.model, settings.raw, settings.processes, settings.batch
        )
    except (BatchError, InputError, ModelError) as error:
        print(f"{parser.prog}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        part = _part(settings.output)
        print(f"{parser.prog}: stopped; what was read is in {part}", file=sys.stderr)
        return STOPPED
    print(
        f"{settings.output}: {rows.images} images, {rows.rejected} rejected, "
        f"{rows.errors} with an error; {images.skipped} other files skipped",
        file=sys.stderr,
    )
    return 1 if rows.errors else 0
